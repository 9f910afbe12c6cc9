"""The demo's folder: made once, kept, and deleted only where it is the demo's own."""

import socket
import threading
from pathlib import Path

import pytest

from domain.errors import InputError, ParkError, Unavailable
from service.cli import demo_run
from service.cli.demo_run import erase_demo, run_demo
from service.embedded.ports import free_port
from service.settings import Settings


def refused(settings: Settings, folder: Path) -> str:
    with pytest.raises(ParkError) as caught:
        run_demo(settings, folder, threading.Event(), lambda _: None)
    return str(caught.value)


def test_a_busy_port_is_one_sentence_and_nothing_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]

        said = refused(Settings(port=port), tmp_path / "demo")

    assert said == f"port {port} of 127.0.0.1 is taken by another program; stop that, or choose another by --port"
    assert not (tmp_path / "demo").exists()


def test_a_folder_that_is_not_the_demos_is_neither_used_nor_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")

    said = refused(Settings(port=free_port()), tmp_path)
    with pytest.raises(InputError, match="was not made by `kawasan demo`"):
        erase_demo(tmp_path)

    assert "was not made by `kawasan demo`" in said
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_run, "_LEAST_FREE", 2**62)

    said = refused(Settings(port=free_port()), tmp_path / "demo")

    assert "MB left" in said
    assert "make room" in said


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(Unavailable, match="cannot be written"):
        run_demo(Settings(port=free_port()), tmp_path / "file" / "demo", threading.Event(), lambda _: None)


def test_there_is_nothing_to_delete_where_no_demo_ran(tmp_path: Path) -> None:
    assert not erase_demo(tmp_path / "absent")
    assert not erase_demo(tmp_path)


def test_a_second_start_has_the_same_tokens_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    file = tmp_path / "logins.json"

    first, second = demo_run._kept_logins(file), demo_run._kept_logins(file)

    assert first == second
    assert set(first) == {"operator", "tenant", "officer"}
    assert len(set(first.values())) == 3
    assert file.stat().st_mode & 0o777 == 0o600
