"""The whole description of the API, tried out in each role on a server that runs: what it says is true, and nothing breaks."""

import os
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.example_day import ROLES, example_day, token_of
from tests.support.schema_runs import serving, tried
from tests.support.schemas import openapi
from tests.support.services import new_database

__all__ = ["example_day"]

MORE = int(os.environ.get("KAWASAN_TEST_SCHEMA_EXAMPLES", "0"))
"""How many requests are made up for each operation; if any number is said, every role goes through every phase."""

FEW = 5
EACH = ("examples", "fuzzing", "stateful")
EDGES = ("coverage",)
"""What the schemas allow at their edges, and just beyond: the same code refuses it whoever asks, so one role shows it."""

HALVES = (("registry", "numbers", "corrections"), ("inputs", "alarms", "live", "ingest", "identity", "operation"))
"""Tags, in two parts that take about as long."""


class Run(NamedTuple):
    """A part of the description, tried as one of the roles; it has a server and a database of its own."""

    role: str
    phases: tuple[str, ...] = EACH
    tags: tuple[str, ...] = ()


_WHO = (*ROLES, "nobody")
RUNS = [
    *(Run(role) for role in _WHO),
    *(Run(role, EDGES, tags) for role in (_WHO if MORE else ("operator",)) for tags in HALVES),
]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: "-".join((run.role, *run.phases[:1], *run.tags[:1])))
def test_every_operation_answers_as_it_is_described(
    run: Run, shared_timescale_url: str, example_day: str, tmp_path: Path
) -> None:
    token = token_of(run.role) if run.role in ROLES else None

    with new_database(shared_timescale_url, example_day) as url, serving(url, tmp_path) as address:
        code, report = tried(address, token, tmp_path, phases=run.phases, tags=run.tags, examples=MORE or FEW)

    log = (tmp_path / "serve.log").read_text(encoding="utf-8", errors="replace")
    assert code == 0, f"{report[:20_000]}\n{log[-5_000:]}"
    assert "Traceback" not in log, log[-5_000:]


def test_each_operation_is_in_one_of_the_parts() -> None:
    assert sorted(tag["name"] for tag in openapi()["tags"]) == sorted(tag for half in HALVES for tag in half)
