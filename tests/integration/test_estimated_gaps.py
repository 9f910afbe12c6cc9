"""Long gaps on a real database: like days that come late give a gap its course all the same."""

import random
from contextlib import closing
from datetime import datetime
from typing import Any

import pytest

from domain.quality import Flag
from domain.time import DAY_US, HOUR_US, parse_instant
from service.engine import run_cycle
from store import ReadingSink, Role, connect, load_registry
from tests.support.databases import apply_to, batch_of, channel, emptied, meter, park_file, tenant

# 2026-03-02 is a Monday.
FIRST_US = parse_instant("2026-03-02T00:00:00+07:00")
HOURLY: dict[str, Any] = {"interval_s": 3600, "resolution": 0.01}
PARK = park_file(
    tenant("alpha", meter("main", channel("energy_import", "register", **HOURLY))),
    tenant("_park", meter("outlet", channel("cod", interval_s=3600), role="outlet")),
    base_minutes=60,
)
DAYS = 12
GAPS = ((4, 8, 12), (7, 20, 25), (9, 6, 40))

Row = tuple[int, int, float]


def told(ids: dict[str, int]) -> list[Row]:
    """Hourly readings of 12 days with three long gaps."""
    rows, index = [], 0.0
    for number in range(DAYS * 24 + 1):
        if not any(first < number - 24 * day < last for day, first, last in GAPS):
            rows.append((ids["alpha/main/energy_import"], FIRST_US + number * HOUR_US, round(index, 2)))
            rows.append((ids["_park/outlet/cod"], FIRST_US + number * HOUR_US, 50.0 + number % 5))
        index += 10.0 + number % 24 + number // 24 / 7
    return rows


def write(url: str, rows: list[Row]) -> None:
    with closing(ReadingSink(url)) as sink:
        sink.write(batch_of(rows))


def cycles(url: str) -> None:
    with connect(url, Role.WRITE, autocommit=True) as conn:
        park = load_registry(conn, "p").park
        while run_cycle(conn, park, cycle_rows=200_000, now_us=FIRST_US).spans:
            continue


def amounts(url: str) -> list[tuple[Any, ...]]:
    with connect(url, Role.WRITE) as conn:
        return conn.execute(
            b"SELECT channel_id, level, start, amount, measured_s, estimated, flags FROM amount ORDER BY 1, 2, 3"
        ).fetchall()


def profiles(rows: list[tuple[Any, ...]]) -> set[tuple[int, int]]:
    """Day and hour of every base interval with the course of like days."""
    found = set()
    for _, level, start, *_, flags in rows:
        if level == 0 and flags & Flag.PROFILE:
            found.add(hour_at(start))
    return found


def hour_at(start: datetime) -> tuple[int, int]:
    return divmod(int(start.timestamp() - FIRST_US / 1e6) // 3600, 24)


def hour_of(row: tuple[Any, ...]) -> tuple[int, int]:
    """Day and hour of an amount."""
    return hour_at(row[2])


@pytest.mark.parametrize("seed", range(4))
def test_estimates_do_not_depend_on_the_order_of_arrival(timescale_url: str, seed: int) -> None:
    ids = apply_to(timescale_url, PARK)
    rows = told(ids)
    write(timescale_url, rows)
    cycles(timescale_url)
    expected = amounts(timescale_url)
    emptied(timescale_url)
    assert apply_to(timescale_url, PARK) == ids

    chance = random.Random(seed)
    days = list(range(DAYS + 1))
    # Newest first, as an import is taken, or in any order.
    days = days[::-1] if seed == 0 else chance.sample(days, len(days))
    for day in days:
        of_day = [row for row in rows if (row[1] - FIRST_US) // DAY_US == day]
        write(timescale_url, chance.sample(of_day, len(of_day)))
        cycles(timescale_url)

    # The Friday and the Tuesday are workdays with three before them; the weekend has none, so that gap stays linear.
    assert {(4, 8), (4, 11), (7, 20)} <= profiles(expected)
    assert amounts(timescale_url) == expected


def test_a_corrected_like_day_gives_the_gaps_after_it_another_course(timescale_url: str) -> None:
    ids = apply_to(timescale_url, PARK)
    rows = told(ids)
    late = next(row for row in rows if row[1] == FIRST_US + DAY_US + 10 * HOUR_US)
    write(timescale_url, [row for row in rows if row != late])
    cycles(timescale_url)
    before = amounts(timescale_url)

    write(timescale_url, [(late[0], late[1], late[2] + 5.0)])
    cycles(timescale_url)

    after = amounts(timescale_url)
    changed = {hour_of(row) for row, other in zip(after, before, strict=True) if row[1] == 0 and row[3] != other[3]}
    # What one hour of the like day has more, the next has less: the gap's total and its other hours stay.
    assert {(1, 9), (1, 10), (4, 9), (4, 10)} <= changed
    assert not changed & {(4, 8), (4, 11), (2, 9)}
    assert friday(after) == pytest.approx(friday(before), abs=1e-9)


def friday(rows: list[tuple[Any, ...]]) -> float:
    """What the day of the first gap adds up to."""
    return float(sum(row[3] for row in rows if row[1] == 0 and hour_of(row)[0] == 4 and row[3] is not None))


def test_concentrations_have_no_amounts_where_nothing_was_measured(timescale_url: str) -> None:
    ids = apply_to(timescale_url, PARK)
    write(timescale_url, told(ids))
    cycles(timescale_url)

    for channel_id, level, start, _, measured_s, estimated, flags in amounts(timescale_url):
        if channel_id == ids["_park/outlet/cod"]:
            assert estimated == 0.0
            assert not flags & (Flag.ESTIMATED | Flag.PROFILE)
            assert level > 0 or measured_s > 0.0, start
