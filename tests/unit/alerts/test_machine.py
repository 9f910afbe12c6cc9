"""What shelves, suppression, latching, re-alarms and escalation do with time and with people."""

from dataclasses import replace

import pytest

from alerts.machine import apply, due, levels
from domain.alarms import (
    AlarmState,
    Category,
    Inhibit,
    Severity,
    Signal,
    Source,
    Standing,
    Step,
    Tell,
    Transition,
    Watch,
)
from domain.errors import InputError
from domain.time import SECOND_US

START_US = 1_795_482_000_000_000
MIN_US = 60 * SECOND_US
HOUR_US = 60 * MIN_US
DAY_US = 24 * HOUR_US

WATCH = Watch(
    rule_id=1,
    alarm_id=7,
    rule="cod_limit",
    target="p/_park/outlet/cod",
    name="COD",
    category=Category.EXCEEDANCE,
    severity=Severity.HIGH,
    source=Source(signal=Signal.VALUE, channel_id=1),
    unit="mg/L",
    highest=100.0,
    realarm_s=8 * 3600,
    tell=(
        Tell(contact="shift"),
        Tell(contact="boss", after_s=1800),
        Tell(contact="owner", after_s=7200),
        Tell(contact="officer", after_s=1800),
    ),
)
NORMAL = Standing(alarm_id=7)


class Alarm:
    """One alarm that steps are applied to, with its journal."""

    def __init__(self, watch: Watch = WATCH, standing: Standing = NORMAL) -> None:
        self.watch, self.standing = watch, standing
        self.journal: list[Transition] = []

    def step(
        self,
        step: Step,
        minutes: float = 0,
        *,
        actor: str = "engine",
        text: str = "",
        episode_us: int | None = None,
        until_us: int | None = None,
    ) -> Transition | None:
        now_us = START_US + round(minutes * MIN_US)
        self.standing, transition = apply(
            self.standing,
            step,
            watch=self.watch,
            at_us=now_us,
            now_us=now_us,
            actor=actor,
            text=text,
            episode_us=episode_us,
            until_us=until_us,
        )
        if transition is not None:
            self.journal.append(transition)
        return transition

    def due(self, minutes: float) -> tuple[Step, ...]:
        return due(self.standing, self.watch, START_US + round(minutes * MIN_US))

    def raised(self, minutes: float = 0, episode_us: int = START_US) -> "Alarm":
        self.step(Step.RAISE, minutes, episode_us=episode_us)
        return self

    def shelved(self, minutes: float, for_minutes: float, step: Step = Step.SHELVE) -> "Alarm":
        until_us = START_US + round((minutes + for_minutes) * MIN_US)
        self.step(step, minutes, actor="budi", text="pump being changed", until_us=until_us)
        return self

    # Calls, and no properties, because each is asked for again after a step.

    def state(self) -> AlarmState:
        return self.standing.state

    def inhibit(self) -> Inhibit:
        return self.standing.inhibit

    def episode_us(self) -> int | None:
        return self.standing.episode_us

    @property
    def announced(self) -> list[Step]:
        return [transition.step for transition in self.journal if transition.announced]


# The condition


def test_a_whole_course_of_an_alarm_is_told_twice_when_it_comes_and_when_it_goes() -> None:
    alarm = Alarm()

    alarm.step(Step.BEGIN, 0)
    alarm.raised(4)
    alarm.step(Step.ACKNOWLEDGE, 10, actor="budi")
    alarm.step(Step.CLEAR, 30)

    assert [transition.after for transition in alarm.journal] == [
        AlarmState.PENDING,
        AlarmState.ACTIVE_UNACKED,
        AlarmState.ACTIVE_ACKED,
        AlarmState.NORMAL,
    ]
    assert alarm.announced == [Step.RAISE, Step.CLEAR]
    assert [transition.actor for transition in alarm.journal] == ["engine", "engine", "budi", "engine"]


def test_the_standing_knows_its_episode_until_it_is_dealt_with() -> None:
    alarm = Alarm().raised()
    assert alarm.episode_us() == START_US

    alarm.step(Step.CLEAR, 5)
    assert alarm.episode_us() == START_US

    transition = alarm.step(Step.ACKNOWLEDGE, 6, actor="budi")

    assert transition is not None
    assert transition.episode_us == START_US
    assert alarm.episode_us() is None
    assert (alarm.standing.acked_by, alarm.standing.acked_us) == ("budi", START_US + 6 * MIN_US)


def test_since_is_the_time_of_the_last_change_of_state_and_of_no_other_step() -> None:
    alarm = Alarm().raised(3)

    alarm.step(Step.COMMENT, 5, text="on my way", actor="budi")
    alarm.shelved(6, 10)

    assert alarm.standing.since_us == START_US + 3 * MIN_US


def test_raising_what_is_active_changes_nothing() -> None:
    alarm = Alarm().raised()
    before = alarm.standing

    assert alarm.step(Step.RAISE, 9, episode_us=START_US) is None
    assert alarm.standing is before


def test_an_episode_whose_start_moves_while_it_is_active_is_followed_in_silence() -> None:
    alarm = Alarm().raised()
    alarm.step(Step.ACKNOWLEDGE, 1, actor="budi")

    transition = alarm.step(Step.RAISE, 9, episode_us=START_US - HOUR_US)

    assert transition is not None
    assert not transition.announced
    assert alarm.state() is AlarmState.ACTIVE_ACKED
    assert alarm.episode_us() == START_US - HOUR_US
    assert alarm.standing.raised_us == START_US


def test_a_revision_is_announced_for_compliance_only() -> None:
    exceedance, warning = Alarm(), Alarm(replace(WATCH, category=Category.WARNING))

    told = [alarm.step(Step.REVISE, 1, episode_us=START_US - DAY_US, text="x") for alarm in (exceedance, warning)]

    assert [transition is not None and transition.announced for transition in told] == [True, False]
    assert exceedance.standing == replace(NORMAL, version=1)


# Latching


def test_what_latches_stays_until_it_is_reset() -> None:
    alarm = Alarm(replace(WATCH, latching=True)).raised()
    alarm.step(Step.ACKNOWLEDGE, 1, actor="budi")
    alarm.step(Step.CLEAR, 2)
    assert alarm.state() is AlarmState.LATCHED
    assert alarm.episode_us() == START_US

    alarm.step(Step.RESET, 3, actor="budi")

    assert alarm.state() is AlarmState.NORMAL
    assert alarm.episode_us() is None


def test_what_latches_and_returns_first_is_latched_by_the_acknowledgement() -> None:
    alarm = Alarm(replace(WATCH, latching=True)).raised()

    alarm.step(Step.CLEAR, 1)
    alarm.step(Step.ACKNOWLEDGE, 2, actor="budi")

    assert alarm.state() is AlarmState.LATCHED


def test_a_latched_alarm_is_raised_anew_and_has_lost_its_acknowledgement() -> None:
    alarm = Alarm(replace(WATCH, latching=True)).raised()
    alarm.step(Step.ACKNOWLEDGE, 1, actor="budi")
    alarm.step(Step.CLEAR, 2)

    alarm.raised(90, episode_us=START_US + 80 * MIN_US)

    assert alarm.state() is AlarmState.ACTIVE_UNACKED
    assert alarm.standing.acked_by is None
    assert alarm.announced == [Step.RAISE, Step.CLEAR, Step.RAISE]


# Shelves


def test_a_timed_shelf_holds_everything_back_and_what_is_active_at_its_end_is_announced() -> None:
    alarm = Alarm().shelved(0, 60)
    alarm.raised(10)
    assert alarm.state() is AlarmState.ACTIVE_UNACKED
    assert alarm.due(59) == ()
    assert alarm.due(60) == (Step.EXPIRE,)

    transition = alarm.step(Step.EXPIRE, 60)

    assert transition is not None
    assert alarm.announced == [Step.EXPIRE]
    assert alarm.inhibit() is Inhibit.NONE
    assert alarm.standing.until_us is None
    assert alarm.standing.raised_us == START_US + 60 * MIN_US, "escalation counts from when people were told"


def test_a_shelf_does_not_end_before_its_time() -> None:
    alarm = Alarm().shelved(0, 60)

    assert alarm.step(Step.EXPIRE, 59) is None
    assert alarm.inhibit() is Inhibit.SHELVED


@pytest.mark.parametrize(
    ("for_minutes", "said"),
    [
        (0, "it must end after now"),
        (-1, "it must end after now"),
        (7 * 24 * 60 + 1, "within 7 days, by 2026-12-01T01:00:00Z"),
    ],
)
def test_no_shelf_is_empty_or_longer_than_seven_days(for_minutes: int, said: str) -> None:
    with pytest.raises(InputError, match=said):
        Alarm().shelved(0, for_minutes)


@pytest.mark.parametrize("step", [Step.SHELVE, Step.SHELVE_ONCE])
def test_a_shelf_of_seven_days_is_possible(step: Step) -> None:
    alarm = Alarm().shelved(0, 7 * 24 * 60, step)

    assert alarm.standing.until_us == START_US + 7 * DAY_US


def test_a_timed_shelf_needs_an_end_and_a_one_shot_shelf_gets_the_latest() -> None:
    with pytest.raises(InputError, match="a shelf needs a time at which it ends"):
        Alarm().step(Step.SHELVE, text="why", actor="budi")
    alarm = Alarm()

    alarm.step(Step.SHELVE_ONCE, text="why", actor="budi")

    assert alarm.standing.until_us == START_US + 7 * DAY_US


@pytest.mark.parametrize("step", [Step.SHELVE, Step.SHELVE_ONCE, Step.TAKE_OUT])
@pytest.mark.parametrize("text", ["", "  \n"])
def test_nothing_is_inhibited_without_a_reason(step: Step, text: str) -> None:
    with pytest.raises(InputError, match="a reason is needed"):
        Alarm().step(step, text=text, until_us=START_US + HOUR_US)


def test_a_one_shot_shelf_ends_when_it_is_back_within_in_the_same_transition() -> None:
    alarm = Alarm().raised().shelved(1, 600, Step.SHELVE_ONCE)

    transition = alarm.step(Step.CLEAR, 30)

    assert transition is not None
    assert not transition.announced
    assert transition.inhibit is Inhibit.NONE
    assert alarm.state() is AlarmState.RETURNED_UNACKED
    alarm.raised(90, episode_us=START_US + 90 * MIN_US)
    assert alarm.announced == [Step.RAISE, Step.RAISE]


def test_a_one_shot_shelf_of_what_is_not_active_covers_the_next_occurrence_whole() -> None:
    alarm = Alarm().shelved(0, 600, Step.SHELVE_ONCE)

    alarm.step(Step.BEGIN, 1)
    alarm.step(Step.DROP, 2)
    alarm.step(Step.BEGIN, 3)
    alarm.raised(5)
    assert alarm.inhibit() is Inhibit.SHELVED_ONCE
    alarm.step(Step.CLEAR, 9)

    assert alarm.inhibit() is Inhibit.NONE
    assert alarm.announced == []


def test_a_one_shot_shelf_ends_at_its_time_where_it_does_not_return() -> None:
    alarm = Alarm().raised().shelved(1, 60, Step.SHELVE_ONCE)
    assert alarm.due(61)[0] is Step.EXPIRE

    alarm.step(Step.EXPIRE, 61)

    assert alarm.announced == [Step.RAISE, Step.EXPIRE]


def test_what_came_and_went_under_a_shelf_waits_in_the_list_and_is_not_escalated() -> None:
    alarm = Alarm().shelved(0, 60).raised(10)
    alarm.step(Step.CLEAR, 20)

    alarm.step(Step.EXPIRE, 60)

    assert alarm.state() is AlarmState.RETURNED_UNACKED
    assert alarm.announced == []
    assert alarm.due(10_000) == ()


def test_acknowledging_works_while_shelved() -> None:
    alarm = Alarm().shelved(0, 60).raised(10)

    transition = alarm.step(Step.ACKNOWLEDGE, 11, actor="sari")

    assert transition is not None
    assert alarm.state() is AlarmState.ACTIVE_ACKED
    assert alarm.inhibit() is Inhibit.SHELVED


def test_what_is_acknowledged_and_still_active_is_announced_at_the_end_of_the_shelf() -> None:
    alarm = Alarm().raised()
    alarm.step(Step.ACKNOWLEDGE, 1, actor="sari")
    alarm.shelved(2, 60)

    alarm.step(Step.UNSHELVE, 30, actor="sari")

    assert alarm.announced == [Step.RAISE, Step.UNSHELVE]
    assert alarm.state() is AlarmState.ACTIVE_ACKED


def test_shelving_anew_replaces_the_shelf() -> None:
    alarm = Alarm().shelved(0, 600, Step.SHELVE_ONCE)

    alarm.shelved(10, 5)

    assert alarm.inhibit() is Inhibit.SHELVED
    assert alarm.standing.until_us == START_US + 15 * MIN_US


# Suppression and service


def test_suppression_goes_on_underneath_a_shelf_and_is_left_when_that_ends() -> None:
    alarm = Alarm().shelved(0, 60)
    alarm.step(Step.SUPPRESS, 5)
    alarm.raised(10)
    assert (alarm.standing.inhibit, alarm.standing.suppressed) == (Inhibit.SHELVED, True)

    alarm.step(Step.EXPIRE, 60)
    assert alarm.inhibit() is Inhibit.SUPPRESSED
    assert alarm.announced == []
    alarm.step(Step.RELEASE, 70)

    assert alarm.announced == [Step.RELEASE]
    assert (alarm.standing.inhibit, alarm.standing.suppressed) == (Inhibit.NONE, False)


def test_a_suppression_that_ends_underneath_a_shelf_announces_nothing() -> None:
    alarm = Alarm()
    alarm.step(Step.SUPPRESS, 0)
    alarm.raised(1).shelved(2, 60)

    alarm.step(Step.RELEASE, 5)
    assert (alarm.standing.inhibit, alarm.announced) == (Inhibit.SHELVED, [])
    alarm.step(Step.EXPIRE, 62)

    assert alarm.announced == [Step.EXPIRE]


def test_what_clears_while_suppressed_is_never_announced() -> None:
    alarm = Alarm()
    alarm.step(Step.SUPPRESS, 0)
    alarm.raised(1)
    alarm.step(Step.CLEAR, 5)

    alarm.step(Step.RELEASE, 9)

    assert alarm.state() is AlarmState.RETURNED_UNACKED
    assert alarm.announced == []


def test_taking_out_of_service_ends_a_shelf_and_comes_back_with_a_reason_only() -> None:
    alarm = Alarm().raised().shelved(1, 60)

    alarm.step(Step.TAKE_OUT, 2, actor="budi", text="outlet closed for works")

    assert (alarm.standing.inhibit, alarm.standing.until_us) == (Inhibit.OUT_OF_SERVICE, None)
    assert alarm.due(10_000) == ()
    with pytest.raises(InputError, match="a reason is needed to put it back into service"):
        alarm.step(Step.PUT_BACK, 3, actor="budi")
    alarm.step(Step.PUT_BACK, 3, actor="budi", text="works are done")
    assert alarm.announced == [Step.RAISE, Step.PUT_BACK]


# Re-alarm


def test_what_stays_active_after_its_acknowledgement_is_raised_anew() -> None:
    alarm = Alarm().raised()
    alarm.step(Step.ACKNOWLEDGE, 10, actor="budi")
    assert alarm.due(10 + 8 * 60 - 1) == ()
    assert alarm.due(10 + 8 * 60) == (Step.REALARM,)

    alarm.step(Step.REALARM, 10 + 8 * 60)

    assert alarm.state() is AlarmState.ACTIVE_UNACKED
    assert alarm.standing.acked_by is None
    assert alarm.standing.raised_us == START_US + 490 * MIN_US
    assert alarm.announced == [Step.RAISE, Step.REALARM]


def test_a_rule_without_a_re_alarm_never_raises_anew() -> None:
    alarm = Alarm(replace(WATCH, realarm_s=None)).raised()
    alarm.step(Step.ACKNOWLEDGE, 10, actor="budi")

    assert alarm.due(100_000) == ()
    assert alarm.step(Step.REALARM, 100_000) is None


def test_a_re_alarm_goes_on_underneath_a_shelf_unannounced() -> None:
    alarm = Alarm().raised()
    alarm.step(Step.ACKNOWLEDGE, 1, actor="budi")
    alarm.shelved(2, 24 * 60)
    assert alarm.due(10 * 60) == (Step.REALARM,)

    alarm.step(Step.REALARM, 10 * 60)

    assert alarm.announced == [Step.RAISE]
    assert alarm.state() is AlarmState.ACTIVE_UNACKED
    assert alarm.due(24 * 60) == ()


# Escalation


def test_levels_are_the_distinct_times_of_the_rule() -> None:
    assert levels(WATCH) == (1800, 7200)


def test_what_nobody_acknowledges_goes_up_level_by_level() -> None:
    alarm = Alarm().raised()
    assert alarm.due(29.99) == ()
    assert alarm.due(30) == (Step.ESCALATE,)

    alarm.step(Step.ESCALATE, 30)
    assert alarm.standing.level == 1
    assert alarm.step(Step.ESCALATE, 119) is None
    alarm.step(Step.ESCALATE, 120)

    assert alarm.standing.level == 2
    assert alarm.due(100_000) == ()
    assert [transition.level for transition in alarm.journal] == [0, 1, 2]


def test_after_a_standstill_no_level_is_left_out() -> None:
    assert Alarm().raised().due(600) == (Step.ESCALATE, Step.ESCALATE)


def test_what_returned_unacknowledged_goes_on_escalating() -> None:
    alarm = Alarm().raised()

    alarm.step(Step.CLEAR, 5)

    assert alarm.due(30) == (Step.ESCALATE,)


def test_those_told_by_escalation_are_told_that_it_is_over_once_it_is_acknowledged() -> None:
    alarm = Alarm().raised()
    alarm.step(Step.ESCALATE, 30)
    alarm.step(Step.ACKNOWLEDGE, 40, actor="budi")
    assert alarm.due(40) == (Step.DEESCALATE,)

    transition = alarm.step(Step.DEESCALATE, 40)

    assert transition is not None
    assert transition.announced
    assert alarm.standing.level == 0
    assert alarm.due(41) == ()


def test_an_alarm_that_is_normal_again_keeps_its_episode_until_it_is_de_escalated() -> None:
    alarm = Alarm().raised()
    alarm.step(Step.ESCALATE, 30)
    alarm.step(Step.CLEAR, 35)
    alarm.step(Step.ACKNOWLEDGE, 40, actor="budi")
    assert alarm.state() is AlarmState.NORMAL

    transition = alarm.step(Step.DEESCALATE, 40)

    assert transition is not None
    assert transition.episode_us == START_US
    assert alarm.episode_us() is None


def test_an_alarm_that_comes_and_goes_unacknowledged_still_reaches_the_next_level() -> None:
    alarm = Alarm().raised()
    for minute in (10, 20):
        alarm.step(Step.CLEAR, minute)
        alarm.raised(minute + 5, episode_us=START_US + minute * MIN_US)

    assert alarm.due(30) == (Step.ESCALATE,)


def test_once_every_level_was_told_a_new_raise_starts_over() -> None:
    alarm = Alarm().raised()
    alarm.step(Step.ESCALATE, 30)
    alarm.step(Step.ESCALATE, 120)
    alarm.step(Step.CLEAR, 130)

    alarm.raised(500, episode_us=START_US + 490 * MIN_US)

    assert alarm.standing.level == 0
    assert alarm.due(529) == ()
    assert alarm.due(530) == (Step.ESCALATE,)


def test_nothing_escalates_while_it_is_inhibited_and_it_starts_over_when_that_ends() -> None:
    alarm = Alarm().raised().shelved(10, 300)
    assert alarm.due(200) == ()

    alarm.step(Step.EXPIRE, 310)

    assert alarm.due(339) == ()
    assert alarm.due(340) == (Step.ESCALATE,)


def test_the_end_of_an_escalation_waits_for_the_end_of_a_shelf() -> None:
    alarm = Alarm().raised()
    alarm.step(Step.ESCALATE, 30)
    alarm.shelved(31, 60)
    alarm.step(Step.ACKNOWLEDGE, 40, actor="budi")
    assert alarm.due(41) == ()

    alarm.step(Step.EXPIRE, 91)

    assert alarm.due(91) == (Step.DEESCALATE,)


# What people may not do


@pytest.mark.parametrize(
    ("standing", "step", "said"),
    [
        (
            NORMAL,
            Step.ACKNOWLEDGE,
            "Alarm `cod_limit` of `p/_park/outlet/cod` is not raised; there is nothing to acknowledge.",
        ),
        (replace(NORMAL, state=AlarmState.PENDING), Step.ACKNOWLEDGE, "is not raised yet, its delay still runs"),
        (
            replace(NORMAL, state=AlarmState.ACTIVE_ACKED, acked_by="sari", acked_us=START_US),
            Step.ACKNOWLEDGE,
            "was acknowledged by sari at 2026-11-24T01:00:00Z already.",
        ),
        (replace(NORMAL, state=AlarmState.LATCHED), Step.ACKNOWLEDGE, "already; what it waits for is its reset."),
        (replace(NORMAL, state=AlarmState.ACTIVE_ACKED), Step.RESET, "is still active; it can be reset when"),
        (replace(NORMAL, state=AlarmState.RETURNED_UNACKED), Step.RESET, "is not acknowledged yet"),
        (NORMAL, Step.RESET, "is not latched"),
        (NORMAL, Step.UNSHELVE, "is not shelved"),
        (NORMAL, Step.PUT_BACK, "is not out of service"),
        (replace(NORMAL, inhibit=Inhibit.OUT_OF_SERVICE), Step.TAKE_OUT, "is out of service already"),
        (replace(NORMAL, inhibit=Inhibit.OUT_OF_SERVICE), Step.SHELVE, "put it back before it is shelved"),
    ],
)
def test_an_act_that_makes_no_sense_is_refused_with_a_sentence(standing: Standing, step: Step, said: str) -> None:
    with pytest.raises(InputError) as refusal:
        Alarm(standing=standing).step(step, text="why", until_us=START_US + HOUR_US)

    assert said in str(refusal.value)
    assert str(refusal.value).endswith(".")


def test_a_comment_is_kept_each_time_and_needs_words() -> None:
    alarm = Alarm()
    alarm.step(Step.COMMENT, 1, text="seen", actor="budi")
    alarm.step(Step.COMMENT, 1, text="seen", actor="budi")

    assert alarm.standing == replace(NORMAL, version=2)
    with pytest.raises(InputError, match="a text is needed for a comment"):
        alarm.step(Step.COMMENT, 2, actor="budi")
