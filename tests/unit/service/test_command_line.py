"""The command line: help for everything, and errors as one sentence."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from service.cli import app, main

COMMANDS = {
    "demo", "migrate", "park", "ingest", "engine", "serve", "notify", "simulate", "replay", "rejections", "import", "check", "user",
    "references", "context", "meter", "correction", "conflicts", "findings", "period", "recompute", "export",
    "alarms", "episodes", "rules",
}  # fmt: skip
SENTENCE_ENDS = (".", "?")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("KAWASAN_")]:
        monkeypatch.delenv(name)


def commands(command: Any, name: str = "kawasan") -> Iterator[tuple[str, Any]]:
    yield name, command
    for key, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, f"{name} {key}")


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["kawasan", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    code = caught.value.code
    return int(code) if isinstance(code, int) else 0


def test_the_commands_are_those_that_the_documentation_names() -> None:
    command = typer.main.get_command(app)

    assert set(getattr(command, "commands", {})) == COMMANDS


def test_every_command_and_every_option_says_what_it_is_for() -> None:
    for name, command in commands(typer.main.get_command(app)):
        assert (command.help or "").strip().endswith(SENTENCE_ENDS), name
        for parameter in command.params:
            text = getattr(parameter, "help", None) or ""
            assert text.endswith(SENTENCE_ENDS), f"{name} {parameter.name}"


def test_the_help_of_every_command_can_be_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, _ in commands(typer.main.get_command(app)):
        assert run(monkeypatch, *name.split()[1:], "--help") == 0
        assert name in capsys.readouterr().out


def test_settings_that_are_wrong_end_with_exit_code_2_and_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAWASAN_QUEUE_MB", "much")

    code = run(monkeypatch, "migrate")

    said = capsys.readouterr()
    assert (code, said.out) == (2, "")
    assert said.err.startswith("kawasan: the settings have 1 mistake:\n- KAWASAN_QUEUE_MB (environment): ")


def test_a_database_that_is_away_ends_with_exit_code_1_and_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAWASAN_DATABASE_URL", "postgresql://kawasan:hidden@127.0.0.1:1/kawasan")

    code = run(monkeypatch, "migrate")

    said = capsys.readouterr().err
    assert code == 1
    assert said.startswith("kawasan: cannot connect to database kawasan at 127.0.0.1")
    assert "Traceback" not in said
    assert "hidden" not in said


def test_a_traceback_is_shown_to_who_asks_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAWASAN_DEBUG", "0")

    assert run(monkeypatch, "--debug", "migrate") == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_unknown_command_is_told_with_the_way_to_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "migrat") == 2
    assert "migrat" in capsys.readouterr().err


def test_a_park_file_with_mistakes_is_refused_with_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "park.toml"
    file.write_text('[park]\nkey = "A"\nname = ""\ntimezone = "Asia/Jakarta"\n')

    code = run(monkeypatch, "park", "check", str(file))

    said = capsys.readouterr().err
    assert code == 1
    assert all(place in said for place in ("park.key", "park.name", "park.valid_from"))


def test_the_example_park_is_right(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(__file__).resolve().parents[3] / "deploy" / "parks" / "karawang.yaml"

    assert run(monkeypatch, "park", "check", str(file)) == 0
    assert "park karawang with " in capsys.readouterr().out


def test_check_says_in_one_line_each_what_is_not_right_and_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAWASAN_DATABASE_URL", "postgresql://127.0.0.1:1/kawasan")
    monkeypatch.setenv("KAWASAN_MQTT_URL", "mqtt://127.0.0.1:1")

    code = run(monkeypatch, "check")

    lines = capsys.readouterr().out.splitlines()
    assert code == 1
    assert [line.split(":")[0] for line in lines] == [
        "ok  settings", "NO  database", "NO  migrations", "NO  broker", "NO  registry",
    ]  # fmt: skip
    assert "start it, or mend KAWASAN_MQTT_URL" in lines[3]
