"""Runs of schemathesis against a real server, as one of the roles."""

import contextlib
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from service.embedded.ports import free_port
from tests.support.installation import PROJECT, until

CONFIG = PROJECT / "tests" / "e2e" / "schemathesis.toml"
DEADLINE_S = 1800.0


@contextmanager
def serving(url: str, folder: Path) -> Iterator[str]:
    """`kawasan serve` on a database, without a limit of requests; its address."""
    port = free_port()
    known = {name: value for name, value in os.environ.items() if not name.startswith("KAWASAN_")}
    settings = {
        "KAWASAN_DATABASE_URL": url,
        "KAWASAN_PORT": str(port),
        "KAWASAN_REQUESTS_PER_MIN": "0",
        "KAWASAN_LOG_LEVEL": "warning",
    }
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "serve"], cwd=PROJECT, env=known | settings, stdout=log, stderr=log
        )
    try:
        address = f"http://127.0.0.1:{port}"
        until(lambda: _is_ready(address), "a ready server", every_s=0.2)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def _is_ready(address: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/readyz", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def tried(
    address: str, token: str | None, folder: Path, *, phases: Sequence[str], tags: Sequence[str], examples: int
) -> tuple[int, str]:
    """
    The exit code of schemathesis, and what it printed.

    Parameters
    ----------
    token : str or None
        None: as nobody.
    tags : sequence of str
        Of the operations that are tried; none: all.
    """
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "--config-file",
            str(CONFIG),
            "--no-color",
            "run",
            f"{address}/api/v1/openapi.json",
            "--checks=all",
            f"--phases={','.join(phases)}",
            f"--max-examples={examples}",
            *(f"--include-tag={tag}" for tag in tags),
            *([] if token is None else ["--header", f"Authorization: Bearer {token}"]),
        ],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr
