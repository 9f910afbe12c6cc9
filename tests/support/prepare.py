"""Get what the tests need and the machine lacks: Mosquitto, Chromium, and a PostgreSQL with TimescaleDB.

Run by `make test` before pytest, as `python -m tests.support.prepare`. As root on Debian it installs
packages, from the machine's own package sources and only those that are missing; no service is
started. Otherwise it says what to install. With CI=true what is missing then is an error.
"""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from service.embedded import find_broker
from tests.support.leftovers import clear_leftovers
from tests.support.strictness import in_ci
from tests.support.timescale import (
    HOW_TO_GET_IT,
    ROOT,
    external_url,
    folders_in,
    installation_in_root,
    timescale_installation,
)

SUITE_WITH_TIMESCALE = "trixie"
PACKAGE_WITH_TIMESCALE = "postgresql-17-timescaledb"
POLICY = Path("/usr/sbin/policy-rc.d")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


class LackingError(Exception):
    """Something the tests need cannot be had; the text says how to get it."""


def main() -> int:
    """Get everything; 0 if the tests can run, 1 if something is missing that must not be."""
    clear_leftovers(Path(tempfile.gettempdir()))
    in_root = installation_in_root(ROOT)
    if in_root is not None:
        clear_leftovers(folders_in(ROOT), in_root)
    lacking = []
    for get in (get_mosquitto, get_chromium, get_timescale):
        try:
            get()
        except LackingError as reason:
            lacking.append(str(reason))
    for notice in lacking:
        print(f"notice: {notice}", file=sys.stderr)
    return 1 if lacking and in_ci() else 0


def get_mosquitto() -> None:
    if find_broker("mosquitto") is None:
        install(["mosquitto"], "the tests with Mosquitto are left out: install the package mosquitto")


def get_chromium() -> None:
    notice = "the tests in a browser are left out: install the packages chromium and libatomic1"
    if not any(shutil.which(browser) for browser in BROWSERS):
        install(["chromium", "fonts-dejavu-core"], notice)
    # Playwright brings a program of its own, and that program needs a library which it does not bring.
    spec = importlib.util.find_spec("playwright")
    for location in (spec.submodule_search_locations or ()) if spec is not None else ():
        if subprocess.run([f"{location}/driver/node", "--version"], capture_output=True, check=False).returncode != 0:
            install(["libatomic1"], notice)


def get_timescale() -> None:
    if timescale_installation() is not None:
        return
    # An address serves all tests but those that kill their server; with CI=true these may not be left out either.
    if external_url() is not None and not (in_ci() and can_install()):
        return
    notice = f"the tests on TimescaleDB are left out: {HOW_TO_GET_IT}"
    if not can_install():
        raise LackingError(notice)
    update_once()
    if is_offered(PACKAGE_WITH_TIMESCALE):
        # Debian makes and starts a cluster at the installation of a server, unless told not to.
        told = Path("/etc/postgresql-common/createcluster.d/kawasan-tests.conf")
        if not Path("/usr/share/postgresql-common").exists():
            told.parent.mkdir(parents=True, exist_ok=True)
            told.write_text("create_main_cluster = false\nstart_conf = manual\n", encoding="ascii")
        install([PACKAGE_WITH_TIMESCALE], notice)
    else:
        build_root(ROOT, notice)


def build_root(root: Path, notice: str) -> None:
    """Debian's packages of a PostgreSQL with TimescaleDB, in a folder of ours; whole or not at all."""
    if not shutil.which("mmdebstrap"):
        install(["mmdebstrap"], notice)
    root.parent.mkdir(parents=True, exist_ok=True)
    with root.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if installation_in_root(root) is not None:
            return
        say(f"getting PostgreSQL with TimescaleDB into {root} (once, 530 MB)")
        fresh = root.with_name(root.name + ".new")
        for left in (root, fresh):
            remove(left)
        run(
            [
                *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGE_WITH_TIMESCALE}"),
                "--customize-hook=rm -rf $1/var/cache/apt/archives $1/usr/share/doc $1/usr/share/locale",
                *(SUITE_WITH_TIMESCALE, str(fresh)),
                *mirror(),
            ],
            notice,
        )
        fresh.rename(root)
        if installation_in_root(root) is None:
            raise LackingError(f"{root} holds no PostgreSQL with TimescaleDB after its installation; {notice}")


def mirror() -> list[str]:
    """The Debian mirror of the machine's own package sources; empty for the default one."""
    answer = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(REPO_URI)", "Created-By: Packages"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    for line in answer.stdout.splitlines():
        origin, label, address = line.split("|", 2)
        if origin == label == "Debian":
            return [address]
    return []


def remove(folder: Path) -> None:
    """Remove a folder that an aborted run left, but nothing that is mounted in it."""
    mounts = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    mounted = [line.split()[1] for line in mounts if line.split()[1].startswith(f"{folder}/")]
    for place in sorted(mounted, reverse=True):
        subprocess.run(["umount", place], stdin=subprocess.DEVNULL, check=True)
    shutil.rmtree(folder, ignore_errors=True)


def can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def is_offered(package: str) -> bool:
    """Whether the machine's package sources have a package that can be installed."""
    answer = subprocess.run(
        ["apt-cache", "policy", package], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return "Candidate:" in answer.stdout and "Candidate: (none)" not in answer.stdout


def install(packages: Sequence[str], notice: str) -> None:
    """Install Debian packages without starting what they bring."""
    if not can_install():
        raise LackingError(notice)
    update_once()
    say(f"installing {', '.join(packages)}")
    # Debian starts the services of what it installs, unless this program says no.
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
        POLICY.chmod(0o755)
    try:
        run(["apt-get", "install", "--yes", "-qq", "--no-install-recommends", *packages], notice)
    finally:
        if ours:
            POLICY.unlink()


def update_once() -> None:
    """Read the package lists again, at most once in this run."""
    if "KAWASAN_LISTS_READ" not in os.environ:
        os.environ["KAWASAN_LISTS_READ"] = "1"
        say("reading the package lists")
        run(["apt-get", "update", "-qq"], "the package lists cannot be read (`apt-get update` fails)")


def run(command: Sequence[str], notice: str) -> None:
    """Run a command that must not ask anything; its output is shown only when it fails."""
    answer = subprocess.run(
        command,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    if answer.returncode != 0:
        sys.stderr.write(answer.stdout.decode(errors="replace"))
        raise LackingError(f"`{command[0]}` failed ({answer.returncode}); {notice}")


def say(what: str) -> None:
    print(what, flush=True)


if __name__ == "__main__":
    sys.exit(main())
