"""What is wrong with the channels of a park file, in sentences: quantity, kind, unit, register, dates."""

from collections import Counter
from collections.abc import Iterator

from domain.dials import Dial, dial_mistakes, exchange_mistakes
from domain.errors import UnitError
from domain.parkentries import ChannelEntry, Life, life_of
from domain.quantities import QUANTITIES
from domain.registry import Kind, Stamp, Statistic
from domain.units import conversion_factor

__all__ = ["channel_mistakes", "dates_mistakes"]

_DAY_S = 86400


def dates_mistakes(what: str, own: Life, outer: Life, outer_name: str) -> Iterator[str]:
    """Whether a time ends after it begins, and lies within that of what it belongs to."""
    if own.stop is not None and own.stop <= own.start:
        yield f"{what}: valid_to {own.stop.isoformat()} is not after valid_from {own.start.isoformat()}"
    elif not own.within(outer):
        yield f"{what}: its time {own} is not within that of {outer_name}, {outer}"


def channel_mistakes(key: str, channel: ChannelEntry, outer: Life) -> Iterator[str]:
    """What is wrong with one channel, by its key `tenant/meter/quantity` and the time of its meter."""
    what = f"channel {key}"
    life = life_of(channel, outer)
    yield from dates_mistakes(what, life, outer, "its meter")
    quantity = QUANTITIES.get(channel.quantity)
    if quantity is None:
        known = ", ".join(key for key in QUANTITIES if not key.startswith("load_"))
        yield f"{what}: quantity {channel.quantity!r} is not known; known are {known}"
        return
    if channel.quantity.startswith("load_") or channel.kind is Kind.PRODUCT:
        yield f"{what}: pollutant loads are made by the engine from concentration and flow; leave the channel out"
        return
    for unit in dict.fromkeys([channel.unit, *(entry.unit for entry in channel.units)]):
        if unit is not None:
            yield from _unit(what, unit, quantity.unit)
    yield from _kind(what, channel, stock=quantity.stock, rate=quantity.integral is not None)
    yield from _register(what, channel)
    yield from _dated(what, channel, life)


def _unit(what: str, unit: str, canonical: str) -> Iterator[str]:
    try:
        conversion_factor(unit, canonical)
    except UnitError as error:
        yield f"{what}: {error}"


def _kind(what: str, channel: ChannelEntry, *, stock: bool, rate: bool) -> Iterator[str]:
    kind, unit = channel.kind, QUANTITIES[channel.quantity].unit
    if stock and kind is Kind.GAUGE:
        yield f"{what}: kind 'gauge' does not fit an amount ({unit}); use 'register' or 'interval'"
    if not stock and kind in (Kind.REGISTER, Kind.INTERVAL):
        yield f"{what}: kind {kind.value!r} needs an amount like kWh or m3, {channel.quantity} is in {unit}; use 'gauge'"
    if channel.statistic is Statistic.MEAN and kind is not Kind.GAUGE:
        yield f"{what}: statistic 'mean' belongs to gauges; leave it out of a channel of kind {kind.value!r}"
    covers = kind is Kind.INTERVAL or (kind is Kind.GAUGE and channel.statistic is Statistic.MEAN)
    if channel.stamp is Stamp.END and not covers:
        yield f"{what}: stamp 'end' belongs to values that cover an interval (kind 'interval', or statistic 'mean'); leave it out"
    if channel.max_rate is not None and not (stock or rate):
        yield f"{what}: max_rate {channel.max_rate:g} means nothing for {channel.quantity}, which is no amount and no flow; leave it out"
    if _DAY_S % channel.interval_s and channel.interval_s % _DAY_S:
        yield f"{what}: interval_s {channel.interval_s} must divide a day (86400 s) or be whole days, so that slots begin at the same clock times"


def _register(what: str, channel: ChannelEntry) -> Iterator[str]:
    if channel.kind is not Kind.REGISTER:
        for field in ("digits", "exchanges"):
            if getattr(channel, field):
                yield f"{what}: {field} belong to registers; leave them out of a channel of kind {channel.kind.value!r}"
        return
    if channel.max_rate is None:
        yield f"{what}: a register needs max_rate, the largest plausible rate in {QUANTITIES[channel.quantity].unit} per hour"
    if channel.resolution <= 0:
        yield f"{what}: a register needs a resolution above 0, the smallest step it shows"
    dial = Dial(
        interval_s=channel.interval_s,
        resolution=channel.resolution,
        modulus=channel.modulus,
        max_rate=channel.max_rate,
    )
    yield from dial_mistakes(what, dial)
    for entry in sorted(channel.exchanges, key=lambda one: one.at):
        exchange = entry.as_fact()
        if entry.digits is None and entry.digit_value != 1:
            yield f"{what}: the exchange at {entry.at.isoformat()} has a digit_value and no digits; give the digits of the new register"
        yield from exchange_mistakes(what, dial, exchange)
        dial = dial.after(exchange)


def _dated(what: str, channel: ChannelEntry, life: Life) -> Iterator[str]:
    for name, moments in (
        ("multiplier", [entry.valid_from for entry in channel.multipliers]),
        ("exchange", [entry.at for entry in channel.exchanges]),
        ("unit", [entry.valid_from for entry in channel.units]),
    ):
        for moment, count in Counter(moments).items():
            if count > 1:
                yield f"{what}: {count} {name}s stand at {moment.isoformat()}; give one per time"
            if not life.holds(moment):
                yield f"{what}: the {name} at {moment.isoformat()} is not within the channel's time, {life}"
