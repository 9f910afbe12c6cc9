"""The registry: which parks, tenants, meters and channels there are, as frozen values.

A :class:`Registry` is what the database knows of one park at one version. Everything in it
is dated; `valid_to_us` is None while something still holds. Ids are the database's, keys are
the world's.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from zoneinfo import ZoneInfo

from domain.alarmrules import AlarmRule
from domain.alarms import Authority
from domain.notifications import Contact
from domain.references import References

__all__ = [
    "OPERATOR",
    "Channel",
    "ComplianceRule",
    "Exchange",
    "Kind",
    "Meter",
    "MeterRole",
    "Multiplier",
    "Outage",
    "Park",
    "Registry",
    "RuleStatistic",
    "RuleWindow",
    "Stamp",
    "Statistic",
    "Tenant",
    "WireUnit",
]

OPERATOR = "_park"
"""Key of the tenant that stands for the park's operator (common use, treatment plant, bulk meters)."""


class Kind(StrEnum):
    """What the values of a channel are."""

    REGISTER = "register"
    """A cumulative index."""
    INTERVAL = "interval"
    """The amount of one interval."""
    GAUGE = "gauge"
    """A value that holds for a time."""
    EVENT = "event"
    """Something that happened; kept, and used for no amount."""
    PRODUCT = "product"
    """Made by the engine from two other channels (concentration x flow); never published."""


class Stamp(StrEnum):
    """Which end of its interval the source stamps; ingest turns `end` into `start`."""

    START = "start"
    END = "end"


class Statistic(StrEnum):
    """What one value of a gauge says about its interval."""

    INSTANT = "instant"
    MEAN = "mean"


class MeterRole(StrEnum):
    """The part a meter plays in the balances of its park."""

    SUPPLY = "supply"
    USE = "use"
    GENERATION = "generation"
    EXPORT = "export"
    DISCHARGE = "discharge"
    """Tenant to sewer."""
    INLET = "inlet"
    """Sewer to treatment plant."""
    OUTLET = "outlet"
    """Treatment plant to river: a compliance point."""
    REUSE = "reuse"


class RuleStatistic(StrEnum):
    """What of a window is compared with the limit."""

    INSTANT = "instant"
    """Every value that held must be within the limits."""
    MEAN = "mean"
    """Over time."""
    FLOW_WEIGHTED_MEAN = "flow_weighted_mean"
    """Of a concentration: what passed over the volume it passed with, of base intervals in which both were measured throughout."""
    P95 = "p95"
    """95th percentile of the means of base intervals."""
    MIN = "min"
    MAX = "max"
    SUM = "sum"
    """Of a flow or volume: what passed in the window; its measured part stands for the whole."""
    RANGE = "range"
    """Both the lowest and the highest value must be inside (pH, which is never averaged)."""


class RuleWindow(StrEnum):
    """The window a compliance rule judges, clock-aligned in park-local time."""

    BASE = "base"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True, kw_only=True)
class Park:
    """An industrial estate."""

    id: int
    key: str
    name: str
    zone: ZoneInfo
    base_s: int
    """Length of the base interval: 300, 900, 1800 or 3600. [s]"""
    lateness_s: int
    """How long after its end an interval stays provisional. [s]"""
    version: int
    """Raised at every change of the registry."""
    ticked_to_us: int | None = None
    """Every base interval that ended by then is final; None before the first tick. [us UTC]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """A resident firm, or the operator (`_park`)."""

    id: int
    key: str
    name: str
    sector: str | None
    valid_from_us: int
    valid_to_us: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which a meter is out of service: nothing is expected of it."""

    from_us: int
    to_us: int | None
    """None: until further notice."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """A metering point: a place in the contract. It outlives the devices mounted on it."""

    id: int
    tenant_id: int
    key: str
    name: str
    role: MeterRole
    parent_id: int | None
    """The meter upstream of this one in the same network."""
    demand_block_s: int
    """Length of the block over which demand is taken; a multiple of the park's base interval, at most 3600. [s]"""
    error_share: float
    """Relative error of the meter, for the error band of balances. [0..1]"""
    valid_from_us: int
    valid_to_us: int | None
    outages: tuple[Outage, ...] = ()
    """In order of time; those of one meter do not overlap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiplier:
    """The factor (CT, PT, pulse weight) between a device's own index and the canonical unit."""

    from_us: int
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A device taken down and another put up, with both readings at that moment. [unit of the channel]"""

    at_us: int
    closing: float
    opening: float
    modulus: float | None = None
    """Where the new register starts again from zero; None: as before. [unit]"""
    resolution: float | None = None
    """The smallest step that the new device shows; None: as before. [unit]"""
    max_rate: float | None = None
    """Largest plausible rate of the new device; None: as before. [unit per hour]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireUnit:
    """The unit in which a source publishes, from a moment on."""

    from_us: int
    unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One quantity of one meter."""

    id: int
    meter_id: int
    key: str
    """`park/tenant/meter/quantity`."""
    quantity: str
    kind: Kind
    unit: str
    """Canonical unit of the stored values."""
    interval_s: int
    """How often a reading is expected; for intervals and means, what each value covers. [s]"""
    stamp: Stamp
    statistic: Statistic
    resolution: float
    """The smallest step the device shows. [unit]"""
    modulus: float | None
    """Where the register starts again from zero; None: never. [unit]"""
    max_rate: float | None
    """Largest plausible rate before the multiplier; registers must have it. [unit per hour]"""
    valid_from_us: int
    valid_to_us: int | None
    multipliers: tuple[Multiplier, ...] = ()
    """In order of time; before the first, and where there is none, the factor is 1."""
    exchanges: tuple[Exchange, ...] = ()
    """In order of time."""
    inputs: tuple[int, int] | None = None
    """For a product: channel ids of (concentration, flow or volume)."""
    wire_unit: str | None = None
    """Unit in which the source publishes where a message names none; None: the canonical one."""
    wire_units: tuple[WireUnit, ...] = ()
    """In order of time; before the first, `wire_unit` holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplianceRule:
    """A limit on one quantity of one compliance point, with the window it is judged over."""

    id: int
    key: str
    channel_id: int
    statistic: RuleStatistic
    window: RuleWindow
    least_valid: float
    """Share of the window that must be measured for it to be judged at all. [0..1]"""
    lowest: float | None
    highest: float | None
    """A window exceeds where it is strictly beyond. [unit of the channel]"""
    legal_basis: str
    confirmed: bool
    valid_from_us: int
    valid_to_us: int | None
    authority: Authority = Authority.NATIONAL
    """Who set it: of limits alike but for that, the one of the first authority holds."""


@dataclass(frozen=True, kw_only=True)
class Registry:
    """All that is known of one park at one version. Products come after the channels they are made of."""

    park: Park
    tenants: tuple[Tenant, ...]
    meters: tuple[Meter, ...]
    channels: tuple[Channel, ...]
    rules: tuple[ComplianceRule, ...] = ()
    references: References = field(default_factory=References)
    alarm_rules: tuple[AlarmRule, ...] = ()
    """Every dated version, in order of key and time."""
    contacts: tuple[Contact, ...] = ()

    @cached_property
    def tenant_by_id(self) -> MappingProxyType[int, Tenant]:
        """Tenants by database id."""
        return MappingProxyType({tenant.id: tenant for tenant in self.tenants})

    @cached_property
    def meter_by_id(self) -> MappingProxyType[int, Meter]:
        """Meters by database id."""
        return MappingProxyType({meter.id: meter for meter in self.meters})

    @cached_property
    def channel_by_id(self) -> MappingProxyType[int, Channel]:
        """Channels by database id."""
        return MappingProxyType({channel.id: channel for channel in self.channels})

    @cached_property
    def channel_by_key(self) -> MappingProxyType[str, Channel]:
        """Channels by `park/tenant/meter/quantity`."""
        return MappingProxyType({channel.key: channel for channel in self.channels})
