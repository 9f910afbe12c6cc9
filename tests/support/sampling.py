"""Samples in tests: watches of one line, readings that are computed, and what is sampled of them."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
from psycopg import Connection

from domain.alarms import Category, SampleFrame, Severity, Source, Watch
from domain.frames import Subject, SubjectKind
from domain.time import DAY_US, HOUR_US, parse_instant
from service.engine import run_cycle
from service.engine.known import Known
from service.engine.signals import samples_of
from store import ReadingSink, Role, connect, load_registry
from store.spans import append_tick
from tests.support.databases import batch_of, channel, meter, park_file, tenant

__all__ = [
    "FAR_US",
    "MINUTE_US",
    "PARK",
    "START_US",
    "computed",
    "energy",
    "gauge",
    "hours_of",
    "knowing",
    "minutes_of",
    "park_subject",
    "sampled",
    "watch",
]

MINUTE_US = 60_000_000
START_US = parse_instant("2026-03-01T00:00:00+07:00")
FAR_US = START_US + 400 * DAY_US
HOURLY: dict[str, Any] = {"interval_s": 3600, "resolution": 0.01}

PARK = park_file(
    tenant("alpha", meter("main", channel("energy_import", "register", **HOURLY), parent="_park/bulk")),
    tenant(
        "_park",
        meter("bulk", channel("energy_import", "register", **HOURLY), role="supply"),
        meter(
            "outlet",
            channel("ph", interval_s=120),
            channel("cod", interval_s=120),
            channel("effluent_flow", interval_s=120),
            channel("tss", interval_s=120, multipliers=[{"valid_from": "2026-03-01T00:03:00+07:00", "factor": 2.0}]),
            role="outlet",
            outages=[
                {
                    "valid_from": "2026-03-01T06:00:00+07:00",
                    "valid_to": "2026-03-01T07:00:00+07:00",
                    "reason": "pump",
                }
            ],
        ),
    ),
    base_minutes=15,
)
Row = tuple[int, int, float] | tuple[int, int, float, int]


def watch(source: Source, **rest: Any) -> Watch:
    """A watch of a source; what is not said of it is the least."""
    given: dict[str, Any] = {"rule_id": 1, "alarm_id": 1, "rule": "r", "target": "p/_park/outlet/cod", **rest}
    return Watch(name="A watch", category=Category.WARNING, severity=Severity.LOW, source=source, unit="mg/L", **given)


def computed(url: str, rows: Sequence[Row], tick_us: int | None) -> None:
    """Write readings, and have an engine compute all there is to compute, up to a tick."""
    if rows:
        with closing(ReadingSink(url)) as sink:
            sink.write(batch_of(rows))
    with connect(url, Role.WRITE, autocommit=True) as conn:
        park = load_registry(conn, "p").park
        if tick_us is not None:
            append_tick(conn, park.id, tick_us)
        while run_cycle(conn, park, cycle_rows=200_000, now_us=FAR_US).spans:
            continue


@contextmanager
def knowing(url: str) -> Iterator[tuple[Connection[Any], Known]]:
    """A connection, and what an engine knows of park `p` at the beginning of a cycle."""
    with connect(url, Role.WRITE) as conn:
        known = Known()
        known.begin(conn, load_registry(conn, "p").park.id, "p")
        yield conn, known


def sampled(url: str, *watches: Watch, from_us: int = 0, to_us: int = FAR_US) -> SampleFrame:
    """All samples of some watches in a stretch of time."""
    with knowing(url) as (conn, known):
        count = len(watches)
        return samples_of(conn, known, watches, np.full(count, from_us), np.full(count, to_us))


def hours_of(instants_us: Any) -> list[float]:
    """Hours after `START_US`. [h]"""
    return [float(one) for one in (np.asarray(instants_us) - START_US) / HOUR_US]


def minutes_of(instants_us: Any) -> list[float]:
    """Minutes after `START_US`. [min]"""
    return [float(one) for one in (np.asarray(instants_us) - START_US) / MINUTE_US]


def gauge(channel_id: int, minutes: range, value: float, *, quality: int = 0) -> list[Row]:
    """Readings of a gauge at some minutes after `START_US`."""
    return [(channel_id, START_US + minute * MINUTE_US, value, quality) for minute in minutes]


def energy(ids: dict[str, int], hours: int) -> list[Row]:
    """Hourly readings: 10 kWh an hour are supplied, and 6.5 of them are used by alpha."""
    return [
        (ids[key], START_US + hour * HOUR_US, round(hour * per_hour, 2))
        for hour in range(hours + 1)
        for key, per_hour in (("_park/bulk/energy_import", 10.0), ("alpha/main/energy_import", 6.5))
    ]


def park_subject(url: str) -> Subject:
    """The park itself."""
    with connect(url, Role.WRITE) as conn:
        return Subject(kind=SubjectKind.PARK, id=load_registry(conn, "p").park.id)
