"""What a register's device shows, from one exchange to the next, and what is wrong with it, in sentences."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC

from domain.registry import Channel, Exchange
from domain.time import to_datetime

__all__ = ["Dial", "dial_at", "dial_mistakes", "exchange_mistakes"]

_HOUR_S = 3600
_ROLLOVER_SHARE = 0.1
"""A register rolls over only from above 0.9 of its modulus (KPI catalogue), so one interval may cover at most the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dial:
    """How a register counts."""

    interval_s: int
    """How often it is read. [s]"""
    resolution: float
    """[unit]"""
    modulus: float | None
    """Where it starts again from zero; None: never. [unit]"""
    max_rate: float | None
    """[unit per hour]"""

    @classmethod
    def of(cls, channel: Channel) -> "Dial":
        """That of a channel's first device."""
        return cls(
            interval_s=channel.interval_s,
            resolution=channel.resolution,
            modulus=channel.modulus,
            max_rate=channel.max_rate,
        )

    def after(self, exchange: Exchange) -> "Dial":
        """That of the device put up in place of this one: what the exchange does not say is as before."""
        said = {
            name: value
            for name in ("modulus", "resolution", "max_rate")
            if (value := getattr(exchange, name)) is not None
        }
        return replace(self, **said)


def dial_at(dial: Dial, exchanges: Iterable[Exchange], instant_us: int) -> Dial:
    """The dial in force just before an instant, of a register whose exchanges are given in order of time."""
    for exchange in exchanges:
        if exchange.at_us < instant_us:
            dial = dial.after(exchange)
    return dial


def dial_mistakes(what: str, dial: Dial) -> Iterator[str]:
    """What of a dial contradicts itself."""
    at_once = (dial.max_rate or 0.0) * dial.interval_s / _HOUR_S
    if dial.max_rate is not None and at_once < dial.resolution:
        yield (
            f"{what}: one step of its resolution {dial.resolution:g} is more than max_rate {dial.max_rate:g} allows in "
            f"one interval_s ({at_once:g}), so every step would look implausible; raise interval_s or max_rate"
        )
    if dial.modulus is None:
        return
    if dial.resolution >= dial.modulus:
        yield f"{what}: resolution {dial.resolution:g} is not below {dial.modulus:g}, where the register starts again from zero"
    if at_once > _ROLLOVER_SHARE * dial.modulus:
        yield (
            f"{what}: at max_rate {dial.max_rate:g} it moves {at_once:g} in one interval_s, more than a tenth of "
            f"{dial.modulus:g}, where it starts again from zero: a rollover could not be told; give it more digits or a shorter interval_s"
        )


def exchange_mistakes(what: str, before: Dial, exchange: Exchange) -> Iterator[str]:
    """What is wrong with an exchange, given the dial of the device taken down."""
    moment = to_datetime(exchange.at_us).astimezone(UTC).isoformat()
    after = before.after(exchange)
    for name, index, modulus in (
        ("closing", exchange.closing, before.modulus),
        ("opening", exchange.opening, after.modulus),
    ):
        if modulus is not None and not 0 <= index < modulus:
            yield f"{what}: {name} {index:g} of the exchange at {moment} is not within 0 and {modulus:g}"
    if after != before:
        yield from dial_mistakes(f"{what}: after the exchange at {moment}", after)
