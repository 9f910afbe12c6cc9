"""Trials of rules as the API and the command line show them."""

from zoneinfo import ZoneInfo

from domain.alarms import OPEN_US
from service.api.alarmmodels import TargetTrial, ToldTrial, TrialAnswer, TrialEpisode
from service.api.ranges import Span, local_time
from service.api.values import number
from service.engine.trial import Trial

__all__ = ["trial_answer"]

_MOST_EPISODES = 1000
_SPANS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def trial_answer(trial: Trial, zone: ZoneInfo, span: Span) -> TrialAnswer:
    """What a rule would have done in a range, with the park's own times."""
    by_watch = [[turn for turn in trial.turns if turn.watch == place] for place in range(len(trial.watches))]
    return TrialAnswer(
        summary=_summary(trial),
        start=local_time(zone, span.start_us),
        stop=local_time(zone, span.stop_us),
        raised=trial.raised,
        in_alarm_s=trial.in_alarm_s,
        targets=[
            TargetTrial(
                target=watch.target,
                unit=watch.unit,
                raised=sum(turn.raised_us >= span.start_us for turn in turns),
                in_alarm_s=sum(turn.within_s(span.start_us, span.stop_us) for turn in turns),
            )
            for watch, turns in zip(trial.watches, by_watch, strict=True)
        ],
        episodes=list(_episodes(trial, zone)),
        episodes_in_all=len(trial.episodes),
        valid=trial.valid,
        missing=trial.missing,
        excluded=trial.excluded,
        beyond=trial.beyond,
        told=[
            ToldTrial(contact=one.contact, raised=one.raised, cleared=one.cleared, escalated=one.escalated)
            for one in trial.told
        ],
    )


def _episodes(trial: Trial, zone: ZoneInfo) -> list[TrialEpisode]:
    frame = trial.episodes
    return [
        TrialEpisode(
            target=trial.watches[frame.watch[row]].target,
            start=local_time(zone, int(frame.start_us[row])),
            stop=local_time(zone, int(frame.stop_us[row])),
            raised_at=local_time(zone, int(frame.raised_us[row])),
            cleared_at=None if frame.cleared_us[row] == OPEN_US else local_time(zone, int(frame.cleared_us[row])),
            peak=number(frame.peak[row]),
            peak_at=local_time(zone, int(frame.peak_at_us[row])),
            bound=number(frame.bound[row]),
            mean=number(frame.mean[row]),
            beyond_s=float(frame.beyond_s[row]),
            excess_kg=number(frame.excess_kg[row]),
            valid=int(frame.valid[row]),
            missing=int(frame.missing[row]),
            excluded=int(frame.excluded[row]),
            unit=trial.watches[frame.watch[row]].unit,
        )
        for row in range(min(len(frame), _MOST_EPISODES))
    ]


def _summary(trial: Trial) -> str:
    if not trial.valid:
        return "Nothing of the range was measured as the rule needs it, so it says nothing of how often it would have been raised."
    of = f"{len(trial.watches)} target{'' if len(trial.watches) == 1 else 's'}"
    times = {0: "never", 1: "once", 2: "twice"}.get(trial.raised, f"{trial.raised} times")
    lasting = f", and would have spent {_length(trial.in_alarm_s)} in alarm" if trial.in_alarm_s else ""
    return f"It would have been raised {times} on {of}{lasting}."


def _length(length_s: float) -> str:
    unit_s, unit = next((one for one in _SPANS if length_s >= one[0]), _SPANS[-1])
    return f"{length_s / unit_s:.3g} {unit}"
