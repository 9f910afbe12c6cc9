"""Alarm rules and contacts as they are written: their shapes, their round trip, and what is said of wrong ones."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from domain.alarmentries import AlarmEntry, ContactEntry, ScheduleEntry, contact_of, schedule_of
from domain.alarms import Alignment, Category, Schedule, Severity, WindowStatistic
from domain.errors import RegistryError, UnitError
from domain.notifications import Contact, Quiet, Way
from domain.parkfile import parse
from domain.watchentries import ChannelWatch, in_unit, number_written, unit_written, window_seconds
from tests.support.alarm_texts import a_rule, an_entry, with_alarms
from tests.support.example_park import example_park

WATCHES = [
    {
        "channel": "_park/wwtp_outlet/cod",
        "statistic": "mean",
        "window": "1h",
        "alignment": "rolling",
        "least_valid": 0.75,
    },
    {"channel": "*/*/cod"},
    {"amount": "_park/wwtp_outlet/load_cod", "window": "day"},
    {"rate": "_park/wwtp_outlet/ph", "over": "10min"},
    {"kpi": "power_factor", "of": "park", "level": "month", "alignment": "running"},
    {"compliance": "_park/wwtp_outlet/cod", "share": 0.8},
    {"silence": "channels", "of": "*"},
    {"finding": "frozen", "of": "*/*/ph"},
    {"health": "ingest_lag"},
]


def mistakes_of(*rules: str, contacts: str = "") -> list[str]:
    """What is said of the shapes of a park file with these rules."""
    with pytest.raises(RegistryError) as raised:
        parse(with_alarms(*rules, contacts=contacts), "yaml")
    return str(raised.value).split("\n- ")[1:]


def a_contact(**changes: object) -> ContactEntry:
    fields = {"key": "a", "name": "A", "way": "email", "address": "a@example.com", **changes}
    return ContactEntry.model_validate(fields)


@pytest.mark.parametrize("watch", WATCHES, ids=lambda watch: next(iter(watch)))
def test_a_rule_of_every_kind_comes_back_from_json_as_it_was(watch: dict[str, object]) -> None:
    entry = an_entry(watch=watch, valid_from=datetime(2026, 1, 1, tzinfo=UTC), suppress=[{"alarm": "x"}])

    assert AlarmEntry.model_validate_json(entry.model_dump_json()) == entry
    assert AlarmEntry.model_validate(entry.model_dump(mode="json")) == entry


def test_the_rules_and_contacts_of_the_example_park_come_back_from_json_as_they_were() -> None:
    park = example_park()

    assert tuple(AlarmEntry.model_validate_json(one.model_dump_json()) for one in park.alarms) == park.alarms
    assert tuple(ContactEntry.model_validate_json(one.model_dump_json()) for one in park.contacts) == park.contacts


def test_what_a_rule_does_not_say_has_a_default() -> None:
    entry = an_entry()

    assert isinstance(entry.watch, ChannelWatch)
    assert (entry.watch.statistic, entry.watch.window, entry.watch.alignment) == (None, None, Alignment.CLOCK)
    assert (entry.deadband, entry.on_delay_s, entry.off_delay_s, entry.merge_gap_s) == (0.0, 0, 0, None)
    assert (entry.latching, entry.enabled, entry.tell, entry.suppress, entry.schedule) == (False, True, (), (), None)
    assert entry.level is Severity.HIGH


def test_a_park_file_without_alarms_has_none() -> None:
    assert parse(with_alarms(), "yaml").alarms == ()


def test_words_become_what_they_stand_for() -> None:
    entry = an_entry(watch=WATCHES[0], category="exceedance", severity="critical")

    assert isinstance(entry.watch, ChannelWatch)
    assert entry.watch.statistic is WindowStatistic.MEAN
    assert (entry.category, entry.level) == (Category.EXCEEDANCE, Severity.CRITICAL)


@pytest.mark.parametrize(
    ("written", "unit", "number"),
    [
        (100, "mg/L", 100.0),
        ("100 mg/L", "mg/L", 100.0),
        ("0.1 g/L", "mg/L", 100.0),
        ("0.1g/L", "mg/L", 100.0),
        ("15 min", "s", 900.0),
        ("2 h", "s", 7200.0),
        ("10 %", "1", 0.1),
        ("0.5 t", "kg", 500.0),
        ("-3 pH/h", "pH/h", -3.0),
        ("1e3 kW", "kW", 1000.0),
        ("3 L/s", "m3/h", 10.8),
        (".5 1", "1", 0.5),
    ],
)
def test_a_bound_may_name_its_unit(written: float | str, unit: str, number: float) -> None:
    assert in_unit(an_entry(above=written).above or 0, unit) == number


def test_a_bound_of_another_thing_is_refused() -> None:
    with pytest.raises(UnitError, match="unit 'kWh' cannot be brought to mg/L: it measures something else"):
        in_unit("5 kWh", "mg/L")


def test_the_number_and_the_unit_of_a_bound_can_be_told_apart() -> None:
    assert (number_written("-0.85 1"), unit_written("-0.85 1")) == (-0.85, "1")
    assert (number_written(7.0), unit_written(7.0)) == (7.0, None)


@pytest.mark.parametrize("written", [True, None, "much", "5", "5 mg/L or so", float("inf"), float("nan"), [5], "5 6"])
def test_what_is_no_bound_is_refused(written: object) -> None:
    with pytest.raises(
        ValidationError, match="must be a number in the unit of what is watched, or a number with its unit"
    ):
        an_entry(deadband=written)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("120s", 120), ("2min", 120), ("1h", 3600), ("hour", 3600), ("day", 86400), ("744h", 744 * 3600), ("month", None)],
)
def test_windows_are_lengths_or_words(written: str, seconds: int | None) -> None:
    an_entry(watch={"channel": "a/b/cod", "statistic": "max", "window": written})

    assert window_seconds(written) == seconds


@pytest.mark.parametrize("written", ["0s", "2", "1.5h", "745h", "week", "-1h", "", "1 h", "99999999s"])
def test_what_is_no_window_is_refused(written: str) -> None:
    with pytest.raises(ValidationError, match="must be a length like 120s, 10min or 8h"):
        an_entry(watch={"channel": "a/b/cod", "statistic": "max", "window": written})


def test_mistakes_of_shape_are_told_together_with_their_places() -> None:
    rules = (
        "{key: a, name: A, category: warnin, severity: bad, watch: {foo: 1}, above: 5}",
        a_rule(
            "channel: a/b/c, statistik: mean", "above: many, on_delay_s: -1, tell: [{contact: x, later_s: 3}]", key="b"
        ),
        a_rule("kpi: x, level: dy, alignment: rolling", "schedule: {clock: 22-6, days: [mo]}", key="c"),
        a_rule("finding: froze", key="d"),
        a_rule("health: cpu", key="e"),
        a_rule("silence: gateways", key="f"),
        a_rule("compliance: a/b/c, share: 1.2", key="g"),
    )

    assert mistakes_of(*rules) == [
        "alarms[0].category: must be 'exceedance', 'warning', 'data_quality', 'device' or 'system', is \"warnin\" (alarm a)",
        "alarms[0].severity: must be 'low', 'medium', 'high' or 'critical', is \"bad\" (alarm a)",
        (
            "alarms[0].watch: must be a group of fields with one of channel, amount, rate, kpi, compliance, silence, finding, "
            'health, is {"foo": 1} (alarm a)'
        ),
        (
            "alarms[1].watch.statistik: is not a known field; known here are channel, statistic, window, alignment, least_valid "
            "(alarm b)"
        ),
        (
            'alarms[1].above: must be a number in the unit of what is watched, or a number with its unit, like "100 mg/L", is "many" '
            "(alarm b)"
        ),
        "alarms[1].on_delay_s: must be at least 0, is -1 (alarm b)",
        "alarms[1].tell[0].later_s: is not a known field; known here are contact, after_s (alarm b)",
        "alarms[2].watch.level: must be 'base', 'hour', 'day', 'week', 'month' or 'year', is \"dy\" (alarm c)",
        "alarms[2].watch.alignment: must be 'clock' or 'running', is \"rolling\" (alarm c)",
        (
            "alarms[2].schedule.days[0]: must be 'mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun', 'workdays', 'weekend' or 'all', "
            'is "mo" (alarm c)'
        ),
        'alarms[2].schedule.clock: must be a stretch of the clock, like "22:00-06:00" (in quotation marks), is "22-6" (alarm c)',
        (
            "alarms[3].watch.finding: must be 'spike', 'frozen', 'zero', 'high', 'low', 'gap', 'sum', 'capacity', 'hierarchy', 'range', "
            "'outlier', 'drift', 'negative', 'bod_above_cod', 'load_without_flow' or 'estimation', is \"froze\" (alarm d)"
        ),
        "alarms[4].watch.health: must be 'ingest_lag', 'disk_free', 'engine_lag' or 'queue_rows', is \"cpu\" (alarm e)",
        "alarms[5].watch.silence: must be 'channels', 'meters' or 'tenants', is \"gateways\" (alarm f)",
        "alarms[6].watch.share: must be at most 1, is 1.2 (alarm g)",
    ]


@pytest.mark.parametrize("place", ["a b/c/d", "A/b/c", "/a/b", "a//b", "a/b/", "", "a/b/c d", "a/b/[c]"])
def test_what_is_no_place_is_refused(place: str) -> None:
    with pytest.raises(ValidationError, match="must be a place like tenant/meter/quantity"):
        an_entry(watch={"channel": place})


def test_a_watch_of_two_kinds_is_refused() -> None:
    assert mistakes_of(a_rule("channel: a/b/cod, amount: a/b/cod", "above: 1")) == [
        "alarms[0].watch.amount: is not a known field; known here are channel, statistic, window, alignment, least_valid (alarm odd)"
    ]


@pytest.mark.parametrize(
    ("entry", "schedule"),
    [
        ({}, Schedule()),
        (
            {"days": ["workdays"], "clock": "22:00-06:00", "holidays": False},
            Schedule(days=(0, 1, 2, 3, 4), from_minute=22 * 60, to_minute=6 * 60, on_holidays=False),
        ),
        ({"days": ["weekend", "mon", "sun"]}, Schedule(days=(0, 5, 6))),
        ({"clock": "22:00-24:00"}, Schedule(from_minute=22 * 60, to_minute=24 * 60)),
    ],
)
def test_a_schedule_becomes_days_and_minutes(entry: dict[str, object], schedule: Schedule) -> None:
    assert schedule_of(ScheduleEntry.model_validate(entry)) == schedule


def test_without_a_schedule_a_rule_is_always_looked_at() -> None:
    assert schedule_of(None) is None


@pytest.mark.parametrize(
    "clock", ["06:00-06:00", "25:00-06:00", "6:00-7:00", "06:00", "06:60-07:00", "06:00-24:30", "24:00-06:00"]
)
def test_what_is_no_stretch_of_the_clock_is_refused(clock: str) -> None:
    with pytest.raises(ValidationError):
        ScheduleEntry.model_validate({"clock": clock})


def test_a_contact_becomes_what_notifications_know() -> None:
    entry = a_contact(categories=["exceedance"], least_severity="high", quiet="22:00-06:00", hourly=5)

    assert contact_of(entry) == Contact(
        key="a",
        name="A",
        way=Way.EMAIL,
        address="a@example.com",
        categories=(Category.EXCEEDANCE,),
        least_severity=Severity.HIGH,
        quiet=Quiet(from_minute=1320, to_minute=360),
        hourly=5,
    )


def test_a_contact_is_told_of_everything_at_all_hours_where_it_does_not_say_otherwise() -> None:
    assert contact_of(a_contact()) == Contact(key="a", name="A", way=Way.EMAIL, address="a@example.com")


@pytest.mark.parametrize(
    ("way", "address"),
    [
        ("email", "officer@example.com"),
        ("webhook", "https://example.com/alarms?x=1"),
        ("webhook", "http://10.0.0.5:8080/"),
        ("mqtt", "officers/wwtp"),
    ],
)
def test_addresses_fit_their_way(way: str, address: str) -> None:
    assert a_contact(way=way, address=address).address == address


@pytest.mark.parametrize(
    ("way", "address", "sentence"),
    [
        ("email", "officer", "must be an e-mail address, like officer@example.com"),
        ("email", "a@b.com\\r\\nBcc: c@d.com", "must be an e-mail address"),
        ("email", "a@b.com,c@d.com", "must be an e-mail address"),
        (
            "webhook",
            "ftp://example.com",
            "must be a URL like https://example.com/alarms, without a name or password in it",
        ),
        ("webhook", "https://user:secret@example.com", "must be a URL like"),
        ("webhook", "https://", "must be a URL like"),
        ("webhook", "https://[::1", "must be a URL like"),
        ("webhook", "https://example.com/a b", "must be a URL like"),
        ("webhook", "https://example.com:99999/", "must be a URL like"),
        ("mqtt", "alarms/#", "must be a topic like officers/wwtp"),
        ("mqtt", "/alarms", "must be a topic like officers/wwtp"),
        ("mqtt", "a b", "must be a topic like officers/wwtp"),
    ],
)
def test_an_address_that_does_not_fit_its_way_is_refused(way: str, address: str, sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        a_contact(way=way, address=address.encode().decode("unicode_escape"))


def test_mistakes_of_contacts_name_them() -> None:
    contacts = (
        "contacts:\n  - {key: a, name: A, way: email, address: nowhere}\n  - {key: b, name: B, way: sms, address: x}\n"
    )

    assert mistakes_of(a_rule("channel: _park/outlet/cod", "above: 1"), contacts=contacts) == [
        'contacts[0].address: must be an e-mail address, like officer@example.com, is "nowhere" (contact a)',
        "contacts[1].way: must be 'email', 'webhook' or 'mqtt', is \"sms\" (contact b)",
    ]
