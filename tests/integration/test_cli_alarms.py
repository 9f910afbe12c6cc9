"""Alarms, episodes and rules at the command line: the same as by the API, under the name of whoever runs it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from domain.errors import InputError
from service.cli import app
from tests.support.alarm_served import START_US, fill_alarms, text_of


@pytest.fixture
def ids(timescale_url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Ids of some alarms by the key of their rule; commands work on their database."""
    monkeypatch.setenv("KAWASAN_DATABASE_URL", timescale_url)
    return fill_alarms(timescale_url)


def run(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_alarms_are_listed_the_worst_first_and_dealt_with(ids: dict[str, int]) -> None:
    listed = run("alarms", "list").splitlines()
    number = ids["cod-limit"]

    acked = run("alarms", "ack", number)
    shelved = run("alarms", "shelve", ids["ph-low"], "--why", "cleaning", "--for", "2h")
    back = run("alarms", "unshelve", ids["ph-low"])
    out = run("alarms", "out", ids["ph-low"], "--why", "broken")
    put = run("alarms", "back", ids["ph-low"], "--why", "mended")
    run("alarms", "comment", ids["ph-low"], "all is well")
    shown = run("alarms", "show", ids["ph-low"])

    assert [line.split("  ")[1] for line in listed] == ["critical", "high", "medium", "low"]
    assert "150 mg/L against 100 mg/L" in listed[1]
    assert f"{number}  high  normal  COD above its limit" in acked
    assert ", shelved until " in shelved
    assert "shelved" not in back
    assert "out_of_service" in out
    assert "out_of_service" not in put
    assert "all is well" in shown
    assert "(cli:" in shown
    assert "cod-limit" not in run("alarms", "list")
    with pytest.raises(InputError, match="not shelved"):
        run("alarms", "unshelve", ids["ph-low"])
    with pytest.raises(InputError, match="there is no alarm 999"):
        run("alarms", "show", 999)


def test_an_episode_is_reported_explained_and_closed(ids: dict[str, int], tmp_path: Path) -> None:
    number, start = ids["cod-limit"], text_of(START_US)
    span = ("--from", "2026-03-02T00:00:00+07:00", "--to", "2026-03-03T00:00:00+07:00")

    listed = run("episodes", "list", "--park", "p", *span)
    with pytest.raises(InputError, match="no cause yet"):
        run("episodes", "close", number, start)
    run("episodes", "note", number, start, "cause", "a pump failed")
    run("episodes", "note", number, start, "action", "it was repaired")
    closed = run("episodes", "close", number, start)
    run("episodes", "report", number, start, "--out", tmp_path / "report.json")
    table = run("episodes", "report", number, start, "--csv")

    assert f"{number} 2026-03-02T10:00:00+07:00  1 h  COD above its limit" in listed
    assert "(not closed)" in listed
    assert "(closed)" in closed
    report = json.loads((tmp_path / "report.json").read_text())
    assert [(one["kind"], one["recorded_by"].split(":")[0]) for one in report["notes"]] == [
        ("cause", "cli"),
        ("action", "cli"),
        ("close", "cli"),
    ]
    assert table.splitlines()[0].startswith("alarm,start,stop")
    assert "no episode" in run("episodes", "list", "--open", *span)


def test_rules_are_listed_and_tried(ids: dict[str, int], tmp_path: Path) -> None:
    assert ids
    span = ("--from", "2026-03-02T00:00:00+07:00", "--to", "2026-03-03T00:00:00+07:00")
    file = tmp_path / "rules.yaml"
    file.write_text(
        "alarms:\n- {key: cod-odd, name: COD, category: warning, severity: low, watch: {channel: _park/outlet/cod}, above: 90}\n"
    )
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(file.read_text().replace("/cod}", "/bod}"))

    listed = run("rules", "list", "--park", "p")
    tried = run("rules", "try", file, "--park", "p", *span)
    own = run("rules", "try", "ph-low", "--park", "p", *span)

    assert "cod-limit  v1  high  exceedance  COD above its limit" in listed
    assert tried.startswith("cod-odd: Nothing of the range was measured")
    assert own.startswith("ph-low: ")
    with pytest.raises(InputError, match="_park/outlet/bod"):
        run("rules", "try", wrong, "--park", "p", *span)
    with pytest.raises(InputError, match="neither a rule of park p nor a file"):
        run("rules", "try", "nothing", "--park", "p", *span)
