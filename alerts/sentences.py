"""What a watch is held against, and whether it is beyond, in words."""

from dataclasses import dataclass
from math import isfinite

from alerts.phrases import duration, quantity, told_apart
from domain.alarms import Alignment, Category, Signal, Source, Watch, WindowStatistic
from domain.quantities import QUANTITIES

__all__ = ["Clauses", "EpisodeSummary", "clauses", "compared"]

_STATISTICS = {
    WindowStatistic.MEAN: "the mean",
    WindowStatistic.FLOW_WEIGHTED_MEAN: "the flow-weighted mean",
    WindowStatistic.P95: "the 95th percentile",
    WindowStatistic.MIN: "the least value",
    WindowStatistic.MAX: "the greatest value",
    WindowStatistic.SUM: "the sum",
    WindowStatistic.RANGE: "every value",
}
_HEALTH = {
    "ingest_lag": "The lag of incoming readings",
    "engine_lag": "The lag of the engine",
    "disk_free": "The free share of the disk",
    "queue_rows": "The length of the engine's queue",
}
_CHANNEL_PARTS = 4
_METER_PARTS = 3
_TENANT_PARTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class EpisodeSummary:
    """What is known of one exceedance when a message about it is written. NaN: not known."""

    start_us: int
    peak: float
    """The value furthest beyond its bound. [unit of the watch]"""
    peak_at_us: int
    bound: float
    """What the peak is beyond. [unit of the watch]"""
    mean: float
    """[unit of the watch]"""
    beyond_s: float
    """[s]"""
    excess_kg: float
    """[kg]"""
    legal_basis: str = ""
    """Where the limit stands; empty: not known, or no limit of the law."""
    stop_us: int | None = None
    """End of what was beyond; None: not known. [us UTC]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clauses:
    """The same state of things in the forms that messages need; without full stops."""

    beyond: str
    """A whole clause: it is beyond."""
    back: str
    """A whole clause: it is not any more."""
    short_beyond: str
    """For subjects, with the value."""
    short_back: str


def clauses(watch: Watch, episode: EpisodeSummary | None) -> Clauses:
    """What can be said of a watch that is, or was, beyond; without an episode by the bounds of the rule, without values."""
    match watch.source.signal:
        case Signal.SILENCE:
            return _of_silence(watch, episode)
        case Signal.FINDING:
            return _of_finding(watch)
        case _:
            return _of_bound(watch, episode)


def compared(source: Source) -> str:
    """Which statistic over which window is held against the bound, as a sentence; empty where there is nothing to say."""
    if source.signal is Signal.RATE and source.window_s is not None:
        return f"What is judged is the change over {duration(source.window_s)}."
    if source.signal is Signal.KPI and source.level is not None:
        return f"What is judged is the KPI of {_over(source, source.level.key)}."
    if source.signal not in (Signal.VALUE, Signal.AMOUNT, Signal.COMPLIANCE):
        return ""
    if source.statistic is None:
        return "Each reading is judged." if source.signal is Signal.VALUE else ""
    if source.window_s is None and not source.by_month:
        return f"What is judged is {_STATISTICS[source.statistic]}."
    span = "month" if source.by_month or source.window_s is None else duration(source.window_s)
    return f"What is judged is {_STATISTICS[source.statistic]} over {_over(source, span)}."


def _over(source: Source, span: str) -> str:
    bare = span.removeprefix("1 ")
    match source.alignment:
        case Alignment.CLOCK:
            return f"each {bare}"
        case Alignment.ROLLING:
            return f"the last {span}"
        case Alignment.RUNNING:
            return f"the {bare} so far"


def _of_bound(watch: Watch, episode: EpisodeSummary | None) -> Clauses:
    side, bound, value = _side(watch, episode)
    limit = f"{_limit_word(watch)}{bound}"
    thing = _thing(watch)
    return Clauses(
        beyond=f"{thing} is {side} its {limit}",
        back=f"{thing} is back within its {limit}",
        short_beyond=f"{value} is {side} the {limit}" if value else f"{side} the {limit}",
        short_back=f"back within the {limit}",
    )


def _side(watch: Watch, episode: EpisodeSummary | None) -> tuple[str, str, str]:
    """Above or below; ` of` the bound; the value. Empty where they are not known."""
    if episode is not None and isfinite(episode.bound) and isfinite(episode.peak):
        value, bound = told_apart(episode.peak, episode.bound, watch)
        return ("below" if episode.peak < episode.bound else "above"), f" of {bound}", value
    if watch.lowest is not None and watch.highest is not None:
        return "outside of", f" of {quantity(watch.lowest, watch)} to {quantity(watch.highest, watch)}", ""
    if watch.highest is not None:
        return "above", f" of {quantity(watch.highest, watch)}", ""
    if watch.lowest is not None:
        return "below", f" of {quantity(watch.lowest, watch)}", ""
    return "beyond", "", ""


def _limit_word(watch: Watch) -> str:
    if watch.source.signal is Signal.COMPLIANCE and watch.source.share < 1:
        return f"warning level ({100 * watch.source.share:.4g} % of the limit)"
    return "limit" if watch.category is Category.EXCEEDANCE else "alarm limit"


def _of_silence(watch: Watch, episode: EpisodeSummary | None) -> Clauses:
    thing = _thing(watch)
    age = f" for {quantity(episode.peak, watch)}" if episode is not None and isfinite(episode.peak) else ""
    allowed = (
        "" if watch.highest is None else f"; expected is something every {quantity(watch.highest, watch)} at least"
    )
    return Clauses(
        beyond=f"{thing} has sent nothing{age}{allowed}",
        back=f"{thing} sends again",
        short_beyond=f"nothing has come{age}",
        short_back="readings come again",
    )


def _of_finding(watch: Watch) -> Clauses:
    check, thing = watch.source.finding or "check", _thing(watch)
    return Clauses(
        beyond=f"The check `{check}` has found something at {thing}",
        back=f"The check `{check}` finds nothing any more at {thing}",
        short_beyond=f"the check `{check}` has found something",
        short_back=f"the check `{check}` finds nothing any more",
    )


def _thing(watch: Watch) -> str:
    """What is watched, so that a sentence can begin with it."""
    source, target = watch.source, watch.target
    if source.signal is Signal.HEALTH and source.health is not None:
        return f"{_HEALTH.get(source.health, source.health)} ({target})"
    if source.signal is Signal.KPI:
        subject, _, kpi = target.partition("#")
        return f"KPI `{source.kpi or kpi}` of {subject}"
    parts = target.split("/")
    if len(parts) == _CHANNEL_PARTS:
        known = QUANTITIES.get(parts[-1])
        return f"{known.title} ({target})" if known else f"Channel {target}"
    kinds = {_METER_PARTS: "Meter", _TENANT_PARTS: "The gateway of tenant"}
    return f"{kinds.get(len(parts), 'Park')} {target}"
