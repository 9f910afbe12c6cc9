"""What a test run that was killed leaves behind is found and ended by the next one."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.support.leftovers import clear_leftovers, held_folder

PROJECT = Path(__file__).resolve().parents[3]

START_AND_DIE = """
import os, sys
from pathlib import Path
from service.embedded import PrivateBroker, PrivatePostgres, find_installations
from tests.support.leftovers import held_folder

with held_folder(Path(sys.argv[1])) as folder:
    installation = next(one for one in find_installations() if one.packaged)
    server = PrivatePostgres(folder / "database", installation=installation, durable=False)
    broker = PrivateBroker(folder / "broker", kind="nats")
    server.start()
    broker.start()
    print(server.pid, broker.pid, flush=True)
    os.kill(os.getpid(), 9)
"""


def test_the_servers_of_a_killed_run_are_ended_and_their_folder_removed(server_folder: Path) -> None:
    server_folder.mkdir()
    killed = subprocess.run(
        [sys.executable, "-c", START_AND_DIE, str(server_folder)],
        cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip

    clear_leftovers(server_folder)

    assert killed.returncode == -signal.SIGKILL
    assert [pid for pid in killed.stdout.split() if Path(f"/proc/{pid}/cwd").exists()] == []
    assert list(server_folder.iterdir()) == []


def test_the_folder_of_a_run_that_goes_on_is_left_alone(server_folder: Path) -> None:
    server_folder.mkdir()
    with held_folder(server_folder) as folder:
        (folder / "kept").touch()

        clear_leftovers(server_folder)

        assert (folder / "kept").exists()
