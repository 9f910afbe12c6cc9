"""What one user is told live: newest readings, power now, today's KPIs, alarms that stand, and how much flows.

It is read as that user, through the views, and put on the user's board: what is not on it nobody is told.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from psycopg import AsyncConnection

from domain.alarms import AlarmState, Inhibit
from domain.quality import UNUSABLE
from domain.registry import Channel, Registry
from domain.registry import Kind as ChannelKind
from domain.time import HOUR_US, SECOND_US, Level, level_edges, to_datetime
from kpi.catalogue import for_registry
from kpi.compute import member_channels
from service.api.alarms import alarm_answers
from service.api.board import Board, Kind, Row
from service.api.ranges import now_us
from service.api.subjects import may_see_kpi, named_subjects
from service.api.values import KpiColumns, kpi_value, quality_words
from store.alarmlists import AlarmRow, read_alarms
from store.alarmvalues import ShortStanding, read_short_standings
from store.queries import LatestReading, read_kpis, read_latest, read_ledger, read_registries
from store.users import User

__all__ = ["Bulletin"]

_MINUTE_S = 60.0
_LOOK_S = 120.0
"""Over how long a rate is taken: meters report by the minute, and a look of one minute may see none or two. [s]"""
_LEAST_S = 15.0
"""A rate per minute is told from this long a look on. [s]"""
_STALE_INTERVALS = 3
_MOST_ALARMS = 500
_GONE = ShortStanding(id=0, state=AlarmState.NORMAL.value, inhibit=Inhibit.NONE.value, version=0)
_NOT_NORMAL = tuple(state for state in AlarmState if state is not AlarmState.NORMAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gauges:
    """The power gauges that one subject's power is the sum of."""

    subject: str
    place: str
    channels: tuple[Channel, ...]
    meters: int


@dataclass(slots=True, kw_only=True)
class Bulletin:
    """What was last told to a user, by key, so that only what changed is put on the board again."""

    user: User
    board: Board = field(default_factory=Board)
    registries: tuple[Registry, ...] = ()
    _readings: dict[str, LatestReading] = field(default_factory=dict)
    _told: dict[Kind, dict[str, dict[str, Any]]] = field(default_factory=dict)
    _alarms: dict[int, dict[str, Any]] = field(default_factory=dict)
    _gauges: tuple[_Gauges, ...] = ()
    _hours: dict[tuple[str, int], tuple[int, int, int, int]] = field(default_factory=dict)
    _samples: list[tuple[int, tuple[int, int, int, int]]] = field(default_factory=list)

    async def refresh_registry(self, conn: AsyncConnection[Any]) -> None:
        """Read anew which parks, meters and channels the user may see; where some may not be seen any more, all begins anew."""
        found = await read_registries(conn, self.user.name)
        if found == self.registries:
            return
        if _seen(self.registries) - _seen(found):
            self.board.begin_anew()
            self._readings, self._told, self._alarms = {}, {}, {}
        self.registries = found
        self._gauges = tuple(one for registry in found for one in _gauges(registry, self.user))

    async def refresh_readings(self, conn: AsyncConnection[Any]) -> None:
        """Newest readings of all channels, and the power that follows from them."""
        channels = {channel.id: channel for registry in self.registries for channel in registry.channels}
        found = await read_latest(conn, self.user.name, list(channels))
        before, self._readings = self._readings, {channels[one.channel_id].key: one for one in found}
        self.board.put(
            Row(kind=Kind.READINGS, key=key, place=key, contents=_reading(channels[one.channel_id], one))
            for key, one in self._readings.items()
            if before.get(key) != one
        )
        self.board.drop(Kind.READINGS, before.keys() - self._readings.keys())
        self._refresh_power()

    def _refresh_power(self) -> None:
        power = {one.subject: _power(one, self._readings) for one in self._gauges}
        self._put(Kind.POWER, power, {one.subject: one.place for one in self._gauges})

    async def refresh_kpis(self, conn: AsyncConnection[Any]) -> None:
        """Today's KPIs of the park and its tenants, as far as the user may see them."""
        rows = [row for registry in self.registries for row in await _today(conn, registry, self.user)]
        kpis = {f"{row['subject']} {row['kpi']} {row['level']}": row for row in rows}
        self._put(Kind.KPIS, kpis, {key: row["subject"].partition(":")[2] for key, row in kpis.items()})

    async def refresh_alarms(self, conn: AsyncConnection[Any]) -> None:
        """Alarms that stand, or that something inhibits, as they are now; and those that do no more, once."""
        rows = await _standing_alarms(conn, self.user)
        answers = await alarm_answers(conn, self.user, self.registries, rows)
        alarms = {answer.id: answer.model_dump(mode="json") for answer in answers}
        left = await read_short_standings(conn, self.user.name, sorted(self._alarms.keys() - alarms.keys()))
        for number in self._alarms.keys() - alarms.keys():
            # Not to be seen any more is as good as over.
            now = left.get(number, _GONE)
            told = {"state": now.state, "inhibit": now.inhibit, "version": now.version}
            alarms[number] = {**self._alarms[number], **told, "acts": []}
        self.board.put(
            Row(
                kind=Kind.ALARM,
                key=str(number),
                place=row["target"].partition("#")[0],
                contents=row,
                is_over=not _stands(row),
            )
            for number, row in alarms.items()
            if self._alarms.get(number) != row
        )
        self._alarms = {number: row for number, row in alarms.items() if _stands(row)}

    async def refresh_flow(self, conn: AsyncConnection[Any]) -> None:
        """How many values came in during the last minute, from the ledger; and the power without gauges that fell silent."""
        self._refresh_power()
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
        self.board.put([Row(kind=Kind.FLOW, key="", place="", contents=self._per_minute(present_us))])

    def _put(self, kind: Kind, rows: Mapping[str, dict[str, Any]], places: Mapping[str, str]) -> None:
        before = self._told.get(kind, {})
        self._told[kind] = dict(rows)
        self.board.put(
            Row(kind=kind, key=key, place=places[key], subject=row["subject"], contents=row)
            for key, row in rows.items()
            if before.get(key) != row
        )
        self.board.drop(kind, before.keys() - rows.keys())

    def _per_minute(self, present_us: int) -> dict[str, Any]:
        newest = max((one.received_us for one in self._readings.values()), default=None)
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


def _seen(registries: Iterable[Registry]) -> set[str]:
    """What there is to be told of: channels, tenants and parks."""
    found: set[str] = set()
    for registry in registries:
        park = registry.park.key
        found |= {park, *(f"{park}/{tenant.key}" for tenant in registry.tenants), *registry.channel_by_key}
    return found


def _stands(row: Mapping[str, Any]) -> bool:
    return bool(row["state"] != AlarmState.NORMAL.value or row["inhibit"] != Inhibit.NONE.value)


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


def _gauges(registry: Registry, user: User) -> Iterator[_Gauges]:
    """Of the park and each tenant, as far as the user may see their electricity: the gauges of the meters that it is made of."""
    electricity = next(kpi for kpi in for_registry(registry) if kpi.key == "electricity")
    gauges = {
        channel.meter_id: channel
        for channel in registry.channels
        if channel.quantity == "power" and channel.kind is ChannelKind.GAUGE
    }
    if not may_see_kpi(user, electricity.key):
        return
    for named in named_subjects(registry, user):
        if not may_see_kpi(user, electricity.key, named.reference):
            continue
        members = member_channels(registry, (named.subject,), (electricity,))
        meters = {registry.channel_by_id[int(channel)].meter_id for channel in members}
        if meters:
            yield _Gauges(
                subject=named.reference,
                place=named.reference.partition(":")[2],
                channels=tuple(gauges[meter] for meter in sorted(meters & gauges.keys())),
                meters=len(meters),
            )


def _power(of: _Gauges, readings: Mapping[str, LatestReading]) -> dict[str, Any]:
    """
    Power now of a subject: the sum of its gauges.

    A gauge silent for three of its intervals is left out; how many were heard is told beside the sum.
    """
    heard = [
        (reading, gauge)
        for gauge in of.channels
        if (reading := readings.get(gauge.key)) is not None and _is_fresh(reading, gauge)
    ]
    return {
        "subject": of.subject,
        "power_kw": sum(one.value * _factor(gauge, one.ts_us) for one, gauge in heard) if heard else None,
        "meters": of.meters,
        "meters_heard": len(heard),
        "ts": to_datetime(max(one.ts_us for one, _ in heard)).isoformat() if heard else None,
    }


def _is_fresh(reading: LatestReading, gauge: Channel) -> bool:
    if reading.quality & int(UNUSABLE):
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
