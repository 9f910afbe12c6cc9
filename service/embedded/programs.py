"""Starting a server program as our child, ending it, and reading why it gave up."""

import contextlib
import errno
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from domain.errors import ParkError, Unavailable
from service.embedded.accounts import Account

__all__ = ["cannot_start", "disk_trouble", "end", "end_leftover", "launch", "log_tail"]

_POLL_S = 0.02
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


def launch(
    argv: Sequence[str | Path],
    *,
    log: Path,
    account: Account | None = None,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """
    A server program started in a session of its own, its output appended to `log`.

    Its own session: a Ctrl-C in our terminal reaches us alone, and we end the servers in order.

    Raises
    ------
    Unavailable
        The program cannot be executed, or the log cannot be written.
    """
    try:
        with log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - our own argument list, no shell
                [str(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={"PATH": _PATH, "LC_ALL": "C", **(environment or {})},
                user=None if account is None else account.uid,
                group=None if account is None else account.gid,
                extra_groups=None if account is None else [],
                umask=0o077,
                start_new_session=True,
            )
    except OSError as error:
        raise disk_trouble(error, f"cannot start {argv[0]}") from error


def end(process: subprocess.Popen[bytes], *steps: tuple[signal.Signals, float]) -> None:
    """End a program by each signal in turn, waiting the given seconds after it, and at last by SIGKILL."""
    for number, patience_s in steps:
        if process.poll() is not None:
            return
        process.send_signal(number)
        try:
            process.wait(patience_s)
        except subprocess.TimeoutExpired:
            continue
    if process.poll() is None:
        process.kill()
        process.wait()


def end_leftover(pid: int, folder: Path, *steps: tuple[signal.Signals, float]) -> None:
    """
    End a program that an earlier, killed process of ours started, by each signal in turn.

    A pid alone may by now be anybody's: only a process that has `folder` as its working folder is
    sent a signal.
    """
    for number, patience_s in (*steps, (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + patience_s
        if _works_in(pid, folder):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        while _works_in(pid, folder) and time.monotonic() < deadline:
            time.sleep(_POLL_S)


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").samefile(folder)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False


def log_tail(log: Path, start: int = 0, lines: int = 12) -> str:
    """The last lines that were written to a log behind byte `start`; empty where there is no log."""
    try:
        with log.open("rb") as file:
            file.seek(start)
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def cannot_start(what: str, log: Path, said: str) -> Unavailable:
    """The error for a server that gave up at its start: the cause in a sentence where its log names one."""
    for words, sentence in (
        ("No space left on device", f"the disk that holds {log.parent} is full; make room and start again"),
        ("Address already in use", "its port is taken by another program; start again, or choose another port"),
        ("Permission denied", f"it may not read or write its files below {log.parent}"),
    ):
        if words in said:
            return Unavailable(f"{what} does not start: {sentence}")
    return Unavailable(f"{what} does not start; {log} ends with:\n{said or '(nothing)'}")


def disk_trouble(error: OSError, what: str) -> ParkError:
    """A file operation that failed, as a sentence that says what to do about it."""
    place = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "its files"
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Unavailable(f"{what}: no space left on the disk that holds {place}; make room and start again")
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return Unavailable(f"{what}: {place} may not be written or run by this account ({error.strerror})")
    return Unavailable(f"{what}: {error.strerror or error} ({place})")
