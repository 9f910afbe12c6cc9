"""Shapes of the API's answers; their descriptions are the API's documentation."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "AmountSeries",
    "AmountValue",
    "ChannelAnswer",
    "KpiAnswer",
    "KpiSeries",
    "KpiValue",
    "LedgerRow",
    "LimitAnswer",
    "MeterAnswer",
    "ParkAnswer",
    "ReadingSeries",
    "ReadingValue",
    "ReferenceUsed",
    "RejectionAnswer",
    "TenantAnswer",
    "WithdrawalRequest",
]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class ParkAnswer(_Answer):
    """A park."""

    key: str
    name: str
    timezone: str
    """IANA zone; days, months and years are this zone's."""
    base_s: int
    """Length of the base interval. [s]"""
    lateness_s: int
    """How long after its end an interval stays provisional. [s]"""
    version: int
    """Raised at every change of the registry."""
    final_to: datetime | None
    """Every base interval that ended by then is final."""


class TenantAnswer(_Answer):
    """A resident firm; the key `_park` is the operator."""

    park: str
    key: str
    name: str
    sector: str | None
    valid_from: datetime
    valid_to: datetime | None


class MeterAnswer(_Answer):
    """A metering point."""

    park: str
    tenant: str
    key: str
    subject: str
    """How KPI requests name it."""
    name: str
    role: str
    parent: str | None
    """The meter upstream, as `tenant/meter`; null also where it is not yours to see."""
    demand_block_s: int
    error_share: float
    valid_from: datetime
    valid_to: datetime | None


class LimitAnswer(_Answer):
    """A limit on a channel that a compliance rule judges."""

    rule: str
    statistic: str
    window: str
    lowest: float | None
    highest: float | None
    legal_basis: str
    confirmed: bool
    """Whether somebody read the limit in the document that `legal_basis` names."""


class ChannelAnswer(_Answer):
    """One quantity of one meter."""

    key: str
    """`park/tenant/meter/quantity`."""
    quantity: str
    title: str
    kind: str
    unit: str
    interval_s: int
    """How often a reading is expected. [s]"""
    role: str
    """Role of its meter."""
    valid_from: datetime
    valid_to: datetime | None
    limits: list[LimitAnswer]
    """Limits in force now."""


class ReadingValue(_Answer):
    """A stored reading: what the device said, before the multiplier, and what a correction says instead."""

    ts: datetime
    value: float | None
    """As it was received; null where only a correction stands."""
    quality: list[str]
    """What the source said of it; empty: nothing was wrong."""
    conflict: bool
    """Two different values claim this time; no number uses either, unless a correction chose."""
    corrected: float | None = None
    """The value that numbers are made of in its place; null: nobody gave one."""
    voided: bool = False
    """Whether a correction took it from use."""
    correction: int | None = None
    """The correction that decides here."""


class ReadingSeries(_Answer):
    """Readings of one channel."""

    channel: str
    unit: str
    readings: list[ReadingValue]
    complete: bool
    """Whether these reach to the end of the range; else ask again from the last one on."""
    thinned: bool = False
    """Whether some between them were left out, as `max_points` asked: of each stretch its ends and extremes are here."""


class AmountValue(_Answer):
    """What a channel did in one interval `[start, stop)`."""

    start: datetime
    stop: datetime
    amount: float | None
    """Estimated parts included."""
    amount_unit: str | None
    measured: float | None
    """`amount` without what was estimated."""
    mean: float | None
    low: float | None
    high: float | None
    last: float | None
    unit: str
    """Unit of mean, low, high and last."""
    peak: float | None
    """Greatest mean rate of a wholly measured base interval inside. [unit of the amount per hour]"""
    peak_at: datetime | None
    profile_coverage: float | None
    """Share of the expected time that was measured."""
    total_coverage: float | None
    """The same, gaps that begin and end inside counted as known."""
    estimated_share: float | None
    flags: list[str]
    revision: int
    computed_at: datetime | None


class AmountSeries(_Answer):
    """Amounts of one channel."""

    channel: str
    level: str
    timezone: str
    values: list[AmountValue]


class KpiAnswer(_Answer):
    """An entry of the catalogue."""

    key: str
    title: str
    unit: str
    formula: str
    formula_version: int
    subjects: list[str]
    levels: list[str]
    gate: str
    """Which coverage decides whether there is a value."""
    source: str


class KpiValue(_Answer):
    """A KPI over one interval `[start, stop)`."""

    start: datetime
    stop: datetime
    unit: str
    measured: float | None
    """Over the measured part only, never gated."""
    value: float | None
    """Null, with a reason, where too little is known."""
    estimate: float | None
    """Estimated parts included, not gated."""
    error: float | None
    """Half-width of the error band, for balances."""
    profile_coverage: float | None
    total_coverage: float | None
    estimated_share: float | None
    reason: str | None
    """Why there is no value; null when there is one."""
    peak_at: datetime | None
    """For peaks, the start of the block."""
    flags: list[str]
    revision: int
    computed_at: datetime | None
    formula_version: int | None = None
    """With which it was made and stored; null: that of the series."""
    registry_version: int | None = None
    """As `formula_version`."""


class ReferenceUsed(_Answer):
    """A factor, tariff, contract, formula or limit that numbers are made with."""

    kind: str
    key: str
    id: int
    """Of this version; `/references` shows it whole, limits stand beside their channel."""
    source: str
    confirmed: bool
    """Whether somebody read it in the document that `source` names."""
    valid_from: datetime
    valid_to: datetime | None


class KpiSeries(_Answer):
    """One KPI of one subject."""

    kpi: str
    title: str
    subject: str
    subject_name: str
    level: str
    timezone: str
    formula: str
    formula_version: int
    registry_version: int
    references: list[ReferenceUsed]
    """What of the park's references it is made with, as far as in force in the time that is answered."""
    values: list[KpiValue]


class LedgerRow(_Answer):
    """What became of the values of one source in one hour: `received == stored + duplicate + conflict + rejected`."""

    source: str
    hour: datetime
    messages: int
    received: int
    stored: int
    duplicate: int
    conflict: int
    rejected: int
    reasons: dict[str, int]
    """`rejected`, by reason."""


class RejectionAnswer(_Answer):
    """Something that was set aside."""

    id: int
    message_id: int
    source: str
    topic: str
    place: str
    """Where in the payload; empty: all of it."""
    reason: str
    detail: str
    count: int
    first_at: datetime
    last_at: datetime
    resolved_at: datetime | None


class HealthAnswer(_Answer):
    """Whether the process is up, or what it is waiting for."""

    status: str
    checks: dict[str, Any] = {}
    system: dict[str, str] = {}
    """How ingest, engine and broker are, in words."""


class WithdrawalRequest(BaseModel):
    """Why something that was entered is taken back."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, extra="forbid")

    why: str = Field(max_length=1000, pattern=r"^[^\x00]*$")
    """The reason; it stays with what was taken back."""
