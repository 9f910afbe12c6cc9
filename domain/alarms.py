"""Alarms: their rules, what rules are held against, episodes, states and transitions, as frozen values and columns.

::

    rule        what is watched and when it is beyond; written for one target, or for each of many
    watch       one dated version of one rule on one target, as the engine evaluates it
    sample      one value of a watch with the time it stands for: a reading, a window, an age at a tick
    judgement   the verdict of one sample
    episode     one continuous exceedance, however many samples it spans
    alarm       what people deal with: one for each rule and target, with its state
    transition  one step of an alarm in its journal, which is only ever added to

Judgements and episodes are pure functions of readings, corrections, registry rows and ticks. States and transitions are
a record of what was known when, and of what people did.
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, SmallArray, Subject, check_lengths
from domain.time import IntArray, Level

__all__ = [
    "OPEN_US",
    "Act",
    "AlarmState",
    "Alignment",
    "Authority",
    "Category",
    "EpisodeFrame",
    "Inhibit",
    "Phase",
    "SampleFrame",
    "Schedule",
    "Severity",
    "Signal",
    "Source",
    "Standing",
    "Status",
    "Step",
    "Suppression",
    "Tell",
    "Texts",
    "Transition",
    "Watch",
    "WindowStatistic",
]

BoolArray = NDArray[np.bool_]
OPEN_US = int(np.iinfo(np.int64).max)
"""Stands for the end of what has not ended. [us UTC]"""


class Category(StrEnum):
    """What an alarm is about; they are never mixed."""

    EXCEEDANCE = "exceedance"
    """A limit of a compliance point is exceeded: an officer answers for it."""
    WARNING = "warning"
    """It is likely to be, or a value of operation is out of its bounds."""
    DATA_QUALITY = "data_quality"
    """What is measured cannot be trusted: frozen, drifting, implausible."""
    DEVICE = "device"
    """A device or gateway is silent."""
    SYSTEM = "system"
    """Of this system itself: ingest lag, disk."""


class Severity(IntEnum):
    """How much it matters. Higher is worse."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def key(self) -> str:
        """As it stands in files and the API."""
        return self.name.lower()


class Authority(StrEnum):
    """Who set a limit. Of several in force for one quantity of one point, the first here decides."""

    PERMIT = "permit"
    ESTATE = "estate"
    NATIONAL = "national"


class Signal(StrEnum):
    """What a rule watches."""

    VALUE = "value"
    """Readings of a gauge, each or over a window. [unit of the channel]"""
    AMOUNT = "amount"
    """What a channel adds up to in a window of base intervals. [unit of the channel]"""
    RATE = "rate"
    """How fast a gauge changes, over `window_s`. [unit of the channel per hour]"""
    KPI = "kpi"
    """A KPI of a subject at a level; running: of the open interval so far. [unit of the KPI]"""
    COMPLIANCE = "compliance"
    """The limit in force of a compliance point, with its own statistic and window. [unit of the channel]"""
    SILENCE = "silence"
    """Time since the newest reading of a channel, a meter (device) or a tenant (gateway), at each tick. [s]"""
    FINDING = "finding"
    """Whether a check found something: 1 from its start to its stop, else 0. [1]"""
    HEALTH = "health"
    """A measurement of this system: `ingest_lag` [s], `disk_free` [0..1], `engine_lag` [s], `queue_rows` [1]."""


class WindowStatistic(StrEnum):
    """What of a window is compared."""

    MEAN = "mean"
    FLOW_WEIGHTED_MEAN = "flow_weighted_mean"
    P95 = "p95"
    MIN = "min"
    MAX = "max"
    SUM = "sum"
    RANGE = "range"
    """Both the least and the greatest value must be inside."""


class Alignment(StrEnum):
    """Where windows lie."""

    CLOCK = "clock"
    """Cut from local midnight on; days and months local."""
    ROLLING = "rolling"
    """One that ends at each reading (shorter than a base interval) or at each base interval."""
    RUNNING = "running"
    """The clock window so far, at each reading or base interval: early warning, never a final verdict of the window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a watch takes its values from; what does not apply is None."""

    signal: Signal
    channel_id: int | None = None
    subject: Subject | None = None
    """Of a KPI."""
    tenant_id: int | None = None
    """Of silence: every channel of a tenant, as one gateway."""
    meter_id: int | None = None
    """Of silence: every channel of a meter, as one device."""
    kpi: str | None = None
    level: Level | None = None
    """Of a KPI."""
    finding: str | None = None
    """Key of a check, see :class:`domain.findings.Rule`."""
    health: str | None = None
    statistic: WindowStatistic | None = None
    """None with VALUE: each reading is a sample."""
    window_s: int | None = None
    """Length of the window, or the span of a rate of change. None where there is none, and for a month. [s]"""
    by_month: bool = False
    """The window is the local month."""
    alignment: Alignment = Alignment.CLOCK
    least_valid: float = 0.75
    """A window of which less was measured is MISSING. [0..1]"""
    share: float = 1.0
    """COMPLIANCE: the limits are taken times this (0.8 to 0.9 for an early warning). A lower limit is divided by it. [0..1]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a rule is looked at, in park-local time."""

    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    """0 is Monday."""
    from_minute: int = 0
    """Of the local day. [min]"""
    to_minute: int = 24 * 60
    """Excluded; before `from_minute`: over midnight. [min]"""
    on_holidays: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Suppression:
    """While another value says so, samples are excluded: the line stands still, a sensor is being calibrated."""

    channel_id: int | None = None
    """A gauge; suppressed while its value is within [lowest, highest]."""
    lowest: float | None = None
    highest: float | None = None
    alarm: str | None = None
    """Or: `rule` or `rule@target` of an alarm that suppresses while it is active."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What people read."""

    message: str
    cause: str = ""
    consequence: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tell:
    """Who is told, and after how long without acknowledgement."""

    contact: str
    """Key of a contact of the park."""
    after_s: int = 0
    """0: at once. [s]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One dated version of one rule on one target. An episode never crosses from one watch to the next."""

    rule_id: int
    """Database id of this version of the rule."""
    alarm_id: int
    """Database id of the alarm: the same for all versions of one rule on one target."""
    rule: str
    """Key of the rule."""
    target: str
    """`park/tenant/meter/quantity`, `park/tenant/meter`, `park/tenant`, or `park`; of a KPI with `#kpi` after it."""
    name: str
    category: Category
    severity: Severity
    source: Source
    unit: str
    lowest: float | None = None
    highest: float | None = None
    """A sample is beyond where it is strictly outside. [unit]"""
    deadband: float = 0.0
    """Cleared at limit minus deadband (a lower limit: plus). Never moves where it is raised. [unit]"""
    on_delay_s: int = 0
    """Known time beyond before it is raised. [s]"""
    off_delay_s: int = 0
    """Known time back within before it is cleared. [s]"""
    merge_gap_s: int = 0
    """Exceedances that are no further apart are one episode. [s]"""
    latching: bool = False
    """Stays until it is reset, even when acknowledged and back within."""
    realarm_s: int | None = None
    """Raised anew when it is active and acknowledged for so long. [s]"""
    schedule: Schedule | None = None
    suppressions: tuple[Suppression, ...] = ()
    texts: Texts = field(default_factory=lambda: Texts(message=""))
    tell: tuple[Tell, ...] = ()
    valid_from_us: int = 0
    valid_to_us: int = OPEN_US


class Status(IntEnum):
    """Whether a sample counts, and why not."""

    VALID = 0
    MISSING = 1
    """Not measured, or too little of its window."""
    CALIBRATION = 2
    MAINTENANCE = 3
    OUT_OF_SERVICE = 4
    SUPPRESSED = 5
    """Another state says that it means nothing now."""
    UNSCHEDULED = 6
    """Outside of the rule's schedule."""
    IDLE = 7
    """Nothing flowed that could have a concentration."""

    @property
    def key(self) -> str:
        """As it stands in the API."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleFrame:
    """Samples of many watches, sorted by (watch, at_us, start_us); no two of a watch have one at_us. (n,) each."""

    watch: SmallArray
    """Place of the watch in the tuple that the frame is made for."""
    start_us: IntArray
    """Start of what the sample stands for: of a window its start, of a reading the reading itself. [us UTC]"""
    stop_us: IntArray
    """End of what it stands for: of a window its end, of a reading `interval_s` of its channel later. [us UTC]"""
    at_us: IntArray
    """When it is known on data time: of a window its end, of a reading the reading itself. [us UTC]"""
    least: FloatArray
    """Held against the lower bound; NaN where it is not known. [unit]"""
    greatest: FloatArray
    """Held against the upper bound; but for RANGE the same as `least`. [unit]"""
    lowest: FloatArray
    """Bounds in force for this sample, already times `share`; -inf and inf where there is none. [unit]"""
    highest: FloatArray
    status: NDArray[np.int8]
    """Code of :class:`Status`."""
    known_s: FloatArray
    """Known time that it adds after the sample before it: of a clock window the measured part of its length, of a reading
    the time since the one before, 0 where they are too far apart. Delays are counted in it. [s]"""
    excess_kg: FloatArray
    """Load above the upper limit in the time that it adds; NaN where it is no concentration with a flow. [kg]"""
    final: BoolArray
    """Ended by the park's tick."""

    def __post_init__(self) -> None:
        check_lengths(self)

    def __len__(self) -> int:
        return len(self.at_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeFrame:
    """Exceedances, sorted by (watch, start_us), which is their key; (n,) each."""

    watch: SmallArray
    start_us: IntArray
    """Start of the first sample beyond. [us UTC]"""
    stop_us: IntArray
    """End of the last sample that was beyond, a reading's no later than the next reading; where it is open, so far. [us UTC]"""
    raised_us: IntArray
    """When the on-delay was over. [us UTC]"""
    cleared_us: IntArray
    """When the off-delay was over; OPEN_US while it is active. [us UTC]"""
    last_us: IntArray
    """`at_us` of the last sample looked at: later than `stop_us` while it is being cleared. [us UTC]"""
    peak: FloatArray
    """The value furthest beyond its bound. [unit]"""
    peak_at_us: IntArray
    bound: FloatArray
    """The bound that the peak is beyond. [unit]"""
    mean: FloatArray
    """Of the valid samples from start to stop, weighted by known time (all the same where none has any). [unit]"""
    beyond_s: FloatArray
    """Time that the samples beyond stand for, where they overlap counted once. [s]"""
    excess_kg: FloatArray
    """[kg] NaN where none of its samples has it."""
    valid: SmallArray
    """Samples from start to stop that count."""
    missing: SmallArray
    """Those that were not measured."""
    excluded: SmallArray
    """Those that were set aside: calibration, maintenance, suppressed, unscheduled, out of service."""
    final: BoolArray
    """Cleared, and every sample up to that final."""

    def __post_init__(self) -> None:
        check_lengths(self)

    def __len__(self) -> int:
        return len(self.start_us)


class Phase(IntEnum):
    """Where the condition of a watch stands after its last sample."""

    CLEAR = 0
    PENDING = 1
    """Beyond, and the on-delay runs."""
    BEYOND = 2
    CLEARING = 3
    """Back within, and the off-delay runs."""


class AlarmState(StrEnum):
    """After ISA-18.2; what inhibits it stands beside it."""

    NORMAL = "normal"
    PENDING = "pending"
    ACTIVE_UNACKED = "active_unacked"
    ACTIVE_ACKED = "active_acked"
    RETURNED_UNACKED = "returned_unacked"
    LATCHED = "latched"
    """Back within and acknowledged; waits for its reset."""


class Inhibit(StrEnum):
    """What keeps an alarm from being announced. Its state and episodes go on underneath."""

    NONE = "none"
    SHELVED = "shelved"
    """By somebody, until a time."""
    SHELVED_ONCE = "shelved_once"
    """By somebody, until it returns to normal, and at most until a time."""
    SUPPRESSED = "suppressed"
    """By another state."""
    OUT_OF_SERVICE = "out_of_service"
    """By somebody, with a reason."""


class Step(StrEnum):
    """What happens to an alarm: by its condition, by time, by people."""

    BEGIN = "begin"
    """Beyond, the on-delay runs."""
    DROP = "drop"
    """Back within before the on-delay was over."""
    RAISE = "raise"
    CLEAR = "clear"
    REVISE = "revise"
    """Late data changed what was final."""
    SUPPRESS = "suppress"
    RELEASE = "release"
    REALARM = "realarm"
    EXPIRE = "expire"
    """The time of a shelf is over."""
    ESCALATE = "escalate"
    DEESCALATE = "deescalate"
    ACKNOWLEDGE = "acknowledge"
    RESET = "reset"
    SHELVE = "shelve"
    SHELVE_ONCE = "shelve_once"
    UNSHELVE = "unshelve"
    TAKE_OUT = "take_out"
    PUT_BACK = "put_back"
    COMMENT = "comment"


class Act(StrEnum):
    """What a person may do to an alarm; each is a step of that name."""

    ACKNOWLEDGE = "acknowledge"
    RESET = "reset"
    SHELVE = "shelve"
    SHELVE_ONCE = "shelve_once"
    UNSHELVE = "unshelve"
    TAKE_OUT = "take_out"
    PUT_BACK = "put_back"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an alarm stands now."""

    alarm_id: int
    state: AlarmState = AlarmState.NORMAL
    inhibit: Inhibit = Inhibit.NONE
    suppressed: bool = False
    """Suppressed underneath a shelf or while out of service; equal to `inhibit is SUPPRESSED` otherwise."""
    since_us: int = 0
    """Of the state, on data time; of what people did, their time. [us UTC]"""
    episode_us: int | None = None
    """Start of the episode that it is about: the open one, else the last that is not yet dealt with. [us UTC]"""
    raised_us: int | None = None
    """When it was raised last, on the clock: what escalation counts from. [us UTC]"""
    acked_us: int | None = None
    acked_by: str | None = None
    level: int = 0
    """How many of the times in `tell` (`after_s` > 0) are over: 0 is not escalated."""
    until_us: int | None = None
    """When a shelf expires. [us UTC]"""
    version: int = 0
    """Raised with every transition; what a write must have seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One step of one alarm, as the journal keeps it."""

    alarm_id: int
    step: Step
    before: AlarmState
    after: AlarmState
    inhibit: Inhibit
    """After it."""
    at_us: int
    """On data time for steps of the condition, on the clock for the others. [us UTC]"""
    episode_us: int | None
    actor: str
    """A user's name; `engine` for the condition and time."""
    text: str = ""
    """Why, or what: the comment, the reason, what was revised."""
    announced: bool = False
    """Whether contacts are told: never while it is inhibited."""
    level: int = 0
    """Escalation after it."""
