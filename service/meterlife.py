"""Entering the life of a meter, for commands and routes alike: what is found wrong is told at once, what is odd afterwards."""

from collections.abc import Sequence

from domain.errors import InputError
from domain.meterlife import (
    DeviceEntry,
    ExchangeEntry,
    LifeEntry,
    Neighbours,
    OutageEntry,
    UnitEntry,
    exchange_warnings,
    life_mistakes,
)
from domain.registry import Channel, Meter, Registry
from domain.time import to_datetime

__all__ = ["channel_of", "checked", "find_meter", "odd"]


def find_meter(registry: Registry, tenant: str, meter: str) -> Meter | None:
    """A meter by the keys of its tenant and its own; None where the registry has none."""
    return next(
        (one for one in registry.meters if one.key == meter and registry.tenant_by_id[one.tenant_id].key == tenant),
        None,
    )


def checked(
    registry: Registry, meter: Meter, entries: Sequence[LifeEntry], *, now_us: int, replace: bool
) -> Sequence[LifeEntry]:
    """
    The same entries, checked whole.

    Raises
    ------
    InputError
        Something is wrong with them; all of it is named, and nothing was changed.
    """
    if not entries:
        raise InputError("there is nothing to enter; give at least one channel")
    mistakes = life_mistakes(registry, meter, entries, now_us=now_us, replace=replace)
    if mistakes:
        raise InputError("; ".join(mistakes))
    return entries


def channel_of(registry: Registry, meter: Meter, entry: LifeEntry) -> Channel | None:
    """The channel that a checked entry is about; None where it is about the whole meter."""
    if isinstance(entry, DeviceEntry | OutageEntry):
        return None
    return next(one for one in registry.channels if (one.meter_id, one.quantity) == (meter.id, entry.quantity))


def odd(registry: Registry, channel: Channel, entry: LifeEntry, near: Neighbours) -> tuple[str, ...]:
    """
    What looks odd about an entry beside the readings stored around its moment; it is entered all the same.

    Another unit counts for what comes in: what is stored already stays as it was brought in.
    """
    zone = registry.park.zone
    if isinstance(entry, ExchangeEntry):
        return exchange_warnings(channel, entry.exchange, near, zone)
    if not isinstance(entry, UnitEntry) or near.after is None:
        return ()
    first = to_datetime(near.after[0]).astimezone(zone).isoformat()
    sentence = (
        f"channel {channel.key}: readings from {first} on are stored already, by the unit that was known when they came "
        "in; a multiplier (and for a register an exchange, from the old index to the new) over their time mends the amounts"
    )
    return (sentence,)
