"""What alarm rules of the right shape can still get wrong: every bad input has its sentence, and all are told together."""

import pytest

from domain.alarmchecks import alarm_problems
from domain.parkfile import mistakes
from tests.support.alarm_texts import a_rule, an_entry, found, the_park, the_registry
from tests.support.park_texts import RIGHT, changed

COD = "channel: _park/outlet/cod"
PH = "channel: _park/outlet/ph"
POWER = "channel: alpha/main/power"
EVERY_KIND = (
    a_rule(COD, "above: 100 mg/L, deadband: 5, on_delay_s: 240", key="value"),
    a_rule(
        f"{PH}, statistic: range, window: 10min, alignment: rolling", "above: 9, below: 6, deadband: 0.1", key="window"
    ),
    a_rule("amount: _park/outlet/load_cod, window: day", "above: 0.5 t", key="load"),
    a_rule("rate: '*/*/ph', over: 10min", "above: 3, below: -3", key="rate"),
    a_rule("kpi: power_factor, of: '*', level: month, alignment: running", "below: 0.85", key="kpi"),
    a_rule("compliance: _park/outlet/*, share: 0.9", key="early"),
    a_rule("silence: meters", "above: 30 min, suppress: [{alarm: gateway}]", key="meters", category="device"),
    a_rule("silence: tenants", "above: 20 min", key="gateway", category="device"),
    a_rule("finding: frozen, of: _park/outlet/*", key="frozen", category="data_quality"),
    a_rule("health: disk_free", "below: 10 %, deadband: 2 %", key="disk", category="system"),
)


def only(rule: str, *others: str, park: str = RIGHT) -> str:
    (sentence,) = found(rule, *others, park=park)
    return sentence


def test_rules_of_every_kind_are_right() -> None:
    assert found(*EVERY_KIND) == ()


def test_mistakes_of_rules_are_told_together_with_those_of_the_park() -> None:
    wrong = found(
        a_rule("channel: _park/outlet/codd", "above: 1", key="a"),
        a_rule(COD, key="b"),
        a_rule(COD, "above: 100, deadband: -1, tell: [{contact: nobody}]", key="c"),
        park=changed("highest: 9", "highest: 5"),
    )

    assert [sentence.split(":")[0] for sentence in wrong] == [
        "rule ph_outlet",
        "alarm a",
        "alarm b",
        "alarm c",
        "alarm c",
    ]


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (
            a_rule(f"{COD}", "above: 6, below: 9"),
            "below 9 mg/L is not less than above 6 mg/L; every value would be beyond, and it would never settle",
        ),
        (
            a_rule(COD, "above: 9, below: 9"),
            "below 9 mg/L is not less than above 9 mg/L; every value would be beyond, and it would never settle",
        ),
        (
            a_rule(COD, "above: 9, below: 6, deadband: 2"),
            (
                "deadband 2 mg/L is too wide for the 3 mg/L between below and above: no value could clear it, and it would never settle; "
                "it must be less than 1.5 mg/L"
            ),
        ),
        (
            a_rule(COD, "above: 5, deadband: 10"),
            (
                "above 5 mg/L of _park/outlet/cod with deadband 10 mg/L would be cleared at -5 mg/L, and the value is never below 0 mg/L; "
                "it would never settle"
            ),
        ),
        (
            a_rule("health: disk_free", "below: 15 %, deadband: 90 %", category="system"),
            "below 0.15 with deadband 0.9 would be cleared at 1.05, and the value is never above 1; it would never settle",
        ),
        (
            a_rule("silence: channels, of: alpha/water/water_in", "above: 60"),
            "above 60 s of alpha/water/water_in would be cleared at 60 s, and the value is never below 300 s; it would never settle",
        ),
        (
            a_rule("compliance: _park/outlet/ph, share: 0.8"),
            (
                "the limit ph_outlet of _park/outlet/ph taken times 0.8: below 7.5 pH is not less than above 7.2 pH; every value would be "
                "beyond, and it would never settle"
            ),
        ),
        (
            a_rule("kpi: wastewater_ratio, level: day", "above: 1, below: 0.5, deadband: 0.25"),
            (
                "deadband 0.25 is too wide for the 0.5 between below and above: no value could clear it, and it would never settle; "
                "it must be less than 0.25"
            ),
        ),
    ],
)
def test_thresholds_that_never_settle_are_refused(rule: str, sentence: str) -> None:
    assert only(rule) == f"alarm odd: {sentence}"


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (
            a_rule(f"{COD}, statistic: mean, window: 1min", "above: 100"),
            "window '1min' (60 s) is shorter than interval_s 120 of _park/outlet/cod; it must hold at least one reading",
        ),
        (
            a_rule("rate: _park/outlet/ph, over: 90s", "above: 3"),
            "over '90s' (90 s) is shorter than interval_s 120 of _park/outlet/ph; it must hold at least one reading",
        ),
        (
            a_rule("amount: alpha/water/water_in, window: 10min", "above: 3"),
            "window '10min' is shorter than the base interval of 900 s, which amounts are made of",
        ),
        (
            a_rule(f"{COD}, statistic: mean, window: 20min, alignment: rolling", "above: 100"),
            "window '20min' (1200 s) is neither shorter than the base interval of 900 s nor a multiple of it",
        ),
        (
            a_rule(f"{COD}, statistic: mean, window: 7h", "above: 100"),
            (
                "window '7h' (25200 s) neither divides a day nor is whole days, so it has no fixed place on the clock; "
                "use alignment 'rolling'"
            ),
        ),
        (
            a_rule(f"{COD}, statistic: mean, window: month, alignment: rolling", "above: 100"),
            "window 'month' cannot roll, for months differ in length; use alignment 'clock' or 'running', or '720h'",
        ),
        (
            a_rule(f"{COD}, window: 1h", "above: 100"),
            (
                "window '1h' stands without a statistic, which says what of it is compared; give one of mean, flow_weighted_mean, p95, "
                "min, max, sum, range"
            ),
        ),
        (
            a_rule(f"{COD}, statistic: max", "above: 100"),
            "statistic 'max' stands without a window; give one like '10min', hour, day or month",
        ),
        (
            a_rule(f"{COD}, alignment: rolling", "above: 100"),
            "alignment 'rolling' stands without a window; leave it out, each reading is compared",
        ),
        (
            a_rule("rate: _park/outlet/ph, over: month", "above: 3"),
            "over 'month' has no one length; give one like '10min'",
        ),
    ],
)
def test_windows_that_do_not_fit_are_refused(rule: str, sentence: str) -> None:
    assert only(rule) == f"alarm odd: {sentence}"


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (
            a_rule(COD, "above: 100, deadband: -5"),
            "deadband -5 is negative; it is how far back within its bound a value must be, a number of 0 or more",
        ),
        (
            a_rule(COD, "above: 100, deadband: -5 mg/L"),
            "deadband '-5 mg/L' is negative; it is how far back within its bound a value must be, a number of 0 or more",
        ),
        (
            a_rule(COD, "above: 100, deadband: 5 kWh"),
            "deadband '5 kWh' of _park/outlet/cod: unit 'kWh' cannot be brought to mg/L: it measures something else",
        ),
        (
            a_rule(COD, "above: 100 furlongs_x"),
            "above '100 furlongs_x' of _park/outlet/cod: unit 'furlongs_x' is not known; this channel is in mg/L",
        ),
        (
            a_rule("silence: tenants", "above: 20 m3"),
            "above '20 m3' of _park: unit 'm3' cannot be brought to s: it measures something else (and so for 2 more)",
        ),
        (
            a_rule("compliance: _park/outlet/cod", "deadband: 1 h"),
            "deadband '1 h' of _park/outlet/cod: unit 'h' cannot be brought to mg/L: it measures something else",
        ),
        (
            a_rule("finding: frozen", "deadband: 1"),
            "deadband 1 means nothing of a finding, which is there or not; leave it out",
        ),
    ],
)
def test_a_deadband_of_the_wrong_sign_or_unit_is_refused(rule: str, sentence: str) -> None:
    assert only(rule) == f"alarm odd: {sentence}"


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (
            a_rule("channel: _park/outlet/tss", "above: 1"),
            "'_park/outlet/tss' is no channel of this park; _park/outlet has effluent_flow, ph, cod, load_cod",
        ),
        (
            a_rule("channel: _park/outlets/cod", "above: 1"),
            "'_park/outlets/cod' is no channel of this park; did you mean _park/outlet/cod?",
        ),
        (
            a_rule("channel: '*/*/tss'", "above: 1"),
            "'*/*/tss' matches no channel of this park; write it as tenant/meter/quantity, in which * stands for any letters within one part",
        ),
        (
            a_rule("channel: alpha/main/energy_import", "above: 1"),
            "alpha/main/energy_import is of kind 'register', which has amounts and no value that holds; watch it as an amount over a window",
        ),
        (
            a_rule("channel: _park/outlet/load_cod", "above: 1"),
            "_park/outlet/load_cod is of kind 'product', which has amounts and no value that holds; watch it as an amount over a window",
        ),
        (
            a_rule("amount: _park/outlet/cod, window: day", "above: 1"),
            "_park/outlet/cod adds up to nothing; watch it as a channel",
        ),
        (
            a_rule("silence: meters, of: alpha", "above: 9 h"),
            "'alpha' is no meter of this park; write it as tenant/meter",
        ),
        (a_rule("silence: tenants, of: alfa", "above: 9 h"), "'alfa' is no tenant of this park; write it as tenant"),
        (
            a_rule("silence: channels, of: _park/outlet/load_cod", "above: 9 h"),
            "nothing of _park/outlet/load_cod is published, so it cannot fall silent",
        ),
        (
            a_rule("kpi: power_factor, of: alfa, level: month", "below: 0.85"),
            "'alfa' is no tenant of this park; write it as park, a tenant, or tenant/meter",
        ),
        (
            a_rule("compliance: alpha/main/power"),
            "alpha/main/power has no compliance rule, so there is no limit in force; add one to the rules of the park file",
        ),
        (
            a_rule("compliance: _park/outlet/cod, window: hour"),
            "_park/outlet/cod has no limit over the window 'hour'; it has limits over day",
        ),
        (
            a_rule("finding: drift, of: gamma/*/*"),
            "'gamma/*/*' matches no channel of this park; write it as tenant/meter/quantity, in which * stands for any letters within one part",
        ),
    ],
)
def test_places_that_are_not_there_are_refused(rule: str, sentence: str) -> None:
    assert only(rule) == f"alarm odd: {sentence}"


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (
            a_rule(f"{PH}, statistic: mean, window: hour", "above: 9"),
            "statistic 'mean' of _park/outlet/ph: pH is logarithmic and never averaged; use 'range', 'min' or 'max'",
        ),
        (
            a_rule(f"{COD}, statistic: sum, window: hour", "above: 9"),
            "statistic 'sum' of _park/outlet/cod, which adds up to nothing; use it for a flow or a power",
        ),
        (
            a_rule(f"{POWER}, statistic: flow_weighted_mean, window: hour", "above: 9"),
            (
                "statistic 'flow_weighted_mean' of alpha/main/power belongs to a concentration beside effluent_flow or effluent_volume "
                "of the same meter; use 'mean'"
            ),
        ),
        (a_rule(COD), "gives neither above nor below; a rule needs a bound beyond which it is raised"),
        (
            a_rule("compliance: _park/outlet/cod", "above: 90"),
            (
                "above 90 stands beside a compliance point, whose limits are those of the compliance rules in force; leave it out, or give "
                "a share of them"
            ),
        ),
        (
            a_rule("compliance: _park/outlet/cod, share: 0.8", category="exceedance"),
            "category 'exceedance' with share 0.8, which is an early warning and no exceedance; use category 'warning'",
        ),
        (
            a_rule("compliance: _park/outlet/cod, alignment: running", category="exceedance"),
            "category 'exceedance' with alignment 'running', which is an early warning and no exceedance; use category 'warning'",
        ),
        (
            a_rule("finding: frozen", "above: 1"),
            "above 1 means nothing of a finding, which is there or not; leave it out",
        ),
    ],
)
def test_what_makes_no_sense_for_the_kind_of_watch_is_refused(rule: str, sentence: str) -> None:
    assert only(rule) == f"alarm odd: {sentence}"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("tell: [{contact: nobody}]", "tells 'nobody', who is no contact of this park; contacts are officer, wall"),
        (
            "tell: [{contact: officer}, {contact: officer}]",
            "tells officer twice at after_s 0; once is enough",
        ),
        ("suppress: [{}]", "suppress gives neither channel nor alarm, or both; one of them suppresses"),
        ("suppress: [{alarm: odd}]", "suppresses itself; name another rule"),
        ("suppress: [{alarm: other}]", "suppress names alarm 'other', which is no rule of this park; rules are odd"),
        (
            "suppress: [{channel: alpha/main/energy_import, below: 5}]",
            "suppress names alpha/main/energy_import, which is no gauge; a value that holds for a time is needed, like power or a flow",
        ),
        (
            "suppress: [{channel: ./pressure, below: 5}]",
            "suppress names './pressure', which is no channel of this park; write it as tenant/meter/quantity or ./quantity",
        ),
        (
            "suppress: [{channel: ./effluent_flow}]",
            "suppress by ./effluent_flow gives neither above nor below; say while which values it suppresses",
        ),
        (
            "suppress: [{channel: ./effluent_flow, below: 5 kW}]",
            "suppress by _park/outlet/effluent_flow, below '5 kW': unit 'kW' cannot be brought to m3/h: it measures something else",
        ),
        (
            "suppress: [{channel: ./effluent_flow, above: 9, below: 5}]",
            "suppress by _park/outlet/effluent_flow holds between above 9 and below 5, which no value is; above must not be more than below",
        ),
        (
            "valid_from: 2026-03-01T00:00:00+07:00, valid_to: 2026-02-01T00:00:00+07:00",
            "valid_to 2026-02-01T00:00:00+07:00 is not after valid_from 2026-03-01T00:00:00+07:00",
        ),
        (
            "valid_from: 2025-03-01T00:00:00+07:00",
            "its time 2025-03-01T00:00:00+07:00 to open is not within that of the park, 2026-01-01T00:00:00+07:00 to open",
        ),
    ],
)
def test_who_is_told_what_suppresses_and_when_it_holds_is_checked(more: str, sentence: str) -> None:
    assert only(a_rule(COD, f"above: 100, {more}")) == f"alarm odd: {sentence}"


def test_a_contact_that_would_never_be_told_is_a_mistake() -> None:
    told = found(a_rule(COD, "above: 100, tell: [{contact: wall}]"))

    assert told == (
        "alarm odd: tells wall, who is told of device and so never of this warning",
        "alarm odd: tells wall, who is told from high on and so never of this severity, medium",
    )


def test_versions_of_a_rule_that_overlap_are_refused() -> None:
    first = a_rule(COD, "above: 100")
    second = a_rule(COD, "above: 90, valid_from: 2026-06-01T00:00:00+07:00")

    assert only(first, second) == (
        "alarm odd: stands twice at the same time (2026-01-01T00:00:00+07:00 to open and 2026-06-01T00:00:00+07:00 to open); "
        "end the one before the next begins"
    )


def test_versions_of_a_rule_that_follow_each_other_are_right() -> None:
    first = a_rule(COD, "above: 100, valid_to: 2026-06-01T00:00:00+07:00")
    second = a_rule(COD, "above: 90, valid_from: 2026-06-01T00:00:00+07:00")

    assert found(first, second) == ()


def test_a_target_of_another_rule_that_suppresses_has_to_be_one() -> None:
    gateway = a_rule("silence: tenants, of: alpha", "above: 9 h", key="gateway")

    assert found(a_rule(COD, "above: 1, suppress: [{alarm: gateway@estate/alpha}]"), gateway) == ()
    assert only(a_rule(COD, "above: 1, suppress: [{alarm: gateway@estate/beta}]"), gateway) == (
        "alarm odd: suppress names 'gateway@estate/beta', and rule gateway has no such target; it has estate/alpha"
    )


def test_rules_that_suppress_each_other_in_a_circle_are_refused() -> None:
    assert (
        only(
            a_rule(COD, "above: 1, suppress: [{alarm: b}]", key="a"),
            a_rule(COD, "above: 1, suppress: [{alarm: c}]", key="b"),
            a_rule(COD, "above: 1, suppress: [{alarm: a}]", key="c"),
        )
        == "alarm a: is suppressed by itself by way of a <- b <- c <- a; leave one of them out"
    )


def test_two_limits_of_one_authority_for_the_same_are_refused_where_they_are_watched() -> None:
    park = RIGHT + (
        "  - {key: cod_again, meter: _park/outlet, quantity: cod, statistic: mean, window: day, highest: 80, legal_basis: another}\n"
    )

    assert only(a_rule("compliance: _park/outlet/cod"), park=park) == (
        "alarm odd: the limits cod_outlet and cod_again of _park/outlet/cod are both national, of the same statistic and window, at the "
        "same time; only the stricter would hold: give one rule both bounds, or end one"
    )
    assert (
        found(a_rule("compliance: _park/outlet/cod"), park=park.replace("another}", "another, authority: permit}"))
        == ()
    )


def test_what_is_wrong_in_many_places_is_said_once() -> None:
    assert only(a_rule("channel: '*/*/*', statistic: max, window: 1min", "above: 9")) == (
        "alarm odd: window '1min' (60 s) is shorter than interval_s 120 of _park/outlet/cod; it must hold at least one reading "
        "(and so for 2 more)"
    )


def test_contacts_have_keys_of_their_own() -> None:
    file = the_park(a_rule(COD, "above: 1"))
    twice = file.model_copy(update={"contacts": (*file.contacts, file.contacts[0])})

    assert mistakes(twice) == ("contact officer: the key stands twice; keys of contacts are unique in the park",)


def test_entries_are_held_against_a_registry_as_against_its_file() -> None:
    registry = the_registry(*EVERY_KIND)
    wrong = an_entry(
        above=5, deadband=10, suppress=[{"alarm": "gateway"}], tell=[{"contact": "officer"}, {"contact": "x"}]
    )

    assert alarm_problems(registry) == ()
    assert alarm_problems(registry, [wrong]) == (
        (
            "alarm cod: above 5 mg/L of _park/outlet/cod with deadband 10 mg/L would be cleared at -5 mg/L, and the value is never below "
            "0 mg/L; it would never settle"
        ),
        "alarm cod: tells 'x', who is no contact of this park; contacts are officer, wall",
    )


def test_entries_without_a_beginning_hold_from_the_beginning_of_a_registry_on() -> None:
    registry = the_registry(*EVERY_KIND)
    later = an_entry(valid_from="2026-05-01T00:00:00+07:00")

    assert alarm_problems(registry, [an_entry(), later]) == (
        (
            "alarm cod: stands twice at the same time (the beginning to open and 2026-05-01T00:00:00+07:00 to open); "
            "end the one before the next begins"
        ),
    )
