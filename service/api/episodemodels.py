"""Shapes of answers and requests about episodes; their descriptions are the API's documentation."""

from datetime import datetime

from pydantic import Field

from domain.alarms import Category
from service.api.alarmmodels import JudgementAnswer, Shape, TransitionAnswer
from store.episodelists import NoteKind

__all__ = [
    "EpisodeAnswer",
    "EpisodePage",
    "EpisodeReport",
    "LimitUsed",
    "NoteAnswer",
    "NoteRequest",
    "ToldAnswer",
]


class EpisodeAnswer(Shape):
    """One continuous exceedance, however many values it spans."""

    alarm: int
    """Id of its alarm, which with `start` is its key."""
    start: datetime
    stop: datetime
    """End of what was beyond; while it goes on, so far."""
    duration_s: float
    """From start to stop. [s]"""
    raised_at: datetime
    """When the on-delay was over."""
    cleared_at: datetime | None
    """When the off-delay was over; null: it is going on."""
    park: str
    rule: str
    rule_version: int
    """Version of the rule by which it is one."""
    name: str
    target: str
    place: str
    """The target in words."""
    category: Category
    severity: str
    unit: str
    """Of peak, bound and mean."""
    peak: float | None
    """The value furthest beyond its bound."""
    peak_at: datetime | None
    bound: float | None
    """The bound that the peak is beyond."""
    mean: float | None
    """Of the values that count, weighted by the time they stand for."""
    beyond_s: float
    """Time that the values beyond stand for. [s]"""
    excess_kg: float | None
    """Load above the limit; null where it is no concentration with a flow. [kg]"""
    valid: int
    """Windows, or readings, that count."""
    missing: int
    """Those that were not measured."""
    excluded: int
    """Those that were set aside: calibration, maintenance, suppressed, unscheduled, out of service."""
    final: bool
    revision: int
    """How often late data changed it after it was final."""
    cause: str | None
    """As it was said last."""
    action: str | None
    closed_at: datetime | None
    """When it was closed; null: it was not, or was reopened."""
    closed_by: str | None


class EpisodePage(Shape):
    """Episodes, newest first."""

    episodes: list[EpisodeAnswer]
    next: str | None
    """Give it as `after` for those that follow; null: these were all."""


class LimitUsed(Shape):
    """A bound that the rule was held against while the episode was at its peak."""

    lowest: float | None
    highest: float | None
    unit: str
    statistic: str | None
    """`mean`, `flow_weighted_mean` and so on; null: each value."""
    window: str | None
    """`base`, `hour`, `day`, `month`, or a length in seconds; null: each reading."""
    share: float
    """The limit was taken times this: below 1, it was an early warning. [0..1]"""
    authority: str | None
    """Who set it: `permit`, `estate` or `national`; null: it is the rule's own bound."""
    legal_basis: str | None
    confirmed: bool | None
    """Whether somebody read the limit in the document that `legal_basis` names."""


class NoteAnswer(Shape):
    """What somebody said of an episode; never changed."""

    id: int
    kind: NoteKind
    text: str
    said_of: datetime
    """Start of the episode as it was then: late data may have moved it."""
    recorded_at: datetime
    recorded_by: str


class ToldAnswer(Shape):
    """Who was told, and what became of it."""

    contact: str
    way: str
    address: str
    subject: str
    created_at: datetime
    state: str
    """`pending`, `sent`, `refused` or `given_up`."""
    attempts: int
    sent_at: datetime | None
    detail: str | None
    """What the last attempt came to."""


class EpisodeReport(EpisodeAnswer):
    """An episode with all that a report of it needs."""

    message: str
    usual_cause: str
    """What the rule says usually is behind it."""
    consequence: str
    recommended_action: str
    limit: LimitUsed | None
    """Null where nothing is known of it any more."""
    notes: list[NoteAnswer]
    """What people said, in order of time."""
    journal: list[TransitionAnswer]
    """Steps of its alarm that are about it, in order."""
    told: list[ToldAnswer]
    """Shown to whoever runs the park, and to the officer."""
    judgements: list[JudgementAnswer]
    """Windows in order of time, at most 10,000; none where single readings are judged."""
    computed_at: datetime


class NoteRequest(Shape):
    """What is said of an episode."""

    kind: NoteKind
    """`close` needs a cause and an action said before."""
    text: str = Field(default="", max_length=4000, pattern=r"^[^\x00]*$")
    """Needed but for `close`; of a `link` its address."""
