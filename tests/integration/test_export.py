"""Exports at the command line: the same tables as by the API, into a file that is there whole or not at all."""

import asyncio
import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from domain.errors import InputError, Unavailable
from service.api import series
from service.cli import app
from tests.support.served import DAY, filled_template, served
from tests.support.services import new_database

__all__ = ["filled_template"]

pytestmark = pytest.mark.usefixtures("url")

SPAN = ("--from", DAY["start"], "--to", DAY["stop"])
LONG = ("--from", "2026-01-01T00:00:00+07:00", "--to", "2026-06-01T00:00:00+07:00")
HOURS = ("--kpi", "electricity", "--subject", "tenant:p/alpha")


@pytest.fixture
def url(shared_timescale_url: str, filled_template: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database with one filled day; commands work on it."""
    with new_database(shared_timescale_url, filled_template) as made:
        monkeypatch.setenv("KAWASAN_DATABASE_URL", made)
        yield made


def run(*words: object) -> str:
    done = CliRunner().invoke(app, ["export", *(str(word) for word in words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout_bytes.decode()


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_an_export_is_what_the_api_sends(url: str) -> None:
    async def asked() -> dict[str, str]:
        async with served(url) as running:
            found = {}
            for form in ("csv", "ndjson"):
                kpi = {"subject": "tenant:p/alpha", "level": "hour", "format": form}
                span = {"start": LONG[1], "stop": LONG[3]}
                found[f"kpis {form}"] = (await running.api("kpis/electricity", **kpi, **span)).body
                channel = {"channel": "p/_park/outlet/cod", "format": form}
                found[f"readings {form}"] = (await running.api("readings", **channel, **span)).body
                found[f"amounts {form}"] = (await running.api("amounts", level="day", **channel, **span)).body
                found[f"findings {form}"] = (await running.api("findings", format=form, **span)).body
        return found

    expected = asyncio.run(asked())
    for form in ("csv", "ndjson"):
        written = ("--format", form)
        outlet = ("--channel", "p/_park/outlet/cod")
        assert run("kpis", *LONG, *HOURS, *written) == expected[f"kpis {form}"]
        assert run("readings", *LONG, *outlet, *written) == expected[f"readings {form}"]
        assert run("amounts", *LONG, *outlet, "--level", "day", *written) == expected[f"amounts {form}"]
        assert run("findings", *LONG, "--park", "p", *written) == expected[f"findings {form}"]


def test_all_channels_of_a_park_are_exported_where_none_is_named() -> None:
    rows = table(run("amounts", *SPAN, "--park", "p", "--level", "day"))

    assert len(rows) == len({row["channel"] for row in rows}) >= 5
    assert {row["unit"] for row in rows if row["channel"] == "p/_park/outlet/cod"} == {"mg/L"}


def test_json_is_a_list_of_the_rows() -> None:
    rows = json.loads(run("kpis", *LONG, *HOURS, "--kpi", "demand_peak", "--level", "day", "--format", "json"))

    assert [row["kpi"] for row in rows] == ["electricity"] * 151 + ["demand_peak"] * 151
    assert sum(row["value"] or 0 for row in rows[:151]) == pytest.approx(1440.0)


@pytest.mark.parametrize("what", ["episodes", "corrections"])
def test_a_table_without_rows_is_its_line_of_names(what: str) -> None:
    assert run(what, *SPAN).count("\r\n") == 1
    assert run(what, *SPAN, "--format", "ndjson") == ""


def test_what_was_known_then_is_exported_too() -> None:
    then = ("--as-of", "2026-03-01T00:00:00+07:00")

    assert run("readings", *SPAN, "--park", "p", *then).count("\r\n") == 1
    assert {row["value"] for row in table(run("kpis", *SPAN, *HOURS, *then))} == {""}


def test_a_file_is_not_replaced_unless_forced(tmp_path: Path) -> None:
    file = tmp_path / "hours.csv"
    run("kpis", *SPAN, *HOURS, "--out", file)
    written = file.read_bytes()
    file.write_text("mine")

    with pytest.raises(InputError, match=r"hours\.csv is there already; --force replaces it"):
        run("kpis", *SPAN, *HOURS, "--out", file)
    assert file.read_text() == "mine"
    run("kpis", *SPAN, *HOURS, "--out", file, "--force")

    assert file.read_bytes() == written
    assert written.count(b"\r\n") == 25
    assert list(tmp_path.iterdir()) == [file]


def test_an_export_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = series._kpis
    calls: list[int] = []

    async def failing(*asked: object) -> object:
        calls.append(1)
        if len(calls) > 1:
            raise Unavailable("the database is away")
        return await made(*asked)  # type: ignore[arg-type]

    monkeypatch.setattr(series, "_kpis", failing)
    with pytest.raises(Unavailable, match="away"):
        run("kpis", *LONG, *HOURS, "--out", tmp_path / "hours.csv")

    assert len(calls) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_users_export_holds_what_the_user_may_see() -> None:
    rows = table(run("amounts", *SPAN, "--level", "day", "--user", "tenant"))

    assert {row["channel"].split("/")[1] for row in rows} == {"alpha"}
    with pytest.raises(InputError, match="no channel 'p/beta/main/energy_import'"):
        run("amounts", *SPAN, "--channel", "p/beta/main/energy_import", "--user", "tenant")
    with pytest.raises(InputError, match="no user 'nobody'"):
        run("findings", *SPAN, "--user", "nobody")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("kpis", *SPAN), "say which KPIs of whom"),
        (("kpis", *SPAN, "--kpi", "nonsense", "--subject", "park:p"), "no KPI 'nonsense'"),
        (("kpis", *SPAN, "--kpi", "electricity", "--subject", "park:q"), "no subject 'park:q'"),
        (("amounts", *SPAN, "--kpi", "electricity"), "leave them out"),
        (("episodes", *SPAN, "--channel", "p/a/b/c"), "--channel is not about episodes"),
        (("findings", *SPAN, "--as-of", DAY["start"]), "--as-of is about readings"),
        (("readings", *SPAN, "--park", "q"), "no park 'q'; those that can be exported: p"),
        (("readings", "--from", DAY["stop"], "--to", DAY["start"]), "--to must be after --from"),
        (("readings", "--from", "2026-03-02", "--to", "2026-03-03"), "RFC 3339"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(words: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(Exception, match=sentence):
        run(*words)


def test_a_reader_that_stops_early_ends_the_export_without_a_word() -> None:
    command = [sys.executable, "-m", "service.cli", "export", "amounts", *LONG, "--park", "p", "--level", "base"]
    with subprocess.Popen(
        command, env={**os.environ}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        head = running.stdout.readline()
        running.stdout.close()
        said = running.stderr.read()
        code = running.wait(60)

    assert head.startswith(b"channel,level,start,stop,")
    assert (code, said) == (1, b"")
