"""What a meter says at one time, and the message it says it in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

__all__ = ["Outgoing", "Report", "batched", "message", "topic"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The values of one meter at one time."""

    place: str
    """`tenant/meter`."""
    ts_us: int
    """What the meter's clock says. [us UTC]"""
    due_us: int
    """When it is sent. [us UTC]"""
    values: Mapping[str, float]
    """By quantity, in the unit of `units`, else the canonical one."""
    units: Mapping[str, str]
    """Units of those values that do not come in the canonical one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to be published."""

    topic: str
    payload: bytes
    due_us: int
    """When it is sent in the time of its data; what replaying at a speed factor goes by. [us UTC]"""
    read_us: int
    """When the first reading in it was taken. [us UTC]"""


def topic(park: str, place: str) -> str:
    """Topic of a meter, by the key of its park and its place `tenant/meter`."""
    return f"kawasan/v1/{park}/{place}"


def _fields(report: Report) -> dict[str, object]:
    fields: dict[str, object] = {"ts": report.ts_us // 1000, "values": dict(report.values)}
    if report.units:
        fields["units"] = dict(report.units)
    return fields


def message(park: str, report: Report) -> Outgoing:
    """One report in one message. Times go as integer milliseconds, so they must be whole ones."""
    return Outgoing(
        topic=topic(park, report.place),
        payload=msgspec.json.encode(_fields(report)),
        due_us=report.due_us,
        read_us=report.ts_us,
    )


def batched(park: str, reports: Sequence[Report]) -> Outgoing:
    """Several reports of one meter in one message, as a gateway sends what it stored; at least one."""
    payload = msgspec.json.encode({"readings": [_fields(report) for report in reports]})
    return Outgoing(
        topic=topic(park, reports[0].place),
        payload=payload,
        due_us=max(report.due_us for report in reports),
        read_us=min(report.ts_us for report in reports),
    )
