"""Imports at the command line: what is refused is reported by line, and a dry run foresees exactly what an import does."""

import csv
import random
from pathlib import Path
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from domain.errors import InputError
from service.cli import app
from tests.support.databases import apply_to, channel, meter, park_file, tenant

MAPPING = """
park = "p"
delimiter = ";"
empty = ["?"]
readings_per_message = {per_message}

[time]
column = "at"
interval_s = 60

[[columns]]
column = "COD (mg/L)"
tenant = "_park"
meter = "outlet"
quantity = "cod"

[[columns]]
column = "pH"
tenant = "_park"
meter = "outlet"
quantity = "ph"

[[columns]]
column = "P"
tenant = "alpha"
meter = "{meter}"
quantity = "power"
"""
PARK = park_file(
    tenant("alpha", meter("main", channel("power"))),
    tenant("_park", meter("outlet", channel("cod", resolution=0.1), channel("ph"), role="outlet")),
)


@pytest.fixture
def url(kawasan_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with a park and nothing in it; commands work on it."""
    apply_to(kawasan_url, PARK)
    monkeypatch.setenv("KAWASAN_DATABASE_URL", kawasan_url)
    return kawasan_url


def written(folder: Path, *lines: str, per_message: int = 1, meter: str = "main") -> tuple[Path, Path]:
    file, mapping = folder / "plant.csv", folder / "plant.toml"
    file.write_text("\n".join(["at;COD (mg/L);pH;P", *lines, ""]), encoding="utf-8")
    mapping.write_text(MAPPING.format(per_message=per_message, meter=meter), encoding="utf-8")
    return file, mapping


def run(files: tuple[Path, Path], *words: object) -> list[str]:
    arguments = ["import", str(files[0]), "--mapping", str(files[1]), *(str(word) for word in words)]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def report(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def at(minute: int) -> str:
    return f"2026-03-02T{minute // 60:02}:{minute % 60:02}:00+07:00"


def everything(url: str) -> dict[str, Any]:
    with psycopg.connect(url) as conn:
        tables = ("reading", "reading_conflict", "batch", "latest", "channel_day", "span_queue", "ledger", "rejection")
        return {name: conn.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in tables}


def ledger(url: str) -> tuple[int, ...]:
    with psycopg.connect(url) as conn:
        row = conn.execute(
            "SELECT sum(messages), sum(stored), sum(duplicate), sum(conflict), sum(rejected) FROM ledger"
            " WHERE source = 'import:plant.csv'"
        ).fetchone()
    assert row is not None
    return tuple(int(one or 0) for one in row)


def counted(line: str) -> tuple[int, ...]:
    """Messages, stored, duplicates, conflicts, rejected of the sum that is printed."""
    words = line.split(": ", 1)[1].replace(":", "").replace(",", "").replace("would be ", "").split()
    numbers = [int(word) for word in words if word.isdecimal()]
    assert numbers[0] == sum(numbers[2:])
    return tuple(numbers[1:])


LINES = (
    f"{at(0)};50;7.1;60",
    f"{at(1)};n/a;7.2;61",
    f"{at(2)};51;?;62",
    "02.03.2026 00:03;52;7.3;63",
    f"{at(4)};;;",
    '2019-01-01T00:00:00+07:00;53;"7,4";64',
    f"{at(6)};54;7.5;=cmd()",
)


@pytest.mark.parametrize("per_message", [1, 3, 100])
def test_every_cell_that_is_refused_is_reported_with_its_line_and_column(
    url: str, tmp_path: Path, per_message: int
) -> None:
    files = written(tmp_path, *LINES, per_message=per_message)

    said = run(files, "--report", tmp_path / "refused.csv")

    rows = report(tmp_path / "refused.csv")
    assert sorted((row["line"], row["place"], row["reason"]) for row in rows) == [
        ("3", "COD (mg/L)", "not_a_number"),
        ("5", "at", "time"),
        ("5", "at", "time"),
        ("7", "COD (mg/L)", "clock"),
        ("7", "P", "clock"),
        ("7", "pH", "not_a_number"),
        ("8", "P", "not_a_number"),
    ]
    assert all(row["detail"] for row in rows)
    assert counted(said[0]) == ledger(url)
    assert ledger(url)[1:] == (9, 0, 0, 8)
    assert "of 4 lines something was refused" in said[-1]


def test_a_meter_that_is_not_there_refuses_each_of_its_cells(url: str, tmp_path: Path) -> None:
    files = written(tmp_path, *LINES[:3], per_message=100, meter="other")

    said = run(files, "--report", tmp_path / "refused.csv")

    rows = report(tmp_path / "refused.csv")
    assert [(row["line"], row["place"]) for row in rows if row["reason"] == "unknown_meter"] == [
        ("2", "P"), ("3", "P"), ("4", "P"),
    ]  # fmt: skip
    assert counted(said[0]) == ledger(url)
    assert ledger(url)[4] == 2


def test_a_dry_run_writes_nothing_and_says_what_would_become_of_each_line(url: str, tmp_path: Path) -> None:
    files = written(tmp_path, *LINES, LINES[0], f"{at(0)};99;7.1;60")
    before = everything(url)

    said = run(files, "--dry-run", "--report", tmp_path / "refused.csv")

    assert everything(url) == before
    assert said[:-5] == [
        "what would become of the values of each line:",
        "- line 2: 3 stored",
        "- line 3: 2 stored, 1 refused",
        "- line 4: 2 stored",
        "- line 5: 3 refused",
        "- line 6: nothing in it",
        "- line 7: 3 refused",
        "- line 8: 2 stored, 1 refused",
        "- line 9: 3 duplicate",
        "- line 10: 2 duplicate, 1 conflict",
    ]
    assert "9 would be stored, 5 duplicates, 1 conflicts, 8 would be rejected" in said[-5]
    assert len(report(tmp_path / "refused.csv")) == 7


@pytest.mark.usefixtures("url")
def test_lines_of_which_the_same_would_become_are_one_line(tmp_path: Path) -> None:
    files = written(tmp_path, *(f"{at(minute)};50;7;60" for minute in range(500)), per_message=7)

    assert run(files, "--dry-run")[1:-1] == ["- lines 2 to 501: 3 stored"]
    run(files)
    assert run(files, "--dry-run")[1:-1] == ["- lines 2 to 501: 3 duplicate"]


@pytest.mark.parametrize("seed", range(4))
def test_a_dry_run_foresees_what_the_import_then_does(
    url: str, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr("ingest.files._MESSAGES_AT_ONCE", chance.choice([3, 50]))

    def lines(count: int) -> list[str]:
        return [
            f"{at(chance.randrange(60))};{chance.choice(['1', '1.04', '2', 'x', ''])};{chance.choice(['7', '8', '?'])};"
            f"{chance.choice(['5', '6', 'NaN'])}"
            for _ in range(count)
        ]

    run(written(tmp_path, *lines(40), per_message=chance.choice([1, 5])))
    files = written(tmp_path, *lines(300), per_message=chance.choice([1, 5]))
    before = ledger(url)

    foreseen = counted(next(line for line in run(files, "--dry-run") if " messages: " in line))
    done = run(files)

    assert counted(done[0]) == foreseen
    assert tuple(new - old for new, old in zip(ledger(url), before, strict=True)) == foreseen
    assert foreseen[2] > 0
    assert foreseen[3] > 0


@pytest.mark.usefixtures("url")
def test_a_line_break_inside_a_cell_does_not_shift_the_lines_after_it(tmp_path: Path) -> None:
    files = written(tmp_path, f'{at(0)};50;7;60;"a note\nof three\nlines"', "", f"{at(1)};x;7;60")

    run(files, "--report", tmp_path / "refused.csv")

    assert [row["line"] for row in report(tmp_path / "refused.csv")] == ["6"]


def test_a_mapping_that_reads_no_time_ends_the_import_at_the_first_row(url: str, tmp_path: Path) -> None:
    files = written(tmp_path, LINES[3], LINES[0])

    with pytest.raises(InputError, match=r"row 1: time '02\.03\.2026 00:03' in column at cannot be read"):
        run(files)

    assert ledger(url) == (0, 0, 0, 0, 0)


def test_a_report_of_nothing_is_its_line_of_names(url: str, tmp_path: Path) -> None:
    said = run(written(tmp_path, LINES[0]), "--report", tmp_path / "refused.csv")

    assert (tmp_path / "refused.csv").read_bytes() == b"line,place,reason,detail\r\n"
    assert len(said) == 1
    assert ledger(url)[1] == 3
