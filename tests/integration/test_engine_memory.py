"""What an engine remembers between cycles makes it fast, and changes no number."""

from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from domain.parkfile import ParkFile
from domain.time import DAY_US, HOUR_US, parse_instant
from service.engine import Cycle, Known, run_cycle
from store import ReadingSink, Role, connect, load_registry
from store.spans import append_tick
from tests.support.databases import apply_to, batch_of, channel, emptied, meter, park_file, tenant
from tests.support.snapshots import Snapshot, check_ledger, check_same

START_US = parse_instant("2024-11-29T00:00:00+07:00")
"""Friday; the month ends on Saturday."""
BASE_US = 900_000_000
DAYS = 3
STEPS = 23
"""Base intervals from one batch to the next."""
REGISTER: dict[str, Any] = {"resolution": 0.01, "interval_s": 900}
NOW_US = START_US + 10 * DAY_US


def park(*more: dict[str, Any]) -> ParkFile:
    """Three firms with registers and gauges of several kinds, and a supply."""
    active, lagging = (channel(name, "register", **REGISTER) for name in ("energy_import", "energy_reactive_lagging"))
    water = channel("water_in", "register", **REGISTER)
    return park_file(
        tenant("a", meter("e", active, lagging), meter("w", water)),
        tenant("b", meter("e", active), meter("p", channel("power", interval_s=900)), meter("w", water)),
        tenant("c", meter("s", water, role="supply"), *more),
        valid_from="2024-11-01T00:00:00+07:00",
    )


def written(ids: dict[str, int], seed: int) -> list[list[tuple[int, int, float]]]:
    """Batches as they may come: most in time, some late, some meters silent for hours."""
    rng = np.random.default_rng(seed)
    rows, due = [], []
    for key, one in sorted(ids.items()):
        rate, silent = float(rng.integers(1, 9)), int(rng.integers(0, DAYS * 96))
        for step in range(DAYS * 96 + 1):
            if silent <= step < silent + 11 or rng.random() < 0.02:
                continue
            late = int(rng.integers(0, 150)) if rng.random() < 0.05 else 0
            value = rate + float(step % 7) if key.endswith("power") else rate * step
            rows.append((one, START_US + step * BASE_US, value))
            due.append(step + late)
    batches: list[list[tuple[int, int, float]]] = [[] for _ in range(0, DAYS * 96 + 160, STEPS)]
    for row, step in zip(rows, due, strict=True):
        batches[step // STEPS].append(row)
    return [batch for batch in batches if batch]


def ticks_after(number: int) -> int | None:
    """After most batches the park is ticked to a few hours before what was written."""
    step = (number + 1) * STEPS - 9
    return None if number % 3 == 1 or step <= 0 else START_US + min(step, DAYS * 96) * BASE_US


def run(
    url: str, seed: int, known_for: Callable[[int], Known | None], cycle_of: Callable[..., Cycle] = run_cycle
) -> Snapshot:
    """Write, tick and compute; `known_for` says what the engine of each cycle remembers."""
    ids = apply_to(url, park(), now_us=START_US)
    batches = written(ids, seed)
    cycle = 0
    with closing(ReadingSink(url)) as sink, connect(url, Role.WRITE, autocommit=True) as conn:
        one = load_registry(conn, "p").park
        for number, batch in enumerate(batches):
            sink.write(batch_of(batch, received_us=NOW_US))
            if (tick_us := ticks_after(number)) is not None:
                append_tick(conn, one.id, tick_us)
            if number == len(batches) // 2:
                more = meter("e", channel("energy_import", "register", **REGISTER))
                apply_to(url, park(more), now_us=START_US + 2 * DAY_US + 5 * HOUR_US)
            while cycle_of(conn, one, cycle_rows=400, now_us=NOW_US, known=known_for(cycle)).spans:
                cycle += 1
        append_tick(conn, one.id, START_US + DAYS * DAY_US + 3 * HOUR_US)
        while cycle_of(conn, one, cycle_rows=10_000, now_us=NOW_US, known=known_for(cycle)).spans:
            cycle += 1
    return Snapshot.of(url)


def test_an_engine_that_remembers_makes_the_same_numbers(timescale_url: str) -> None:
    forgetful = run(timescale_url, 1, lambda _: None)
    emptied(timescale_url)
    known = Known()

    remembering = run(timescale_url, 1, lambda _: known)

    check_ledger(remembering)
    check_same(remembering, forgetful)
    assert len(remembering.kpis) > 1000


def test_two_engines_that_take_turns_make_the_same_numbers(timescale_url: str) -> None:
    forgetful = run(timescale_url, 3, lambda _: None)
    emptied(timescale_url)
    engines = Known(), Known()

    taking_turns = run(timescale_url, 3, lambda cycle: engines[cycle // 3 % 2])

    check_same(taking_turns, forgetful)


def test_what_was_rolled_back_is_not_remembered(timescale_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forgetful = run(timescale_url, 4, lambda _: None)
    emptied(timescale_url)
    known, calls = Known(), 0

    def failing(*_: Any) -> None:
        nonlocal calls
        calls += 1
        if calls % 5 == 0:
            raise ConnectionError("as the test wants")

    def again(*given: Any, **named: Any) -> Cycle:
        try:
            return run_cycle(*given, **named)
        except ConnectionError:
            return run_cycle(*given, **named)

    monkeypatch.setattr("service.engine.cycle.notify_numbers", failing)
    interrupted = run(timescale_url, 4, lambda _: known, again)

    assert calls > 10
    check_same(interrupted, forgetful)
