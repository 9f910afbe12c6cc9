"""What one user is told live: newest readings, power now, today's KPIs, alarms that stand, and how much flows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from psycopg import AsyncConnection

from domain.alarms import AlarmState, Inhibit
from domain.quality import UNUSABLE
from domain.registry import Channel, Kind, Registry
from domain.time import HOUR_US, SECOND_US, Level, level_edges, to_datetime
from kpi.catalogue import for_registry
from kpi.compute import member_channels
from service.api.alarms import alarm_answers
from service.api.ranges import now_us
from service.api.subjects import may_see_kpi, named_subjects
from service.api.values import KpiColumns, kpi_value, quality_words
from store.alarmlists import AlarmRow, read_alarms
from store.alarmvalues import ShortStanding, read_short_standings
from store.queries import LatestReading, read_kpis, read_latest, read_ledger, read_registries
from store.users import User

__all__ = ["Bulletin", "Event"]

Event: TypeAlias = tuple[str, dict[str, Any]]
"""Name and contents of one event of the stream."""

_MINUTE_S = 60.0
_LOOK_S = 120.0
"""Over how long a rate is taken: meters report by the minute, and a look of one minute may see none or two. [s]"""
_LEAST_S = 15.0
"""A rate per minute is told from this long a look on. [s]"""
_STALE_INTERVALS = 3
_MOST_ALARMS = 500
_GONE = ShortStanding(id=0, state=AlarmState.NORMAL.value, inhibit=Inhibit.NONE.value, version=0)
_NOT_NORMAL = tuple(state for state in AlarmState if state is not AlarmState.NORMAL)


@dataclass(slots=True, kw_only=True)
class Bulletin:
    """What was last told to a user, by key, so that only what changed is told again."""

    user: User
    registries: tuple[Registry, ...] = ()
    readings: dict[str, dict[str, Any]] = field(default_factory=dict)
    kpis: dict[str, dict[str, Any]] = field(default_factory=dict)
    power: dict[str, dict[str, Any]] = field(default_factory=dict)
    alarms: dict[int, dict[str, Any]] = field(default_factory=dict)
    flow: dict[str, Any] = field(default_factory=dict)
    _latest: dict[int, LatestReading] = field(default_factory=dict)
    _hours: dict[tuple[str, int], tuple[int, int, int, int]] = field(default_factory=dict)
    _samples: list[tuple[int, tuple[int, int, int, int]]] = field(default_factory=list)

    def everything(self) -> list[Event]:
        """All that is known, for somebody who has just come."""
        return [
            *_listed("readings", self.readings.values()),
            *_listed("power", self.power.values()),
            *_listed("kpis", self.kpis.values()),
            *_listed("alarm", self.alarms.values()),
            *([("flow", self.flow)] if self.flow else []),
        ]

    async def refresh_registry(self, conn: AsyncConnection[Any]) -> None:
        """Read anew which parks, meters and channels the user may see."""
        self.registries = await read_registries(conn, self.user.name)

    async def refresh_readings(self, conn: AsyncConnection[Any]) -> list[Event]:
        """Newest readings of all channels, and the power that follows from them."""
        channels = {channel.id: channel for registry in self.registries for channel in registry.channels}
        found = await read_latest(conn, self.user.name, list(channels))
        self._latest = {reading.channel_id: reading for reading in found}
        readings = {channels[one.channel_id].key: _reading(channels[one.channel_id], one) for one in found}
        power = {
            row["subject"]: row for registry in self.registries for row in _power(registry, self.user, self._latest)
        }
        events = [
            *_listed("readings", _changed(self.readings, readings)),
            *_listed("power", _changed(self.power, power)),
        ]
        self.readings, self.power = readings, power
        return events

    async def refresh_kpis(self, conn: AsyncConnection[Any]) -> list[Event]:
        """Today's KPIs of the park and its tenants, as far as the user may see them."""
        kpis = {
            f"{row['subject']} {row['kpi']} {row['level']}": row
            for registry in self.registries
            for row in await _today(conn, registry, self.user)
        }
        events = _listed("kpis", _changed(self.kpis, kpis))
        self.kpis = kpis
        return events

    async def refresh_alarms(self, conn: AsyncConnection[Any]) -> list[Event]:
        """Alarms that stand, or that something inhibits, as they are now; and those that do no more, once."""
        rows = await _standing_alarms(conn, self.user)
        answers = await alarm_answers(conn, self.user, self.registries, rows)
        alarms = {answer.id: answer.model_dump(mode="json") for answer in answers}
        left = await read_short_standings(conn, self.user.name, sorted(self.alarms.keys() - alarms.keys()))
        for number in self.alarms.keys() - alarms.keys():
            # Not to be seen any more is as good as over.
            now = left.get(number, _GONE)
            told = {"state": now.state, "inhibit": now.inhibit, "version": now.version}
            alarms[number] = {**self.alarms[number], **told, "acts": []}
        events = _listed("alarm", _changed_alarms(self.alarms, alarms))
        self.alarms = {number: row for number, row in alarms.items() if _stands(row)}
        return events

    async def refresh_flow(self, conn: AsyncConnection[Any]) -> list[Event]:
        """How many values came in during the last minute, from the ledger."""
        present_us = now_us()
        rows = await read_ledger(
            conn, self.user.name, present_us - HOUR_US - present_us % HOUR_US, present_us + HOUR_US
        )
        hours = {
            (row.source, int(row.hour.timestamp())): (row.stored, row.duplicate, row.conflict, row.rejected)
            for row in rows
        }
        nothing = (0, 0, 0, 0)
        came = np.array([np.subtract(count, self._hours.get(key, nothing)) for key, count in hours.items()]).reshape(
            -1, 4
        )
        # The first look has nothing before it: what the hours hold did not come since.
        total = came.sum(axis=0) if self._samples else np.zeros(4, dtype=np.int64)
        self._hours = hours
        before = self._samples[-1][1] if self._samples else nothing
        stored, duplicate, conflict, rejected = (np.array(before) + total).tolist()
        self._samples.append((present_us, (stored, duplicate, conflict, rejected)))
        oldest_us = present_us - (_LOOK_S + _MINUTE_S) * SECOND_US
        self._samples = [one for one in self._samples if one[0] >= oldest_us]
        self.flow = self._per_minute(present_us)
        return [("flow", self.flow)]

    def _per_minute(self, present_us: int) -> dict[str, Any]:
        newest = max((one.received_us for one in self._latest.values()), default=None)
        first = next(one for one in self._samples if one[0] >= present_us - _LOOK_S * SECOND_US)
        last = self._samples[-1]
        seconds = (last[0] - first[0]) / SECOND_US
        rates = (np.subtract(last[1], first[1]) * (_MINUTE_S / seconds)).tolist() if seconds >= _LEAST_S else [None] * 4
        stored, duplicate, conflict, rejected = rates
        return {
            "at": to_datetime(present_us).isoformat(),
            "newest_received": None if newest is None else to_datetime(newest).isoformat(),
            "stored_per_minute": stored,
            "duplicate_per_minute": duplicate,
            "conflict_per_minute": conflict,
            "rejected_per_minute": rejected,
        }


async def _standing_alarms(conn: AsyncConnection[Any], user: User) -> list[AlarmRow]:
    """Those that changed last, where there are very many."""
    raised = await read_alarms(conn, user.name, states=_NOT_NORMAL, limit=_MOST_ALARMS)
    inhibited = await read_alarms(conn, user.name, states=(AlarmState.NORMAL,), inhibited=True, limit=_MOST_ALARMS)
    return [*raised, *inhibited]


def _changed_alarms(
    before: Mapping[int, dict[str, Any]], now: Mapping[int, dict[str, Any]]
) -> Iterable[dict[str, Any]]:
    return (row for number, row in now.items() if before.get(number) != row)


def _stands(row: Mapping[str, Any]) -> bool:
    return bool(row["state"] != AlarmState.NORMAL.value or row["inhibit"] != Inhibit.NONE.value)


def _listed(name: str, rows: Iterable[dict[str, Any]]) -> list[Event]:
    told = list(rows)
    return [(name, {"values": told})] if told else []


def _changed(before: Mapping[str, dict[str, Any]], now: Mapping[str, dict[str, Any]]) -> Iterable[dict[str, Any]]:
    return (row for key, row in now.items() if before.get(key) != row)


def _reading(channel: Channel, reading: LatestReading) -> dict[str, Any]:
    return {
        "channel": channel.key,
        "ts": to_datetime(reading.ts_us).isoformat(),
        "received": to_datetime(reading.received_us).isoformat(),
        "value": reading.value,
        "unit": channel.unit,
        "quality": quality_words(reading.quality),
    }


def _factor(channel: Channel, at_us: int) -> float:
    in_force = [one.factor for one in channel.multipliers if one.from_us <= at_us]
    return in_force[-1] if in_force else 1.0


def _power(registry: Registry, user: User, latest: Mapping[int, LatestReading]) -> Iterable[dict[str, Any]]:
    """
    Power now of the park and each tenant: the sum of the power gauges of the meters that make its `electricity`.

    A gauge silent for three of its intervals is left out; how many were heard is told beside the sum.
    """
    electricity = next(kpi for kpi in for_registry(registry) if kpi.key == "electricity")
    gauges = {
        channel.meter_id: channel
        for channel in registry.channels
        if channel.quantity == "power" and channel.kind is Kind.GAUGE
    }
    if not may_see_kpi(user, electricity.key):
        return
    for named in named_subjects(registry, user):
        if not may_see_kpi(user, electricity.key, named.reference):
            continue
        meters = {
            registry.channel_by_id[int(channel)].meter_id
            for channel in member_channels(registry, (named.subject,), (electricity,))
        }
        heard = [
            (latest[gauge.id], gauge)
            for meter in meters
            if (gauge := gauges.get(meter)) is not None and _is_fresh(latest.get(gauge.id), gauge)
        ]
        if meters:
            yield {
                "subject": named.reference,
                "power_kw": sum(one.value * _factor(gauge, one.ts_us) for one, gauge in heard) if heard else None,
                "meters": len(meters),
                "meters_heard": len(heard),
                "ts": to_datetime(max(one.ts_us for one, _ in heard)).isoformat() if heard else None,
            }


def _is_fresh(reading: LatestReading | None, gauge: Channel) -> bool:
    if reading is None or reading.quality & int(UNUSABLE):
        return False
    return now_us() - reading.ts_us <= _STALE_INTERVALS * gauge.interval_s * SECOND_US


async def _today(conn: AsyncConnection[Any], registry: Registry, user: User) -> list[dict[str, Any]]:
    park = registry.park
    present_us = now_us()
    edges = level_edges(park.zone, park.base_s, Level.DAY, present_us, present_us + 1)
    start_us, stop_us = int(edges[0]), int(edges[-1])
    kpis = {kpi.key: kpi for kpi in for_registry(registry) if may_see_kpi(user, kpi.key)}
    named = {(one.subject.kind.code, one.subject.id): one for one in named_subjects(registry, user)}
    stored = await read_kpis(conn, user.name, list(kpis), list(named), Level.DAY, start_us=start_us, stop_us=stop_us)
    frame = stored.frame
    columns = KpiColumns(frame=frame, revision=stored.revision, computed_at_us=stored.computed_at_us)
    rows = []
    for row in range(len(frame)):
        one = named[int(frame.subject_kind[row]), int(frame.subject_id[row])]
        key = str(frame.kpi[row])
        value = kpi_value(columns, row, stop_us, unit=kpis[key].unit, zone=park.zone)
        rows.append({"kpi": key, "subject": one.reference, "level": Level.DAY.key, **value.model_dump(mode="json")})
    return rows
