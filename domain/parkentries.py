"""The entries of a park file: the shapes of one document that describes a park.

Frozen values that pydantic checks one by one. What relates two places to each other is
:mod:`domain.parkchecks`; reading a file's text is :mod:`domain.parkfile`, which is what others import.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, ConfigDict, Field

from domain.alarmentries import AlarmEntry, ContactEntry
from domain.alarms import Authority
from domain.registry import Exchange, Kind, MeterRole, RuleStatistic, RuleWindow, Stamp, Statistic
from domain.shapes import Finite, Key, Positive, Shape
from domain.time import from_datetime

__all__ = [
    "ChannelEntry",
    "DeviceEntry",
    "ExchangeEntry",
    "Life",
    "MeterEntry",
    "MultiplierEntry",
    "OutageEntry",
    "ParkEntry",
    "ParkFile",
    "RuleEntry",
    "TenantEntry",
    "UnitEntry",
    "life_of",
    "modulus_of",
    "starts",
]


def modulus_of(digits: int | None, digit_value: float) -> float | None:
    """Where a register of so many digits starts again from zero; None where their number is not said. [canonical unit]"""
    return None if digits is None else 10.0**digits * digit_value


class MultiplierEntry(Shape):
    """The factor between the device's own index and the canonical unit, from a moment on."""

    valid_from: AwareDatetime
    factor: Positive


class ExchangeEntry(Shape):
    """A device taken down and another put up, with both readings of this channel at that moment."""

    at: AwareDatetime
    closing: Finite
    opening: Finite
    digits: int | None = Field(default=None, ge=1, le=15)
    """Digits of the new register, in steps of `digit_value`; None: it starts again where the one before did."""
    digit_value: Positive = 1.0
    """What one count of the lowest digit means. [canonical unit]"""
    resolution: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    """The smallest step the new device shows; None: as before. [canonical unit]"""
    max_rate: Positive | None = None
    """Largest plausible rate of the new device, before the multiplier; None: as before. [canonical unit per hour]"""

    @property
    def modulus(self) -> float | None:
        """Where the new register starts again from zero; None: as before. [canonical unit]"""
        return modulus_of(self.digits, self.digit_value)

    def as_fact(self) -> Exchange:
        """The exchange as the registry has it."""
        return Exchange(
            at_us=from_datetime(self.at),
            closing=self.closing,
            opening=self.opening,
            modulus=self.modulus,
            resolution=self.resolution,
            max_rate=self.max_rate,
        )


class UnitEntry(Shape):
    """The unit in which the source publishes, from a moment on; only its factor is applied."""

    valid_from: AwareDatetime
    unit: str


class OutageEntry(Shape):
    """A time in which the meter is out of service: nothing is expected of it."""

    valid_from: AwareDatetime
    valid_to: AwareDatetime | None = None
    """None: until further notice."""
    reason: str = Field(min_length=1, max_length=500)


class DeviceEntry(Shape):
    """A device on the meter from one time to another."""

    serial: str = Field(min_length=1, max_length=100)
    valid_from: AwareDatetime
    valid_to: AwareDatetime | None = None


class ChannelEntry(Shape):
    """One quantity of a meter."""

    quantity: str
    """A key of the quantity table, for example `energy_import`."""
    kind: Kind
    unit: str | None = None
    """Unit in which the source publishes, where it is not the canonical one; only its factor is applied."""
    interval_s: int = Field(gt=0, le=32 * 86400)
    """How often a reading is expected; for intervals and means, what each value covers. [s]"""
    stamp: Stamp = Stamp.START
    statistic: Statistic = Statistic.INSTANT
    resolution: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    """The smallest step the device shows. [canonical unit]"""
    digits: int | None = Field(default=None, ge=1, le=15)
    """Digits of the register before it starts again at zero, in steps of `digit_value`."""
    digit_value: Positive = 1.0
    """What one count of the lowest digit means. [canonical unit]"""
    max_rate: Positive | None = None
    """Largest plausible rate, before the multiplier; registers must have it. [canonical unit per hour]"""
    valid_from: AwareDatetime | None = None
    """None: as long as the meter."""
    valid_to: AwareDatetime | None = None
    multipliers: tuple[MultiplierEntry, ...] = ()
    exchanges: tuple[ExchangeEntry, ...] = ()
    units: tuple[UnitEntry, ...] = ()
    """Before the first, `unit` holds."""

    @property
    def modulus(self) -> float | None:
        """Where the register starts again from zero; None: never. [canonical unit]"""
        return modulus_of(self.digits, self.digit_value)


class MeterEntry(Shape):
    """A metering point."""

    key: Key
    name: str = Field(min_length=1, max_length=200)
    role: MeterRole
    parent: str | None = None
    """`tenant/meter` of the meter upstream."""
    demand_block_s: int | None = None
    """None: the park's base interval. [s]"""
    error_share: float = Field(default=0.02, ge=0, le=1)
    valid_from: AwareDatetime | None = None
    """None: as long as the tenant."""
    valid_to: AwareDatetime | None = None
    devices: tuple[DeviceEntry, ...] = ()
    outages: tuple[OutageEntry, ...] = ()
    channels: tuple[ChannelEntry, ...] = Field(min_length=1)


class TenantEntry(Shape):
    """A resident firm; the key `_park` stands for the operator."""

    key: Key
    name: str = Field(min_length=1, max_length=200)
    sector: str | None = None
    valid_from: AwareDatetime | None = None
    """None: as long as the park."""
    valid_to: AwareDatetime | None = None
    meters: tuple[MeterEntry, ...] = ()


class RuleEntry(Shape):
    """A limit on one quantity of one compliance point."""

    key: Key
    meter: str
    """`tenant/meter` of the compliance point."""
    quantity: str
    statistic: RuleStatistic
    window: RuleWindow
    least_valid: float = Field(default=0.75, ge=0, le=1)
    lowest: Finite | None = None
    highest: Finite | None = None
    legal_basis: str = Field(min_length=1, max_length=500)
    confirmed: bool = False
    """Whether somebody read the limit in the document that `legal_basis` names."""
    authority: Authority = Authority.NATIONAL
    """Who set it: `permit`, `estate` or `national`. Of limits of one channel with the same statistic and window, the first of these holds."""
    valid_from: AwareDatetime | None = None
    valid_to: AwareDatetime | None = None


class ParkEntry(Shape):
    """The park itself."""

    key: Key
    name: str = Field(min_length=1, max_length=200)
    timezone: str
    """IANA zone, for example `Asia/Jakarta`."""
    base_minutes: Literal[5, 15, 30, 60] = 15
    lateness_minutes: int = Field(default=10, ge=0, le=7 * 24 * 60)
    """How long after its end an interval stays provisional. [min]"""
    valid_from: AwareDatetime
    """From when readings are taken; everything below that says no other time starts then."""


class ParkFile(Shape):
    """A park, its tenants, their meters and channels, its compliance rules, its alarms and who is told of them.

    In a file, fields of the topmost level that begin with `x-` may hold anything: they are the place
    for YAML anchors, and are left out before the rest is read.
    """

    model_config = ConfigDict(json_schema_extra={"patternProperties": {"^x-": {}}})

    park: ParkEntry
    tenants: tuple[TenantEntry, ...] = ()
    rules: tuple[RuleEntry, ...] = ()
    alarms: tuple[AlarmEntry, ...] = ()
    contacts: tuple[ContactEntry, ...] = ()


def starts(own: datetime | None, above: datetime) -> datetime:
    """When something begins that says nothing of its own: with what it belongs to."""
    return above if own is None else own


@dataclass(frozen=True, slots=True)
class Life:
    """From when to when something is there; no `stop`: still."""

    start: datetime
    stop: datetime | None

    def within(self, outer: "Life") -> bool:
        """Whether all of it lies inside `outer`."""
        return self.start >= outer.start and (outer.stop is None or (self.stop is not None and self.stop <= outer.stop))

    def holds(self, moment: datetime) -> bool:
        """Whether `moment` lies inside; the stop does not."""
        return self.start <= moment and (self.stop is None or moment < self.stop)

    def __str__(self) -> str:
        return f"{self.start.isoformat()} to {'open' if self.stop is None else self.stop.isoformat()}"


def life_of(entry: TenantEntry | MeterEntry | ChannelEntry | RuleEntry, outer: Life) -> Life:
    """When an entry is there; what it does not say it has from what it belongs to."""
    return Life(starts(entry.valid_from, outer.start), outer.stop if entry.valid_to is None else entry.valid_to)
