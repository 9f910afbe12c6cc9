"""What an engine remembers between cycles makes it fast, and changes no number."""

from collections.abc import Callable
from contextlib import closing, suppress
from itertools import count
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


def written(ids: dict[str, int]) -> list[list[tuple[int, int, float]]]:
    """Batches as they may come: most in time, some late, some meters silent for hours."""
    rng = np.random.default_rng(1)
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


def run(url: str, known_for: Callable[[int], Known | None], cycle_of: Callable[..., Cycle] = run_cycle) -> Snapshot:
    """Write, tick and compute; `known_for` says what the engine of each cycle remembers."""
    ids = apply_to(url, park(), now_us=START_US)
    batches = written(ids)
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
    """
    Alone, as one of two that take turns, when commits fail: as one that starts anew each cycle.

    So too where past days are put off and made in the smallest steps, by one that remembers how far it is and by two that do not.
    """
    forgetful = run(timescale_url, lambda _: None)
    check_ledger(forgetful)
    assert len(forgetful.kpis) > 1000
    known, pair, interrupted, hesitant, doubtful = Known(), (Known(), Known()), Known(), Known(), (Known(), Known())

    def failing(*given: Any, **named: Any) -> Cycle:
        """Every fifth cycle fails before its commit, and is run again."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("service.engine.cycle.notify_numbers", _refuse)
            if next(calls) % 5 == 0:
                with suppress(ConnectionError):
                    return run_cycle(*given, **named)
                failures.append(1)
        return run_cycle(*given, **named)

    def hesitating(*given: Any, **named: Any) -> Cycle:
        """Puts off every past day, and does one step of them in a cycle."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("service.engine.putoff._AT_ONCE", 0)
            patch.setattr("service.engine.putoff._SPARE_S", 0.0)
            return run_cycle(*given, **named)

    calls = count(1)
    failures: list[int] = []
    for remembered, cycle_of in (
        (lambda _: known, run_cycle),
        (lambda cycle: pair[cycle // 3 % 2], run_cycle),
        (lambda _: interrupted, failing),
        (lambda _: hesitant, hesitating),
        (lambda cycle: doubtful[cycle // 7 % 2], hesitating),
    ):
        emptied(timescale_url)
        check_same(run(timescale_url, remembered, cycle_of), forgetful)
    assert len(failures) > 3


def _refuse(*_: Any) -> None:
    raise ConnectionError("as the test wants")
