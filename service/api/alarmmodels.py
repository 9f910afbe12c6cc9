"""Shapes of answers and requests about alarms and their rules; their descriptions are the API's documentation."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from domain.alarmentries import AlarmEntry
from domain.alarms import Act, AlarmState, Category, Inhibit, Step
from service.api.ranges import DATE_TIME

__all__ = [
    "ActRequest",
    "AlarmAnswer",
    "AlarmPage",
    "EndRequest",
    "JudgementAnswer",
    "JudgementPage",
    "NewestEpisode",
    "RuleAnswer",
    "RuleRequest",
    "TargetTrial",
    "ToldTrial",
    "TransitionAnswer",
    "TransitionPage",
    "TrialAnswer",
    "TrialEpisode",
    "TrialRequest",
]

_LONGEST_TEXT = 4000
_NO_NUL = r"^[^\x00]*$"


class Shape(BaseModel):
    """A frozen group of fields."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, extra="forbid")


class NewestEpisode(Shape):
    """The exceedance that an alarm is about."""

    start: datetime
    stop: datetime
    """End of what was beyond; while it goes on, so far."""
    is_over: bool
    """Whether it was cleared."""
    peak: float | None
    """The value furthest beyond its bound. [unit]"""
    peak_at: datetime | None
    bound: float | None
    """The bound that the peak is beyond. [unit]"""
    unit: str


class AlarmAnswer(Shape):
    """An alarm as it stands: what people deal with, one for each rule and target."""

    id: int
    park: str
    rule: str
    """Key of the rule."""
    name: str
    target: str
    """What it is about: `park/tenant/meter/quantity`, or less of it; of a KPI `#` and its key after the subject."""
    place: str
    """The target in words."""
    category: Category
    severity: str
    """`low`, `medium`, `high` or `critical`."""
    state: AlarmState
    inhibit: Inhibit
    """What keeps it from being announced; its state goes on underneath."""
    since: datetime
    """Of the state."""
    raised_at: datetime | None
    """When it was raised last, on the clock."""
    acked_at: datetime | None
    acked_by: str | None
    level: int
    """How often it was escalated, because nobody acknowledged."""
    until: datetime | None
    """When its shelf ends."""
    episode: NewestEpisode | None
    """Null: nothing is left to deal with."""
    unit: str
    message: str
    cause: str
    consequence: str
    action: str
    version: int
    """Its ETag; send it as If-Match with what you do."""
    acts: list[Act]
    """What you may do to it as it stands."""


class AlarmPage(Shape):
    """Alarms, those that changed last first."""

    alarms: list[AlarmAnswer]
    next: str | None
    """Give it as `after` for those that follow; null: these were all."""


class ActRequest(Shape):
    """What somebody does to an alarm."""

    act: Act
    text: str = Field(default="", max_length=_LONGEST_TEXT, pattern=_NO_NUL)
    """The reason or comment; needed to shelve it, to take it out of service, to put it back, and for a comment."""
    until: Annotated[str, Field(max_length=64, json_schema_extra=DATE_TIME)] | None = None
    """When a shelf ends, RFC 3339 with an offset, within 7 days; a shelf for one time may do without."""


class TransitionAnswer(Shape):
    """A line of an alarm's journal, which is only ever added to."""

    id: int
    alarm: int
    step: Step
    before: AlarmState
    after: AlarmState
    inhibit: Inhibit
    """After it."""
    at: datetime
    """On data time for steps of the condition, on the clock for the others."""
    recorded_at: datetime
    episode: datetime | None
    """Start of the episode that it is about."""
    actor: str
    """Who did it; `engine` for the condition and time."""
    text: str
    announced: bool
    """Whether contacts are told."""
    level: int


class TransitionPage(Shape):
    """Lines of a journal, newest first."""

    transitions: list[TransitionAnswer]
    next: str | None
    """Give it as `after` for those that follow; null: these were all."""


class JudgementAnswer(Shape):
    """The verdict of one window `[start, at)`."""

    start: datetime
    at: datetime
    least: float | None
    """Held against `lowest`. [unit]"""
    greatest: float | None
    """Held against `highest`; but for ranges the same as `least`. [unit]"""
    lowest: float | None
    highest: float | None
    verdict: str
    """`clear`, `between` (within its bounds, not by the deadband), `beyond` or `unknown`."""
    status: str
    """`valid`, or why it does not count."""
    final: bool
    revision: int
    """How often late data changed it after it was final."""


class JudgementPage(Shape):
    """Windows of an alarm in order of time. Single readings are judged, too, and not stored."""

    unit: str
    judgements: list[JudgementAnswer]
    complete: bool
    """Whether these are all of the range; else ask again from the last one on."""


class RuleRequest(Shape):
    """A rule as it is to be."""

    entry: AlarmEntry
    """As in a park file; without `valid_from` it begins now."""
    note: str = Field(default="", max_length=1000, pattern=_NO_NUL)
    """Why."""


class EndRequest(Shape):
    """Why a rule is ended."""

    why: str = Field(max_length=1000, pattern=_NO_NUL)


class RuleAnswer(Shape):
    """A version of a rule, with who recorded it when."""

    park: str
    key: str
    version: int
    """Its ETag; send it as If-Match with a change."""
    entry: dict[str, Any]
    """As in a park file. Who is told is shown to whoever runs the park."""
    origin: str
    """`file`: the park file says it, and changes it; `entry`: it was entered here."""
    note: str
    valid_from: datetime
    valid_to: datetime | None
    recorded_at: datetime
    recorded_by: str
    superseded_at: datetime | None
    """When it was ended or replaced; null: it was not."""
    superseded_by: str | None
    superseded_why: str | None


class TrialRequest(Shape):
    """A rule to try, and over which past."""

    entry: AlarmEntry
    start: str = Field(max_length=64, json_schema_extra=DATE_TIME)
    """First instant, RFC 3339 with an offset."""
    stop: str = Field(max_length=64, json_schema_extra=DATE_TIME)
    """End of the range, not included."""


class TrialEpisode(Shape):
    """An exceedance that the rule would have found; those within the merge gap are one."""

    target: str
    start: datetime
    stop: datetime
    raised_at: datetime
    cleared_at: datetime | None
    """Null: it would still go on."""
    peak: float | None
    peak_at: datetime | None
    bound: float | None
    mean: float | None
    beyond_s: float
    excess_kg: float | None
    valid: int
    missing: int
    excluded: int
    unit: str


class TargetTrial(Shape):
    """What the rule would have done to one target."""

    target: str
    unit: str
    raised: int
    in_alarm_s: float


class ToldTrial(Shape):
    """How often a contact would have been told."""

    contact: str
    raised: int
    cleared: int
    escalated: int
    """Where nobody acknowledged while it lasted."""


class TrialAnswer(Shape):
    """What a rule would have done over past data, had it held for all of the range. Nothing was stored."""

    summary: str
    """In one sentence."""
    start: datetime
    stop: datetime
    raised: int
    """How often it would have been raised in the range."""
    in_alarm_s: float
    """Time in alarm within the range, of all targets together. [s]"""
    targets: list[TargetTrial]
    episodes: list[TrialEpisode]
    """At most 1,000, the first ones."""
    episodes_in_all: int
    valid: int
    """Samples of the range that count."""
    missing: int
    excluded: int
    beyond: int
    told: list[ToldTrial]
    """Quiet hours and hourly limits are not looked at."""
