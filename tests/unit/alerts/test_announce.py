"""Who is told of which step, when, and under which key."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from alerts.announce import audience, is_urgent, notifications, quiet_until
from alerts.machine import apply
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
from domain.notifications import Contact, Notification, Quiet, Way
from domain.registry import Park
from domain.time import SECOND_US, parse_instant, to_datetime

JAKARTA, BERLIN = ZoneInfo("Asia/Jakarta"), ZoneInfo("Europe/Berlin")
PARK = Park(id=1, key="karawang", name="Karawang", zone=JAKARTA, base_s=900, lateness_s=600, version=1)
START_US = parse_instant("2026-11-24T23:00:00+07:00")
MIN_US = 60 * SECOND_US

WATCH = Watch(
    rule_id=1,
    alarm_id=7,
    rule="flow_high",
    target="karawang/_park/wwtp_outlet/effluent_flow",
    name="Flow at the outlet",
    category=Category.WARNING,
    severity=Severity.HIGH,
    source=Source(signal=Signal.VALUE, channel_id=1),
    unit="m3/h",
    highest=50.0,
    realarm_s=3600,
    tell=(
        Tell(contact="shift"),
        Tell(contact="hook"),
        Tell(contact="boss", after_s=1800),
        Tell(contact="shift", after_s=1800),
        Tell(contact="owner", after_s=7200),
    ),
)
CONTACTS = {
    "shift": Contact(key="shift", name="Shift", way=Way.EMAIL, address="shift@park.example"),
    "hook": Contact(key="hook", name="Hook", way=Way.WEBHOOK, address="https://hook.example/alarms"),
    "boss": Contact(key="boss", name="Boss", way=Way.EMAIL, address="boss@park.example"),
    "owner": Contact(key="owner", name="Owner", way=Way.MQTT, address="owner"),
}
NORMAL = Standing(alarm_id=7)
ACTIVE = replace(
    NORMAL, state=AlarmState.ACTIVE_UNACKED, episode_us=START_US, raised_us=START_US + 2 * MIN_US, version=1
)


def told(
    standing: Standing,
    step: Step,
    minutes: float,
    *,
    watch: Watch = WATCH,
    contacts: dict[str, Contact] = CONTACTS,
    clock_minutes: float | None = None,
    until_us: int | None = None,
) -> tuple[Notification, ...]:
    at_us = START_US + round(minutes * MIN_US)
    now_us = at_us if clock_minutes is None else START_US + round(clock_minutes * MIN_US)
    _, transition = apply(
        standing,
        step,
        watch=watch,
        at_us=at_us,
        now_us=now_us,
        actor="budi",
        text="because",
        episode_us=START_US if step is Step.RAISE else None,
        until_us=until_us,
    )
    assert transition is not None
    return notifications(
        transition, watch, park=PARK, standing=standing, episode=None, contacts=contacts, now_us=now_us
    )


def names(notifications: tuple[Notification, ...]) -> list[str]:
    return [notification.contact for notification in notifications]


# Who


def test_a_raise_is_told_to_those_who_are_told_at_once() -> None:
    assert names(told(NORMAL, Step.RAISE, 2)) == ["shift", "hook"]


def test_each_level_of_an_escalation_is_told_to_its_own() -> None:
    assert names(told(ACTIVE, Step.ESCALATE, 40)) == ["boss", "shift"]
    assert names(told(replace(ACTIVE, level=1), Step.ESCALATE, 130)) == ["owner"]


@pytest.mark.parametrize(("level", "expected"), [(1, ["boss", "shift"]), (2, ["boss", "shift", "owner"])])
def test_the_end_of_an_escalation_is_told_to_those_who_were_reached_by_it(level: int, expected: list[str]) -> None:
    acked = replace(ACTIVE, state=AlarmState.ACTIVE_ACKED, level=level, acked_us=START_US, acked_by="budi")

    assert names(told(acked, Step.DEESCALATE, 41)) == expected


@pytest.mark.parametrize(
    ("level", "expected"),
    [(0, ["shift", "hook"]), (1, ["shift", "hook", "boss"]), (2, ["shift", "hook", "boss", "owner"])],
)
def test_that_it_is_over_is_told_to_everybody_who_knew(level: int, expected: list[str]) -> None:
    assert names(told(replace(ACTIVE, level=level), Step.CLEAR, 200)) == expected


def test_a_re_alarm_begins_with_those_who_are_told_at_once() -> None:
    acked = replace(ACTIVE, state=AlarmState.ACTIVE_ACKED, acked_us=START_US, acked_by="budi")

    assert names(told(acked, Step.REALARM, 60)) == ["shift", "hook"]


@pytest.mark.parametrize(
    ("inhibit", "step"),
    [
        (Inhibit.SHELVED, Step.UNSHELVE),
        (Inhibit.SHELVED, Step.EXPIRE),
        (Inhibit.SUPPRESSED, Step.RELEASE),
        (Inhibit.OUT_OF_SERVICE, Step.PUT_BACK),
    ],
)
def test_the_end_of_an_inhibit_is_told_while_it_is_active_and_else_not(inhibit: Inhibit, step: Step) -> None:
    shelf_us = START_US if inhibit is Inhibit.SHELVED else None
    inhibited = replace(ACTIVE, inhibit=inhibit, suppressed=inhibit is Inhibit.SUPPRESSED, until_us=shelf_us)

    assert names(told(inhibited, step, 60)) == ["shift", "hook"]
    assert told(replace(inhibited, state=AlarmState.RETURNED_UNACKED), step, 60) == ()


def test_nothing_is_told_of_what_is_inhibited_nor_of_what_people_do() -> None:
    shelved = replace(NORMAL, inhibit=Inhibit.SHELVED, until_us=START_US + 600 * MIN_US)

    assert told(shelved, Step.RAISE, 2) == ()
    assert told(ACTIVE, Step.ACKNOWLEDGE, 5) == ()
    assert told(ACTIVE, Step.SHELVE, 5, until_us=START_US + 60 * MIN_US) == ()
    assert told(ACTIVE, Step.COMMENT, 5) == ()


def test_a_revision_is_told_of_compliance_only() -> None:
    assert told(ACTIVE, Step.REVISE, 5) == ()
    assert names(told(ACTIVE, Step.REVISE, 5, watch=replace(WATCH, category=Category.EXCEEDANCE))) == ["shift", "hook"]


def test_contacts_are_told_only_what_they_want_and_those_that_are_gone_not_at_all() -> None:
    contacts = {
        "shift": replace(CONTACTS["shift"], categories=(Category.EXCEEDANCE, Category.SYSTEM)),
        "hook": replace(CONTACTS["hook"], least_severity=Severity.CRITICAL),
    }

    assert told(NORMAL, Step.RAISE, 2, contacts=contacts) == ()
    assert told(ACTIVE, Step.ESCALATE, 40, contacts=contacts) == ()
    worse = replace(WATCH, severity=Severity.CRITICAL, category=Category.SYSTEM)
    assert names(told(NORMAL, Step.RAISE, 2, contacts=contacts, watch=worse)) == ["shift", "hook"]


def test_a_contact_that_a_rule_names_twice_at_once_is_told_once() -> None:
    watch = replace(WATCH, tell=(Tell(contact="shift"), Tell(contact="shift")))

    assert names(told(NORMAL, Step.RAISE, 2, watch=watch)) == ["shift"]


def test_a_level_that_the_rule_no_longer_has_is_told_to_nobody() -> None:
    transition = Transition(
        alarm_id=7,
        step=Step.ESCALATE,
        before=AlarmState.ACTIVE_UNACKED,
        after=AlarmState.ACTIVE_UNACKED,
        inhibit=Inhibit.NONE,
        at_us=START_US,
        episode_us=START_US,
        actor="engine",
        level=5,
    )

    assert audience(transition, WATCH, level_before=4) == ()


# Under which key


def test_keys_name_park_alarm_episode_step_and_contact() -> None:
    assert [one.dedup_key for one in told(NORMAL, Step.RAISE, 2)] == [
        "karawang/flow_high@karawang/_park/wwtp_outlet/effluent_flow/2026-11-24T16:00:00Z/raise/2026-11-24T16:02:00Z/shift",
        "karawang/flow_high@karawang/_park/wwtp_outlet/effluent_flow/2026-11-24T16:00:00Z/raise/2026-11-24T16:02:00Z/hook",
    ]


def test_the_key_of_a_step_of_the_condition_does_not_depend_on_the_clock() -> None:
    early, late = told(NORMAL, Step.RAISE, 2, clock_minutes=3), told(NORMAL, Step.RAISE, 2, clock_minutes=300)

    assert [one.dedup_key for one in early] == [one.dedup_key for one in late]


def test_the_key_of_an_escalation_does_not_depend_on_when_the_timer_ran() -> None:
    early, late = told(ACTIVE, Step.ESCALATE, 40), told(ACTIVE, Step.ESCALATE, 45)

    assert [one.dedup_key for one in early] == [one.dedup_key for one in late]
    assert early[0].dedup_key.endswith("/escalate/1.2026-11-24T16:02:00Z/boss")


def test_escalations_after_a_re_alarm_of_one_episode_have_keys_of_their_own() -> None:
    first = told(ACTIVE, Step.ESCALATE, 40)
    again = told(replace(ACTIVE, raised_us=START_US + 300 * MIN_US), Step.ESCALATE, 340)

    assert {one.dedup_key for one in first}.isdisjoint(one.dedup_key for one in again)


def test_stretches_of_one_episode_that_are_raised_twice_have_keys_of_their_own() -> None:
    returned = replace(ACTIVE, state=AlarmState.RETURNED_UNACKED)

    first, again = told(NORMAL, Step.RAISE, 2), told(returned, Step.RAISE, 30)

    assert {one.dedup_key for one in first}.isdisjoint(one.dedup_key for one in again)


# When


def test_compliance_and_what_is_critical_are_urgent() -> None:
    assert not is_urgent(WATCH)
    assert is_urgent(replace(WATCH, category=Category.EXCEEDANCE, severity=Severity.LOW))
    assert is_urgent(replace(WATCH, category=Category.SYSTEM, severity=Severity.CRITICAL))


def test_quiet_hours_hold_back_what_is_not_urgent_until_their_end() -> None:
    quiet = {"shift": replace(CONTACTS["shift"], quiet=Quiet(from_minute=22 * 60, to_minute=6 * 60))}

    (held,) = told(NORMAL, Step.RAISE, 2, contacts=quiet)
    (urgent,) = told(NORMAL, Step.RAISE, 2, contacts=quiet, watch=replace(WATCH, category=Category.EXCEEDANCE))

    assert (held.not_before_us, held.urgent) == (parse_instant("2026-11-25T06:00:00+07:00"), False)
    assert (urgent.not_before_us, urgent.urgent) == (START_US + 2 * MIN_US, True)


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        ((22, 6), "2026-11-24T21:59:59", "2026-11-24T21:59:59"),
        ((22, 6), "2026-11-24T22:00:00", "2026-11-25T06:00:00"),
        ((22, 6), "2026-11-24T23:59:59", "2026-11-25T06:00:00"),
        ((22, 6), "2026-11-25T00:00:00", "2026-11-25T06:00:00"),
        ((22, 6), "2026-11-25T05:59:59", "2026-11-25T06:00:00"),
        ((22, 6), "2026-11-25T06:00:00", "2026-11-25T06:00:00"),
        ((12, 13), "2026-11-25T12:30:00", "2026-11-25T13:00:00"),
        ((12, 13), "2026-11-25T13:00:00", "2026-11-25T13:00:00"),
        ((18, 24), "2026-12-31T20:00:00", "2027-01-01T00:00:00"),
        ((22, 0), "2026-12-31T23:00:00", "2027-01-01T00:00:00"),
        ((0, 24), "2026-11-25T09:00:00", "2026-11-26T00:00:00"),
        ((8, 8), "2026-11-25T08:00:00", "2026-11-25T08:00:00"),
    ],
)
def test_quiet_hours_are_those_of_the_park(hours: tuple[int, int], now: str, until: str) -> None:
    quiet = Quiet(from_minute=60 * hours[0], to_minute=60 * hours[1])

    end_us = quiet_until(quiet, JAKARTA, parse_instant(f"{now}+07:00"))

    assert to_datetime(end_us) == to_datetime(parse_instant(f"{until}+07:00"))


@pytest.mark.parametrize(
    ("to_minute", "now", "until"),
    [
        (6 * 60, "2026-03-28T23:00:00+01:00", "2026-03-29T06:00:00+02:00"),
        (6 * 60, "2026-10-24T23:00:00+02:00", "2026-10-25T06:00:00+01:00"),
        # Half past two does not come that night: clocks show half past three then.
        (150, "2026-03-28T23:00:00+01:00", "2026-03-29T03:30:00+02:00"),
        # Half past two comes twice that night.
        (150, "2026-10-25T02:10:00+02:00", "2026-10-25T02:30:00+02:00"),
        (150, "2026-10-25T02:10:00+01:00", "2026-10-25T02:30:00+01:00"),
    ],
)
def test_quiet_hours_end_by_the_clocks_of_the_park_where_those_change(to_minute: int, now: str, until: str) -> None:
    quiet = Quiet(from_minute=22 * 60, to_minute=to_minute)

    assert quiet_until(quiet, BERLIN, parse_instant(now)) == parse_instant(until)


def test_without_quiet_hours_nothing_waits() -> None:
    assert quiet_until(None, JAKARTA, START_US) == START_US
