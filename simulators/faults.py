"""What goes wrong with meters, gateways and lines, on demand and by schedule.

A fault belongs to one meter and one stretch of time. What it does depends only on the fault, the report and
what the meter would have read, never on what was sent before, so a restarted simulator shows the same faults.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from domain.errors import InputError
from domain.registry import Kind
from domain.time import DAY_US, HOUR_US, SECOND_US, to_datetime
from simulators.noise import key_hash
from simulators.park import SimulatedPark
from simulators.reports import Outgoing, Report, message

__all__ = ["LONGEST_US", "Fault", "FaultKind", "schedule", "with_faults"]


class FaultKind(StrEnum):
    """What goes wrong, and what `size` means for it."""

    GAP = "gap"
    """Nothing is sent."""
    DUPLICATE = "duplicate"
    """Every report is sent `size` times."""
    OUT_OF_ORDER = "out_of_order"
    """Every second report arrives `size` seconds late, behind those after it."""
    LATE = "late"
    """The line is down: everything arrives at once when the stretch ends, oldest first."""
    JITTER = "jitter"
    """Every second reading of a register is `size` steps of its resolution too low: an idle counter flickering."""
    RESET = "reset"
    """Registers start anew from zero at the beginning of the stretch, for good."""
    ROLLOVER = "rollover"
    """Registers stand so that they pass their last digit at the beginning of the stretch; before and after, too."""
    FROZEN = "frozen"
    """Gauges repeat what they read when it began."""
    SPIKE = "spike"
    """One reading in about ten is `size` times too large."""
    SLUG = "slug"
    """Gauges read `size` when it begins (without one: twice what they would), and go up and down from there as they would have."""
    CLOCK = "clock"
    """The meter's clock is `size` seconds ahead (negative: behind)."""
    BROKEN = "broken"
    """Payloads that cannot be read, of many kinds in turn."""


_USUAL_SIZE: Mapping[FaultKind, float] = {
    FaultKind.DUPLICATE: 2,
    FaultKind.OUT_OF_ORDER: 300,
    FaultKind.JITTER: 1,
    FaultKind.SPIKE: 20,
    FaultKind.CLOCK: 7 * 3600,
}
_FOR_GOOD = frozenset({FaultKind.RESET, FaultKind.ROLLOVER})
_IN_SCHEDULES = tuple(kind for kind in FaultKind if kind not in _FOR_GOOD and kind is not FaultKind.SLUG)
"""A rollover or reset changes a register for good, and every later one would hit the same register again. A slug is no fault
of a meter: simulated plants have their own."""
_SPIKE_EVERY = 10
_USUAL_SLUG = 2.0

LONGEST_US = 2 * DAY_US
"""No fault of a schedule lasts longer. [us]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault of one meter in `[start_us, stop_us)`."""

    kind: FaultKind
    place: str
    """`tenant/meter`."""
    start_us: int
    """[us UTC]"""
    stop_us: int
    quantity: str | None = None
    """Which channel; None: all of the meter that it can befall."""
    size: float | None = None
    """What it means is told at the kind; None: what is usual there."""

    def __post_init__(self) -> None:
        if self.stop_us <= self.start_us:
            raise InputError(
                f"fault {self.kind.value} of {self.place}: it ends at {to_datetime(self.stop_us)}, "
                f"not after it begins at {to_datetime(self.start_us)}"
            )

    @property
    def amount(self) -> float:
        """The size, or the usual one of the kind."""
        return _USUAL_SIZE.get(self.kind, 0.0) if self.size is None else self.size

    def holds(self, at_us: int) -> bool:
        """Whether a report read at a time is befallen."""
        if self.kind is FaultKind.ROLLOVER:
            return True
        return self.start_us <= at_us and (at_us < self.stop_us or self.kind in _FOR_GOOD)


def schedule(
    places: Sequence[str], *, seed: int, start_us: int, stop_us: int, per_day: float, hours: float = 1.0
) -> tuple[Fault, ...]:
    """
    Faults spread over a stretch of time, the same for the same seed wherever the stretch is cut by days.

    Parameters
    ----------
    places : sequence of str
        Meters, `tenant/meter`.
    seed : int
    start_us, stop_us : int [us UTC]
        Faults that begin on a UTC day of which any part lies inside.
    per_day : float
        How many faults all meters together have on a day, on average.
    hours : float [h]
        Mean length of one.

    Returns
    -------
    tuple of Fault
        In order of time. No resets or rollovers, which change a register for good.
    """
    faults: list[Fault] = []
    for day in range(start_us // DAY_US, -(-stop_us // DAY_US)):
        dice = np.random.default_rng([key_hash(seed, "faults"), day])
        for _ in range(int(dice.poisson(per_day))):
            begin_us = day * DAY_US + int(dice.integers(24 * 60)) * 60 * SECOND_US
            length_us = min(max(int(dice.exponential(hours) * HOUR_US), 60 * SECOND_US), LONGEST_US)
            kind = _IN_SCHEDULES[int(dice.integers(len(_IN_SCHEDULES)))]
            place = places[int(dice.integers(len(places)))]
            faults.append(Fault(kind=kind, place=place, start_us=begin_us, stop_us=begin_us + length_us))
    return tuple(sorted(faults, key=lambda fault: (fault.start_us, fault.place, fault.kind)))


def with_faults(park: SimulatedPark, reports: Iterable[Report], faults: Sequence[Fault]) -> tuple[Outgoing, ...]:
    """
    Messages of reports, with what goes wrong gone wrong.

    Parameters
    ----------
    park : SimulatedPark
        Which made the reports.
    reports : iterable of Report
    faults : sequence of Fault
        Where several befall one report, all do, in this order.

    Returns
    -------
    tuple of Outgoing
        In the order of sending; without faults, one message a report.
    """
    sent = [outgoing for report in reports for outgoing in _sent(park, report, _befalling(report, faults))]
    return tuple(sorted(sent, key=lambda outgoing: (outgoing.due_us, outgoing.topic)))


def _befalling(report: Report, faults: Sequence[Fault]) -> list[Fault]:
    return [fault for fault in faults if fault.place == report.place and fault.holds(report.ts_us)]


def _sent(park: SimulatedPark, report: Report, faults: Sequence[Fault]) -> Iterator[Outgoing]:
    if any(fault.kind is FaultKind.GAP for fault in faults):
        return
    told, copies, broken = report, 1, False
    for fault in faults:
        told = _told(park, told, report.ts_us, fault)
        copies = int(fault.amount) if fault.kind is FaultKind.DUPLICATE else copies
        broken = broken or fault.kind is FaultKind.BROKEN
    outgoing = replace(message(park.key, told), read_us=report.ts_us)
    if broken:
        outgoing = replace(outgoing, payload=_BREAKS[_turn(park, report) % len(_BREAKS)](outgoing.payload))
    yield from [outgoing] * copies


def _turn(park: SimulatedPark, report: Report) -> int:
    """Which report of its meter this is, counted from the park's beginning."""
    shortest_s = min(park.channel(report.place, quantity).entry.interval_s for quantity in report.values)
    return (report.ts_us - park.start_us) // (shortest_s * SECOND_US)


def _told(park: SimulatedPark, told: Report, read_us: int, fault: Fault) -> Report:
    if fault.kind is FaultKind.OUT_OF_ORDER and _turn(park, told) % 2:
        return replace(told, due_us=told.due_us + int(fault.amount * SECOND_US))
    if fault.kind is FaultKind.LATE:
        # A microsecond for each second keeps the order of reading.
        return replace(told, due_us=fault.stop_us + (read_us - fault.start_us) // SECOND_US)
    if fault.kind is FaultKind.CLOCK:
        return replace(told, ts_us=told.ts_us + int(fault.amount * SECOND_US))
    change = _CHANGES.get(fault.kind)
    if change is None:
        return told
    return replace(
        told,
        values={
            quantity: change(park, replace(told, ts_us=read_us), quantity, fault)
            if fault.quantity in (None, quantity)
            else value
            for quantity, value in told.values.items()
        },
    )


def _jitter(park: SimulatedPark, report: Report, quantity: str, fault: Fault) -> float:
    channel, value = park.channel(report.place, quantity), report.values[quantity]
    if channel.entry.kind is not Kind.REGISTER or _turn(park, report) % 2 == 0:
        return value
    return round(value - fault.amount * channel.entry.resolution / channel.wire_factor, 9)


def _reset(park: SimulatedPark, report: Report, quantity: str, fault: Fault) -> float:
    channel, value = park.channel(report.place, quantity), report.values[quantity]
    if channel.entry.kind is not Kind.REGISTER:
        return value
    return _moved(park, report, quantity, fault) % (channel.modulus / channel.wire_factor)


def _rollover(park: SimulatedPark, report: Report, quantity: str, fault: Fault) -> float:
    channel, value = park.channel(report.place, quantity), report.values[quantity]
    if channel.entry.kind is not Kind.REGISTER or channel.entry.digits is None:
        return value
    return round(_moved(park, report, quantity, fault) % (channel.modulus / channel.wire_factor), 9)


def _moved(park: SimulatedPark, report: Report, quantity: str, fault: Fault) -> float:
    """How far a register moved since the fault began."""
    return round(report.values[quantity] - park.value(report.place, quantity, fault.start_us), 9)


def _frozen(park: SimulatedPark, report: Report, quantity: str, fault: Fault) -> float:
    channel, value = park.channel(report.place, quantity), report.values[quantity]
    return park.value(report.place, quantity, fault.start_us) if channel.entry.kind is Kind.GAUGE else value


def _spike(park: SimulatedPark, report: Report, quantity: str, fault: Fault) -> float:
    value = report.values[quantity]
    hit = key_hash(_turn(park, report), report.place, quantity) % _SPIKE_EVERY == 0
    return round(value * fault.amount, 9) if hit else value


def _slug(park: SimulatedPark, report: Report, quantity: str, fault: Fault) -> float:
    channel, value = park.channel(report.place, quantity), report.values[quantity]
    if channel.entry.kind is not Kind.GAUGE:
        return value
    at_first = park.value(report.place, quantity, fault.start_us)
    if fault.size is None:
        return round(_USUAL_SLUG * value, 9)
    # A gauge that stood at nothing has no course to follow.
    return round(fault.size * value / at_first if at_first else fault.size, 9)


_CHANGES: Mapping[FaultKind, Callable[[SimulatedPark, Report, str, Fault], float]] = {
    FaultKind.JITTER: _jitter,
    FaultKind.RESET: _reset,
    FaultKind.ROLLOVER: _rollover,
    FaultKind.FROZEN: _frozen,
    FaultKind.SPIKE: _spike,
    FaultKind.SLUG: _slug,
}


def _without(payload: bytes, field: str) -> bytes:
    fields = json.loads(payload)
    del fields[field]
    return json.dumps(fields).encode()


def _with(payload: bytes, field: str, value: object) -> bytes:
    return json.dumps({**json.loads(payload), field: value}).encode()


def _with_every_value(payload: bytes, value: object) -> bytes:
    return _with(payload, "values", dict.fromkeys(json.loads(payload)["values"], value))


_BREAKS: tuple[Callable[[bytes], bytes], ...] = (
    lambda payload: payload[: len(payload) // 2],
    lambda payload: b"\xff\xfe" + payload,
    lambda payload: _without(payload, "ts"),
    lambda payload: _without(payload, "values"),
    lambda payload: _with(payload, "ts", "2026-01-01 00:00:00"),
    lambda payload: _with(payload, "ts", "soon"),
    lambda payload: _with(payload, "values", [1, 2, 3]),
    lambda payload: _with_every_value(payload, "12.5"),
    lambda payload: _with_every_value(payload, None),
    lambda payload: _with_every_value(payload, float("nan")),
    lambda payload: _with_every_value(payload, 10**400),
    lambda payload: _with(payload, "units", dict.fromkeys(json.loads(payload)["values"], "parsec")),
    lambda payload: _with(payload, "values", {"no_such_quantity": 1.0}),
    lambda payload: payload + b"}",
    lambda _: b"",
)
"""Ways in which no value of a payload can be read."""
