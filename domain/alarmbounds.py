"""What is wrong with the bounds, deadbands and windows of alarm rules, in sentences.

Rules about many places are looked at in each; what is wrong in several of them is said once, of the first.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from domain.alarmentries import AlarmEntry
from domain.alarmground import Bounds, Ground, Place, Target
from domain.alarms import Alignment, Authority, Category, WindowStatistic
from domain.errors import UnitError
from domain.quantities import CONCENTRATIONS, QUANTITIES
from domain.watchentries import (
    AmountWatch,
    ChannelWatch,
    ComplianceWatch,
    FindingWatch,
    HealthWatch,
    KpiWatch,
    RateWatch,
    SilenceWatch,
    in_unit,
    number_written,
    window_seconds,
)
from domain.watches import unit_of_watch

__all__ = ["bound_mistakes", "in_most", "window_mistakes"]

_DAY_S = 86400
_AVERAGES = frozenset({WindowStatistic.MEAN, WindowStatistic.FLOW_WEIGHTED_MEAN, WindowStatistic.P95})
_FLOWS = ("effluent_volume", "effluent_flow")
_FIELDS = ("above", "below", "deadband")


def in_most(targets: Sequence[Target], wrong: Callable[[Target], str | None]) -> Iterator[str]:
    """What is wrong with targets: the sentence of the first of each kind, and of how many others it is true."""
    found: dict[str, list[str]] = {}
    for target in targets:
        sentence = wrong(target)
        if sentence is not None:
            found.setdefault(sentence.replace(target.place.key or "the park", "{}"), []).append(sentence)
    for sentences in found.values():
        more = len(sentences) - 1
        yield sentences[0] + (f" (and so for {more} more)" if more else "")


def bound_mistakes(ground: Ground, entry: AlarmEntry, targets: Sequence[Target]) -> Iterator[str]:
    """What is wrong with above, below and deadband of a rule; without its name."""
    if number_written(entry.deadband) < 0:
        yield (
            f"deadband {_said(entry.deadband)} is negative; it is how far back within its bound a value must be, "
            "a number of 0 or more"
        )
    if isinstance(entry.watch, ComplianceWatch):
        yield from _of_limits(ground, entry, entry.watch, targets)
        return
    if isinstance(entry.watch, FindingWatch):
        for field in _FIELDS:
            if getattr(entry, field):
                yield f"{field} {_said(getattr(entry, field))} means nothing of a finding, which is there or not; leave it out"
        return
    if entry.above is None and entry.below is None:
        yield "gives neither above nor below; a rule needs a bound beyond which it is raised"
    if isinstance(entry.watch, KpiWatch):
        written = (None if one is None else number_written(one) for one in (entry.below, entry.above, entry.deadband))
        lowest, highest, deadband = written
        yield from _settles(_Numbers(lowest, highest, deadband or 0.0, ""), -inf, inf, ground.whole)
        return
    yield from in_most(targets, lambda target: _of_place(entry, target.place))


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Bounds and deadband in one unit."""

    lowest: float | None
    highest: float | None
    deadband: float
    unit: str

    @classmethod
    def of(cls, entry: AlarmEntry, unit: str) -> "_Numbers":
        """
        Raises
        ------
        UnitError
            One of them names a unit that measures something else; the text says which.
        """
        numbers = []
        for field in ("below", "above", "deadband"):
            measure = getattr(entry, field)
            try:
                numbers.append(None if measure is None else in_unit(measure, unit))
            except UnitError as error:
                raise UnitError(f"{field} {measure!r}: {error}") from None
        return cls(numbers[0], numbers[1], numbers[2] or 0.0, unit)

    def written(self, value: float) -> str:
        return f"{value:g} {self.unit}".removesuffix(" 1").strip()


def _said(measure: float | str) -> str:
    return repr(measure) if isinstance(measure, str) else f"{measure:g}"


def _of_place(entry: AlarmEntry, place: Place) -> str | None:
    if place.quantity and place.quantity not in QUANTITIES:
        return None
    unit, where = unit_of_watch(entry.watch, place), f" of {place.key}" if place.key else ""
    wrong = []
    for field in _FIELDS:
        measure = getattr(entry, field)
        try:
            in_unit(measure or 0.0, unit)
        except UnitError as error:
            wrong.append(f"{field} {_said(measure)}{where}: {error}")
    if wrong:
        return "; ".join(wrong)
    least, greatest = _possible(entry, place)
    return next(_settles(_Numbers.of(entry, unit), least, greatest, place), None)


def _possible(entry: AlarmEntry, place: Place) -> tuple[float, float]:
    """Between what values of a place can be at all, or come back to."""
    watch = entry.watch
    if isinstance(watch, SilenceWatch):
        return float(place.interval_s), inf
    if isinstance(watch, HealthWatch):
        return 0.0, 1.0 if watch.health == "disk_free" else inf
    about = QUANTITIES.get(place.quantity)
    if about is None or about.lowest is None or isinstance(watch, RateWatch):
        return -inf, inf
    return about.lowest, inf


def _settles(numbers: _Numbers, least: float, greatest: float, place: Place) -> Iterator[str]:
    lowest, highest, deadband, written = numbers.lowest, numbers.highest, max(numbers.deadband, 0.0), numbers.written
    if lowest is not None and highest is not None:
        room = highest - lowest
        if room <= 0:
            yield (
                f"below {written(lowest)} is not less than above {written(highest)}; every value would be beyond, "
                "and it would never settle"
            )
            return
        if 2 * deadband >= room:
            yield (
                f"deadband {written(deadband)} is too wide for the {written(room)} between below and above: no value could "
                f"clear it, and it would never settle; it must be less than {written(room / 2)}"
            )
            return
    where = f" of {place.key}" if place.key else ""
    if highest is not None and highest - deadband < least:
        yield _never(f"above {written(highest)}", where, numbers, highest - deadband, f"never below {written(least)}")
    if lowest is not None and lowest + deadband > greatest:
        yield _never(f"below {written(lowest)}", where, numbers, lowest + deadband, f"never above {written(greatest)}")


def _never(bound: str, where: str, numbers: _Numbers, clears: float, reach: str) -> str:
    with_deadband = f" with deadband {numbers.written(numbers.deadband)}" if numbers.deadband > 0 else ""
    return (
        f"{bound}{where}{with_deadband} would be cleared at {numbers.written(clears)}, and the value is {reach}; "
        "it would never settle"
    )


def _of_limits(ground: Ground, entry: AlarmEntry, watch: ComplianceWatch, targets: Sequence[Target]) -> Iterator[str]:
    for field in ("above", "below"):
        if getattr(entry, field) is not None:
            yield (
                f"{field} {_said(getattr(entry, field))} stands beside a compliance point, whose limits are those of the "
                "compliance rules in force; leave it out, or give a share of them"
            )
    if entry.category is Category.EXCEEDANCE and (watch.share < 1 or watch.alignment == "running"):
        what = f"share {watch.share:g}" if watch.share < 1 else "alignment 'running'"
        yield f"category 'exceedance' with {what}, which is an early warning and no exceedance; use category 'warning'"
    yield from in_most(targets, lambda target: _of_point(ground, entry, watch.share, target))


def _of_point(ground: Ground, entry: AlarmEntry, share: float, target: Target) -> str | None:
    about = QUANTITIES.get(target.place.quantity)
    if about is None:
        return None
    try:
        deadband = in_unit(entry.deadband, about.unit)
    except UnitError as error:
        return f"deadband {_said(entry.deadband)} of {target.place.key}: {error}"
    limits = [one for one in ground.limits[target.place.key] if one.kind == target.kind]
    for limit in limits:
        lowest = None if limit.lowest is None else limit.lowest / share
        highest = None if limit.highest is None else limit.highest * share
        least = -inf if about.lowest is None else about.lowest
        said = next(_settles(_Numbers(lowest, highest, deadband, about.unit), least, inf, target.place), None)
        if said is not None:
            taken = f" taken times {share:g}" if share < 1 else ""
            return f"the limit {limit.key} of {target.place.key}{taken}: {said}"
    return _twice(target.place, limits)


def _twice(place: Place, limits: Sequence[Bounds]) -> str | None:
    for authority in Authority:
        ordered = sorted((one for one in limits if one.authority is authority), key=lambda one: one.from_us)
        for one, other in pairwise(ordered):
            if other.from_us < one.to_us:
                return (
                    f"the limits {one.key} and {other.key} of {place.key} are both {authority.value}, of the same statistic "
                    "and window, at the same time; only the stricter would hold: give one rule both bounds, or end one"
                )
    return None


def window_mistakes(ground: Ground, entry: AlarmEntry, targets: Sequence[Target]) -> Iterator[str]:
    """What is wrong with window, statistic and alignment of a rule; without its name."""
    watch = entry.watch
    if isinstance(watch, ChannelWatch):
        yield from _of_values(ground, watch, targets)
    elif isinstance(watch, AmountWatch):
        yield from _of_window(ground, watch.window, watch.alignment, targets)
        seconds = window_seconds(watch.window)
        if seconds is not None and seconds < ground.base_s:
            yield f"window {watch.window!r} is shorter than the base interval of {ground.base_s} s, which amounts are made of"
    elif isinstance(watch, RateWatch):
        if window_seconds(watch.over) is None:
            yield f"over {watch.over!r} has no one length; give one like '10min'"
        yield from in_most(targets, lambda target: _too_short("over", watch.over, target.place))


def _of_values(ground: Ground, watch: ChannelWatch, targets: Sequence[Target]) -> Iterator[str]:
    if watch.window is None or watch.statistic is None:
        if watch.window is not None:
            known = ", ".join(one.value for one in WindowStatistic)
            yield f"window {watch.window!r} stands without a statistic, which says what of it is compared; give one of {known}"
        elif watch.statistic is not None:
            yield f"statistic {watch.statistic.value!r} stands without a window; give one like '10min', hour, day or month"
        elif watch.alignment is not Alignment.CLOCK:
            yield f"alignment {watch.alignment.value!r} stands without a window; leave it out, each reading is compared"
    else:
        yield from _of_window(ground, watch.window, watch.alignment, targets)
    yield from in_most(targets, lambda target: _statistic(ground, watch.statistic, target.place))


def _of_window(ground: Ground, window: str, alignment: Alignment, targets: Sequence[Target]) -> Iterator[str]:
    seconds = window_seconds(window)
    if seconds is None:
        if alignment is Alignment.ROLLING:
            yield f"window {window!r} cannot roll, for months differ in length; use alignment 'clock' or 'running', or '720h'"
        return
    if seconds > ground.base_s and seconds % ground.base_s:
        yield (
            f"window {window!r} ({seconds} s) is neither shorter than the base interval of {ground.base_s} s nor a multiple of it"
        )
    if alignment is not Alignment.ROLLING and _DAY_S % seconds and seconds % _DAY_S:
        yield (
            f"window {window!r} ({seconds} s) neither divides a day nor is whole days, so it has no fixed place on the clock; "
            "use alignment 'rolling'"
        )
    yield from in_most(targets, lambda target: _too_short("window", window, target.place))


def _too_short(field: str, window: str, place: Place) -> str | None:
    seconds = window_seconds(window)
    if seconds is None or seconds >= place.interval_s:
        return None
    return (
        f"{field} {window!r} ({seconds} s) is shorter than interval_s {place.interval_s} of {place.key}; "
        f"it must hold at least one reading"
    )


def _statistic(ground: Ground, statistic: WindowStatistic | None, place: Place) -> str | None:
    about = QUANTITIES.get(place.quantity)
    if about is None or statistic is None:
        return None
    if place.quantity == "ph" and statistic in _AVERAGES:
        return f"statistic {statistic.value!r} of {place.key}: pH is logarithmic and never averaged; use 'range', 'min' or 'max'"
    if statistic is WindowStatistic.SUM and not (about.stock or about.integral):
        return f"statistic 'sum' of {place.key}, which adds up to nothing; use it for a flow or a power"
    has_flow = any(f"{place.meter}/{flow}" in ground.by_channel for flow in _FLOWS)
    if statistic is WindowStatistic.FLOW_WEIGHTED_MEAN and (place.quantity not in CONCENTRATIONS or not has_flow):
        return (
            f"statistic 'flow_weighted_mean' of {place.key} belongs to a concentration beside effluent_flow or "
            "effluent_volume of the same meter; use 'mean'"
        )
    return None
