"""A park with its stored history, and batches of new readings, for the benchmark of the engine."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from psycopg import Connection

from domain.frames import SubjectKind
from domain.parkfile import ParkFile
from domain.readings import Batch, Message, ReadingBatch
from domain.registry import Registry
from domain.time import DAY_US, HOUR_US, SECOND_US, IntArray, Level, level_edges, parse_instant, to_datetime
from kpi.catalogue import for_registry
from store import ReadingSink

NOW_US = parse_instant("2026-10-20T18:20:00+07:00")
MINUTE_US = 60 * SECOND_US
BASE_US = 15 * MINUTE_US
TENANTS = 100
FEW_DAYS, MANY_DAYS = 30, 365
MINUTE_HOURS = 3
"""Readings of each minute are stored for so many hours; before that, of each quarter of an hour."""
SPARSE = 100

REGISTERS = """
    SELECT c.id, (c.id %% 7 + 1)::float8 AS rate FROM channel c
    WHERE c.park_id = %(park)s AND (NOT %(sparse)s OR c.id %% %(every)s = 0)
"""
READINGS = f"""
    INSERT INTO reading (channel_id, ts, value, quality, received_at, batch_id)
    SELECT c.id, t, c.rate * extract(epoch FROM t - %(zero)s)::float8 / 3600, 0, t, 0
    FROM generate_series(%(start)s::timestamptz, %(last)s, %(step)s) t, ({REGISTERS}) c
"""
CHANNEL_DAYS = f"""
    INSERT INTO channel_day (channel_id, day, first_ts, last_ts, n)
    SELECT c.id, (t AT TIME ZONE 'UTC')::date, t, least(t + interval '23:45', %(last)s), 96
    FROM generate_series(%(start)s::timestamptz, %(last)s, interval '1 day') t, ({REGISTERS}) c
"""
AMOUNTS = f"""
    INSERT INTO amount (channel_id, level, start, amount, peak, peak_at, measured_s, estimated, inner_gap_s, gap_s, slots, received,
                        unusable, flags, revision, computed_at)
    SELECT c.id, %(level)s, t, c.rate * s.length / 3600, c.rate, t, s.length, 0, 0, 0, (s.length / 60)::int, (s.length / 60)::int,
           0, 0, 0, now()
    FROM generate_series(%(start)s::timestamptz, %(last)s, %(step)s) t
    CROSS JOIN LATERAL (SELECT extract(epoch FROM least(t + %(step)s, %(now)s) - t)::float8 AS length) s
    CROSS JOIN ({REGISTERS}) c
"""
KPIS = """
    INSERT INTO kpi (park_id, subject_kind, subject_id, kpi, level, start, terms, measured, value, estimate, profile_coverage,
                     total_coverage, estimated_share, reason, flags, formula_version, registry_version, revision, computed_at)
    SELECT %(park)s, s.kind, s.id, k, %(level)s, t, array_fill(1::float8, ARRAY[8]), 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, now()
    FROM unnest(%(starts)s::timestamptz[]) t, unnest(%(keys)s::text[]) k,
         unnest(%(kinds)s::smallint[], %(ids)s::int[]) AS s (kind, id)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What is laid out."""

    channels: int
    full_days: int
    batch: int
    cycles: int
    import_readings: int
    import_s: float
    """After so long the import is given up. [s]"""


def park(channels: int) -> ParkFile:
    """
    A park of registers: half active energy, a quarter reactive beside it, a quarter water.

    Of every tenant; one water meter of the first is the park's supply.
    """
    from_us = NOW_US - (MANY_DAYS + 40) * DAY_US
    each = channels // TENANTS
    register = {"kind": "register", "interval_s": 60, "resolution": 0.001, "max_rate": 1e6, "digits": 9}
    active, reactive, water = (
        {"quantity": quantity, **register} for quantity in ("energy_import", "energy_reactive_lagging", "water_in")
    )
    tenants = []
    for tenant in range(TENANTS):
        meters = []
        for number in range(each // 4):
            meters.append({"key": f"e{number}", "name": "E", "role": "use", "channels": [active, reactive]})
            meters.append({"key": f"f{number}", "name": "F", "role": "use", "channels": [active]})
            role = "supply" if tenant == number == 0 else "use"
            meters.append({"key": f"w{number}", "name": "W", "role": role, "channels": [water]})
        tenants.append({"key": f"t{tenant}", "name": f"T{tenant}", "meters": meters})
    return ParkFile.model_validate(
        {
            "park": {
                "key": "p",
                "name": "P",
                "timezone": "Asia/Jakarta",
                "valid_from": to_datetime(from_us).isoformat(),
            },
            "tenants": tenants,
        }
    )


class Layout:
    """Makes the stored history of a park, as the engine would have left it."""

    def __init__(self, url: str, registry: Registry, sizes: Sizes) -> None:
        self._url, self._registry, self._sizes = url, registry, sizes
        edges = level_edges(registry.park.zone, registry.park.base_s, Level.DAY, NOW_US, NOW_US + 1)
        self._today_us = int(edges[0])

    def grow(self, first_day: int, last_day: int) -> None:
        """Lay out the days from `first_day` to `last_day` ago, 0 being today."""
        start_us = self._today_us - first_day * DAY_US
        stop_us = NOW_US if last_day == 0 else self._today_us - (last_day - 1) * DAY_US
        full_us = self._today_us - (self._sizes.full_days - 1) * DAY_US
        with psycopg.connect(self._url) as conn:
            for begin, end, sparse in (
                (start_us, min(stop_us, full_us), True),
                (max(start_us, full_us), stop_us, False),
            ):
                if begin < end:
                    self._lay(conn, begin, end, sparse=sparse)
            self._amounts(conn, Level.DAY, DAY_US, start_us, stop_us, sparse=False)
            self._kpis(conn, start_us, stop_us)
            conn.execute(CHANNEL_DAYS, self._times(start_us, stop_us, DAY_US, sparse=False))
        with psycopg.connect(self._url, autocommit=True) as conn:
            conn.execute("VACUUM ANALYZE")
            conn.execute("CHECKPOINT")

    def _lay(self, conn: Connection[Any], start_us: int, stop_us: int, *, sparse: bool) -> None:
        self._amounts(conn, Level.BASE, BASE_US, start_us, stop_us, sparse=sparse)
        self._amounts(conn, Level.HOUR, HOUR_US, start_us, stop_us, sparse=sparse)
        minutes_us = max(start_us, NOW_US - MINUTE_HOURS * HOUR_US)
        conn.execute(READINGS, self._times(start_us, min(minutes_us, stop_us), BASE_US, sparse=sparse))
        if minutes_us < stop_us:
            conn.execute(READINGS, self._times(minutes_us, stop_us + 1, MINUTE_US, sparse=sparse))

    def _amounts(
        self, conn: Connection[Any], level: Level, step_us: int, start_us: int, stop_us: int, *, sparse: bool
    ) -> None:
        conn.execute(AMOUNTS, {**self._times(start_us, stop_us, step_us, sparse=sparse), "level": int(level)})

    def _times(self, start_us: int, stop_us: int, step_us: int, *, sparse: bool) -> dict[str, Any]:
        return {
            "park": self._registry.park.id,
            "start": to_datetime(start_us),
            "last": to_datetime(stop_us - 1),
            "step": to_datetime(step_us) - to_datetime(0),
            "zero": to_datetime(NOW_US - 2 * MANY_DAYS * DAY_US),
            "now": to_datetime(NOW_US),
            "sparse": sparse,
            "every": SPARSE,
        }

    def _kpis(self, conn: Connection[Any], start_us: int, stop_us: int) -> None:
        park = self._registry.park
        keys = [kpi.key for kpi in for_registry(self._registry)]
        owners = [
            (SubjectKind.PARK.code, park.id),
            *((SubjectKind.TENANT.code, one.id) for one in self._registry.tenants),
        ]
        for level, whose in ((Level.HOUR, owners[:1]), (Level.DAY, owners)):
            edges = level_edges(park.zone, park.base_s, level, start_us, stop_us)[:-1]
            conn.execute(
                KPIS,
                {
                    "park": park.id,
                    "level": int(level),
                    "starts": [to_datetime(int(edge)) for edge in edges],
                    "keys": keys,
                    "kinds": [kind for kind, _ in whose],
                    "ids": [one for _, one in whose],
                },
            )


class Live:
    """Batches of new readings: half of the channels in turn, one reading of the next minute each."""

    def __init__(self, url: str, registry: Registry, batch: int) -> None:
        self._sink = ReadingSink(url)
        self._ids = np.array(sorted(channel.id for channel in registry.channels), dtype=np.int32)
        self._batch = batch
        self._count = 0
        self.now_us = NOW_US
        self.tick_us = NOW_US // BASE_US * BASE_US

    def write(self) -> tuple[IntArray, int]:
        """Store one batch; which channels it was of, and the time of its readings."""
        turns = max(1, len(self._ids) // self._batch)
        turn = self._count % turns
        if turn == 0:
            self.now_us += MINUTE_US
        self._count += 1
        chosen = self._ids[turn::turns][: self._batch]
        self._sink.write(batch_of(chosen, np.full(len(chosen), self.now_us)))
        return chosen.astype(np.int64), self.now_us


def batch_of(channel_id: np.ndarray[Any, np.dtype[np.int32]], ts_us: IntArray) -> Batch:
    """One message with readings of registers that rise as those of the layout do."""
    zero_us = NOW_US - 2 * MANY_DAYS * DAY_US
    return Batch(
        messages=(Message(topic=b"kawasan/v1/p/t0/e0", payload=b"{}", received_us=NOW_US),),
        sources=("p/t0",),
        readings=ReadingBatch(
            message=np.zeros(len(channel_id), dtype=np.int32),
            channel_id=channel_id,
            ts_us=ts_us,
            value=(channel_id % 7 + 1.0) * ((ts_us - zero_us) / HOUR_US),
            quality=np.zeros(len(channel_id), dtype=np.int32),
        ),
        rejections=(),
    )
