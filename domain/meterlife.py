"""The life of a meter as people enter it: exchanges, multipliers, units, outages; what is wrong with an entry, in sentences.

Everything here is dated. A fact that was entered stands beside those of the park file; it is withdrawn, never deleted.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import isfinite
from typing import Any, ClassVar, TypeAlias
from zoneinfo import ZoneInfo

from domain.dials import Dial, dial_at, exchange_mistakes
from domain.errors import UnitError
from domain.registry import Channel, Exchange, Kind, Meter, Registry
from domain.time import to_datetime
from domain.units import conversion_factor

__all__ = [
    "DeviceEntry",
    "ExchangeEntry",
    "FactKind",
    "LifeEntry",
    "LifeRow",
    "MultiplierEntry",
    "Neighbours",
    "OutageEntry",
    "UnitEntry",
    "exchange_warnings",
    "life_mistakes",
]

_HOUR_US = 3_600_000_000


class FactKind(StrEnum):
    """Kinds of facts in the life of a meter."""

    DEVICE = "device"
    EXCHANGE = "exchange"
    MULTIPLIER = "multiplier"
    UNIT = "unit"
    OUTAGE = "outage"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEntry:
    """A device is put up."""

    kind: ClassVar[FactKind] = FactKind.DEVICE
    serial: str
    from_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeEntry:
    """One register of a meter is exchanged."""

    kind: ClassVar[FactKind] = FactKind.EXCHANGE
    quantity: str
    exchange: Exchange

    @property
    def from_us(self) -> int:
        """The moment. [us UTC]"""
        return self.exchange.at_us


@dataclass(frozen=True, slots=True, kw_only=True)
class MultiplierEntry:
    """Another factor holds for a channel from a moment on."""

    kind: ClassVar[FactKind] = FactKind.MULTIPLIER
    quantity: str
    from_us: int
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitEntry:
    """The source of a channel publishes in another unit from a moment on."""

    kind: ClassVar[FactKind] = FactKind.UNIT
    quantity: str
    from_us: int
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutageEntry:
    """The meter is out of service."""

    kind: ClassVar[FactKind] = FactKind.OUTAGE
    from_us: int
    to_us: int | None
    """None: until further notice. [us UTC]"""
    reason: str


LifeEntry: TypeAlias = DeviceEntry | ExchangeEntry | MultiplierEntry | UnitEntry | OutageEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class LifeRow:
    """A fact in the life of a meter, with who said so."""

    kind: str
    id: int
    quantity: str | None
    """Of which channel; None: of the whole meter."""
    valid_from: datetime
    valid_to: datetime | None
    origin: str
    """`file` (the park file) or `entry`."""
    note: str
    recorded_at: datetime
    recorded_by: str
    superseded_at: datetime | None
    """When it was withdrawn or replaced; None: in force."""
    superseded_by: str | None
    superseded_why: str | None
    what: dict[str, Any] = field(default_factory=dict)
    """What else the kind says: `serial`; `closing`, `opening`, `modulus`, `resolution`, `max_rate`; `factor`; `unit`; `reason`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The stored readings on both sides of a moment. [us UTC], [unit]"""

    before: tuple[int, float] | None
    """The last before it."""
    after: tuple[int, float] | None
    """The first from it on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    registry: Registry
    meter: Meter
    now_us: int
    replace: bool

    @property
    def place(self) -> str:
        tenant = self.registry.tenant_by_id[self.meter.tenant_id]
        return f"{self.registry.park.key}/{tenant.key}/{self.meter.key}"

    def text(self, instant_us: int | None) -> str:
        return _text(self.registry.park.zone, instant_us)

    def channel(self, quantity: str) -> Channel | None:
        return self.registry.channel_by_key.get(f"{self.place}/{quantity}")


def _text(zone: ZoneInfo, instant_us: int | None) -> str:
    return "open" if instant_us is None else to_datetime(instant_us).astimezone(zone).isoformat()


def life_mistakes(
    registry: Registry, meter: Meter, entries: Iterable[LifeEntry], *, now_us: int, replace: bool = False
) -> tuple[str, ...]:
    """
    Everything that is wrong with some entries about one meter, one sentence each; empty where they can be entered.

    Parameters
    ----------
    registry : Registry
        As it is now.
    meter : Meter
    entries : iterable of LifeEntry
        Entered together.
    now_us : int [us UTC]
        An exchange is entered after it happened.
    replace : bool
        Whether they may take the place of facts of the same moment.
    """
    asked = _Asked(registry=registry, meter=meter, now_us=now_us, replace=replace)
    found: list[str] = []
    named: set[tuple[str, str]] = set()
    for entry in entries:
        if isinstance(entry, ExchangeEntry) and (entry.quantity, "exchange") in named:
            found.append(f"meter {asked.place}: {entry.quantity} is exchanged twice; give each channel once")
            continue
        if isinstance(entry, ExchangeEntry):
            named.add((entry.quantity, "exchange"))
        found += _of_one(asked, entry)
    return tuple(found)


def _of_one(asked: _Asked, entry: LifeEntry) -> Iterator[str]:
    if isinstance(entry, OutageEntry):
        yield from _outage(asked, entry)
        return
    if isinstance(entry, DeviceEntry):
        yield from _within(asked, f"meter {asked.place}", asked.meter, entry.from_us)
        if not entry.serial.strip():
            yield f"meter {asked.place}: the device put up has no serial; give what stands on it, or leave it out"
        return
    channel = asked.channel(entry.quantity)
    if channel is None:
        others = [one.quantity for one in asked.registry.channels if one.meter_id == asked.meter.id]
        yield f"meter {asked.place} has no channel {entry.quantity!r}; it has {', '.join(others) or 'none'}"
        return
    if channel.kind is Kind.PRODUCT:
        yield f"channel {channel.key} is made of two others by the engine; enter it for those"
        return
    yield from _within(asked, f"channel {channel.key}", channel, entry.from_us)
    if isinstance(entry, ExchangeEntry):
        yield from _exchange(asked, channel, entry.exchange)
    elif isinstance(entry, MultiplierEntry):
        yield from _multiplier(asked, channel, entry)
    else:
        yield from _unit(asked, channel, entry)


def _within(asked: _Asked, what: str, alive: Meter | Channel, at_us: int) -> Iterator[str]:
    if at_us < alive.valid_from_us or (alive.valid_to_us is not None and at_us >= alive.valid_to_us):
        life = f"{asked.text(alive.valid_from_us)} to {asked.text(alive.valid_to_us)}"
        yield f"{what}: {asked.text(at_us)} is not within its life, {life}"


def _taken(asked: _Asked, channel: Channel, word: str, at_us: int, moments: Iterable[int]) -> Iterator[str]:
    if not asked.replace and at_us in moments:
        yield (
            f"channel {channel.key}: {word} stands at {asked.text(at_us)} already; withdraw it first, or replace it (--replace)"
        )


def _exchange(asked: _Asked, channel: Channel, exchange: Exchange) -> Iterator[str]:
    what = f"channel {channel.key}"
    if channel.kind is not Kind.REGISTER:
        yield f"{what} is of kind {channel.kind.value}; only a register has a closing and an opening, so leave it out"
        return
    if exchange.at_us > asked.now_us:
        yield f"{what}: {asked.text(exchange.at_us)} lies in the future; an exchange is entered with its readings, after it happened"
    bad = [
        f"{name} is {value}, and must be a finite number"
        for name, value in (("closing", exchange.closing), ("opening", exchange.opening))
        if not isfinite(value)
    ] + [
        f"{name} is {value}, and must be above 0"
        for name, value in (
            ("modulus", exchange.modulus),
            ("resolution", exchange.resolution),
            ("max_rate", exchange.max_rate),
        )
        if value is not None and not (isfinite(value) and value > 0)
    ]
    if bad:
        yield f"{what}: {', '.join(bad)}"
        return
    yield from _taken(asked, channel, "an exchange", exchange.at_us, [one.at_us for one in channel.exchanges])
    before = dial_at(Dial.of(channel), channel.exchanges, exchange.at_us)
    yield from exchange_mistakes(what, before, exchange)
    modulus = before.after(exchange).modulus
    following = next((one for one in channel.exchanges if one.at_us > exchange.at_us), None)
    if modulus is not None and following is not None and following.closing >= modulus:
        yield (
            f"{what}: the exchange at {asked.text(following.at_us)} closes at {following.closing:g}, which a register that "
            f"starts again at {modulus:g} cannot show; give this one more digits"
        )


def _multiplier(asked: _Asked, channel: Channel, entry: MultiplierEntry) -> Iterator[str]:
    if not (isfinite(entry.factor) and entry.factor > 0):
        yield f"channel {channel.key}: multiplier {entry.factor:g} is not above 0; give CT ratio x PT ratio, or the pulse weight"
    yield from _taken(asked, channel, "a multiplier", entry.from_us, [one.from_us for one in channel.multipliers])


def _unit(asked: _Asked, channel: Channel, entry: UnitEntry) -> Iterator[str]:
    try:
        conversion_factor(entry.unit, channel.unit)
    except UnitError as error:
        yield f"channel {channel.key}: {error}"
    yield from _taken(asked, channel, "a unit", entry.from_us, [one.from_us for one in channel.wire_units])


def _outage(asked: _Asked, entry: OutageEntry) -> Iterator[str]:
    what = f"meter {asked.place}"
    if not entry.reason.strip():
        yield f"{what}: an outage needs its reason; say why the meter is out of service"
    if entry.to_us is not None and entry.to_us <= entry.from_us:
        yield f"{what}: the outage ends at {asked.text(entry.to_us)}, not after it begins at {asked.text(entry.from_us)}"
        return
    yield from _within(asked, what, asked.meter, entry.from_us)
    if entry.to_us is not None and asked.meter.valid_to_us is not None and entry.to_us > asked.meter.valid_to_us:
        yield f"{what}: the outage ends at {asked.text(entry.to_us)}, after the meter itself, {asked.text(asked.meter.valid_to_us)}"
    for other in asked.meter.outages:
        if asked.replace and other.from_us == entry.from_us:
            continue
        if (entry.to_us is None or other.from_us < entry.to_us) and (
            other.to_us is None or entry.from_us < other.to_us
        ):
            yield (
                f"{what} is out of service from {asked.text(other.from_us)} to {asked.text(other.to_us)} already "
                f"({other.reason}); withdraw that first, or give times that do not meet it"
            )


def exchange_warnings(channel: Channel, exchange: Exchange, near: Neighbours, zone: ZoneInfo) -> tuple[str, ...]:
    """
    What looks odd about an exchange beside the readings stored around it; it is entered all the same.

    A closing below the last reading may be a rollover, or the reading may be the wrong one: who stood before the meter
    knows better than a check. But where a pair around an exchange is implausible, it counts nothing.
    """
    before = dial_at(Dial.of(channel), channel.exchanges, exchange.at_us)
    sides = []
    if near.before is not None:
        sides.append(
            _Side(
                name="closing", earlier=near.before, later=(exchange.at_us, exchange.closing), dial=before, first=True
            )
        )
    if near.after is not None:
        after, opening = before.after(exchange), (exchange.at_us, exchange.opening)
        sides.append(_Side(name="opening", earlier=opening, later=near.after, dial=after, first=False))
    return tuple(sentence for side in sides for sentence in _odd(channel, side, zone))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Side:
    """What the register did between a reading and the exchange, or the exchange and a reading."""

    name: str
    earlier: tuple[int, float]
    later: tuple[int, float]
    dial: Dial
    first: bool
    """The reading comes first."""


def _odd(channel: Channel, side: _Side, zone: ZoneInfo) -> Iterator[str]:
    (t0, r0), (t1, r1) = side.earlier, side.later
    dial, moved = side.dial, r1 - r0
    if dial.modulus is not None and moved < -2 * dial.resolution and r0 > 0.9 * dial.modulus:
        moved += dial.modulus
    index, (at, reading) = (r1, side.earlier) if side.first else (r0, side.later)
    what = f"channel {channel.key}: {side.name} {index:g}"
    beside = f"the reading {reading:g} of {_text(zone, at)}"
    if moved < -2 * dial.resolution:
        below = "below" if side.first else "above"
        yield f"{what} is {below} {beside}; unless that is corrected, the readings around the exchange make no amount"
    elif dial.max_rate is not None and moved > dial.max_rate * (t1 - t0) / _HOUR_US + dial.resolution:
        yield (
            f"{what} is {moved:g} {channel.unit} from {beside}, more than max_rate {dial.max_rate:g} allows; "
            "unless one is corrected, the readings around the exchange make no amount"
        )
