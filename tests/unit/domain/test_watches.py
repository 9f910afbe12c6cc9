"""From rules to watches: targets, dated versions, bounds in the engine's units, windows, suppressions, and limits by precedence."""

from dataclasses import replace

import pytest

from domain.alarmrules import AlarmRule
from domain.alarms import OPEN_US, Alignment, Authority, Signal, Suppression, Tell, Watch, WindowStatistic
from domain.errors import InputError
from domain.frames import Subject, SubjectKind
from domain.limits import Limit, LimitKind, kinds_of, limits_in_force, limits_of
from domain.parkregistry import registry_of
from domain.registry import Registry, RuleStatistic, RuleWindow
from domain.time import Level, parse_instant
from domain.watches import all_targets, targets_of, watches_of
from tests.support.alarm_texts import a_rule, numbered, the_registry, the_watches
from tests.support.example_park import example_park
from tests.support.park_texts import RIGHT, changed
from tests.support.small_parks import a_channel, a_meter, a_registry
from tests.support.small_parks import a_rule as a_limit

COD = "channel: _park/outlet/cod"
START_US = parse_instant("2026-01-01T00:00:00+07:00")
JUNE_US = parse_instant("2026-06-01T00:00:00+07:00")


def only(*rules: str, park: str = RIGHT, **units: str) -> Watch:
    (watch,) = the_watches(*rules, park=park, **units)
    return watch


def targets(watch: str, more: str = "above: 9 h", park: str = RIGHT) -> tuple[str, ...]:
    registry = the_registry(a_rule(watch, more), park=park)
    return targets_of(registry, registry.alarm_rules[0])


def id_of(key: str) -> int:
    return the_registry().channel_by_key[f"estate/{key}"].id


@pytest.mark.parametrize(
    ("watch", "more", "found"),
    [
        (COD, "above: 1", ("estate/_park/outlet/cod",)),
        ("channel: '*/*/cod'", "above: 1", ("estate/_park/outlet/cod",)),
        ("channel: '*/ou*t/p*'", "above: 1", ("estate/_park/outlet/ph",)),
        (
            "channel: '*'",
            "above: 1, deadband: 0",
            (
                "estate/_park/outlet/cod",
                "estate/_park/outlet/effluent_flow",
                "estate/_park/outlet/ph",
                "estate/alpha/main/power",
            ),
        ),
        (
            "amount: '*/*/*', window: day",
            "above: 1",
            (
                "estate/_park/bulk/energy_import",
                "estate/_park/outlet/effluent_flow",
                "estate/_park/outlet/load_cod",
                "estate/alpha/main/energy_import",
                "estate/alpha/main/power",
                "estate/alpha/press/energy_import",
                "estate/alpha/water/water_in",
                "estate/beta/main/energy_import",
            ),
        ),
        (
            "rate: '*/outlet/*', over: 10min",
            "above: 1",
            ("estate/_park/outlet/cod", "estate/_park/outlet/effluent_flow", "estate/_park/outlet/ph"),
        ),
        (
            "silence: channels, of: alpha/main/*",
            "above: 9 h",
            ("estate/alpha/main/energy_import", "estate/alpha/main/power"),
        ),
        (
            "silence: meters, of: alpha/*",
            "above: 9 h",
            ("estate/alpha/main", "estate/alpha/press", "estate/alpha/water"),
        ),
        ("silence: tenants", "above: 9 h", ("estate/_park", "estate/alpha", "estate/beta")),
        ("finding: drift, of: '*/*/load_*'", "", ("estate/_park/outlet/load_cod",)),
        ("kpi: power_factor, level: month", "below: 0.85", ("estate#power_factor",)),
        (
            "kpi: power_factor, of: '*', level: month",
            "below: 0.85",
            ("estate/_park#power_factor", "estate/alpha#power_factor", "estate/beta#power_factor"),
        ),
        (
            "kpi: power_factor, of: '*/main', level: month",
            "below: 0.85",
            ("estate/alpha/main#power_factor", "estate/beta/main#power_factor"),
        ),
        ("compliance: '*/*/*'", "", ("estate/_park/outlet/cod#day_mean", "estate/_park/outlet/ph#base_range")),
        ("compliance: '*/*/*', window: day", "", ("estate/_park/outlet/cod#day_mean",)),
        ("health: disk_free", "below: 0.1", ("estate",)),
    ],
)
def test_a_pattern_makes_a_target_of_each_place_that_it_fits(watch: str, more: str, found: tuple[str, ...]) -> None:
    assert targets(watch, more) == found


def test_a_rule_that_is_not_enabled_has_no_target_and_no_watch() -> None:
    registry = the_registry(a_rule(COD, "above: 1, enabled: false"))

    assert targets_of(registry, registry.alarm_rules[0]) == ()
    assert watches_of(registry, {}) == ()


def test_all_targets_are_those_of_each_rule() -> None:
    registry = registry_of(example_park())

    assert all_targets(registry) == tuple((rule, targets_of(registry, rule)) for rule in registry.alarm_rules)


def test_what_is_gone_before_a_rule_begins_is_no_target() -> None:
    park = changed(
        "{quantity: cod, kind: gauge, interval_s: 120}",
        "{quantity: cod, kind: gauge, interval_s: 120, valid_to: 2026-03-01T00:00:00+07:00}",
    )

    assert targets("channel: '*/*/cod'", "above: 1, valid_from: 2026-06-01T00:00:00+07:00", park) == ()
    assert targets("channel: '*/*/cod'", "above: 1", park) == ("estate/_park/outlet/cod",)


def test_each_version_of_a_rule_is_a_watch_of_the_same_alarm() -> None:
    first, second = the_watches(
        a_rule(COD, "above: 100, valid_to: 2026-06-01T00:00:00+07:00"),
        a_rule(COD, "above: 90, valid_from: 2026-06-01T00:00:00+07:00"),
    )

    assert (first.highest, second.highest) == (100, 90)
    assert (first.valid_from_us, first.valid_to_us) == (START_US, JUNE_US)
    assert (second.valid_from_us, second.valid_to_us) == (JUNE_US, OPEN_US)
    assert first.alarm_id == second.alarm_id
    assert first.rule_id != second.rule_id


def test_a_watch_holds_no_longer_than_what_it_is_about() -> None:
    park = changed(
        "{quantity: cod, kind: gauge, interval_s: 120}",
        "{quantity: cod, kind: gauge, interval_s: 120, valid_to: 2026-06-01T00:00:00+07:00}",
    )

    watch = only(a_rule(COD, "above: 1"), park=park)

    assert (watch.valid_from_us, watch.valid_to_us) == (START_US, JUNE_US)


def test_a_target_without_an_id_is_refused() -> None:
    registry = the_registry(a_rule(COD, "above: 1"))

    with pytest.raises(InputError, match="alarm odd@estate/_park/outlet/cod has no id"):
        watches_of(registry, {})


def test_ids_texts_and_times_of_a_rule_come_with_its_watch() -> None:
    more = (
        "above: 100, on_delay_s: 1, off_delay_s: 2, merge_gap_s: 3, latching: true, realarm_s: 600, message: m, cause: c, "
        "consequence: d, action: e, tell: [{contact: officer}, {contact: officer, after_s: 60}]"
    )
    registry = the_registry(a_rule(COD, more, severity="critical"))
    (rule,) = registry.alarm_rules

    (watch,) = watches_of(
        replace(registry, alarm_rules=(replace(rule, id=7),)), {("odd", "estate/_park/outlet/cod"): 9}
    )

    assert (watch.rule_id, watch.alarm_id, watch.rule, watch.target) == (7, 9, "odd", "estate/_park/outlet/cod")
    assert (watch.on_delay_s, watch.off_delay_s, watch.merge_gap_s, watch.latching, watch.realarm_s) == (
        1,
        2,
        3,
        True,
        600,
    )
    assert (watch.texts.message, watch.texts.cause, watch.texts.consequence, watch.texts.action) == ("m", "c", "d", "e")
    assert watch.tell == (Tell(contact="officer"), Tell(contact="officer", after_s=60))
    assert (watch.name, watch.category.value, watch.severity.key) == ("Odd", "warning", "critical")


def test_the_name_is_the_message_where_there_is_none() -> None:
    assert only(a_rule(COD, "above: 1")).texts.message == "Odd"


@pytest.mark.parametrize(
    ("rule", "unit", "lowest", "highest", "deadband"),
    [
        (a_rule(COD, "above: 0.1 g/L, deadband: 5 mg/L"), "mg/L", None, 100.0, 5.0),
        (a_rule("channel: _park/outlet/effluent_flow", "above: 3 L/s"), "m3/h", None, 10.8, 0.0),
        (a_rule("channel: alpha/main/power, statistic: sum, window: hour", "above: 1 MWh"), "kWh", None, 1000.0, 0.0),
        (a_rule("amount: _park/outlet/load_cod, window: day", "above: 0.5 t"), "kg", None, 500.0, 0.0),
        (a_rule("amount: _park/outlet/effluent_flow, window: day", "above: 500"), "m3", None, 500.0, 0.0),
        (a_rule("rate: _park/outlet/ph, over: 10min", "above: 3, below: -3"), "pH/h", -3.0, 3.0, 0.0),
        (a_rule("silence: meters, of: alpha/main", "above: 15 min"), "s", None, 900.0, 0.0),
        (a_rule("health: disk_free", "below: 15 %, deadband: 2 %"), "1", 0.15, None, 0.02),
        (a_rule("finding: frozen, of: _park/outlet/ph"), "1", None, 0.0, 0.0),
        (a_rule("kpi: power_factor, level: month", "below: 0.85 1, deadband: 0.01"), "1", 0.85, None, 0.01),
        (a_rule("compliance: _park/outlet/cod", "deadband: 0.002 g/L"), "mg/L", None, None, 2.0),
    ],
)
def test_bounds_are_in_the_unit_of_what_is_watched(
    rule: str, unit: str, lowest: float | None, highest: float | None, deadband: float
) -> None:
    watch = only(rule, power_factor="1")

    assert (watch.unit, watch.lowest, watch.highest, watch.deadband) == (unit, lowest, highest, deadband)


def test_a_watch_of_readings_names_channel_statistic_and_window() -> None:
    watch = only(
        a_rule(f"{COD}, statistic: flow_weighted_mean, window: 1h, alignment: rolling, least_valid: 0.5", "above: 1")
    )

    source = watch.source
    assert (source.signal, source.channel_id) == (Signal.VALUE, id_of("_park/outlet/cod"))
    assert (source.statistic, source.window_s, source.by_month) == (WindowStatistic.FLOW_WEIGHTED_MEAN, 3600, False)
    assert (source.alignment, source.least_valid) == (Alignment.ROLLING, 0.5)


def test_a_month_has_no_length() -> None:
    source = only(a_rule("amount: _park/outlet/load_cod, window: month, alignment: running", "above: 1")).source

    assert (source.signal, source.statistic) == (Signal.AMOUNT, WindowStatistic.SUM)
    assert (source.window_s, source.by_month, source.alignment) == (None, True, Alignment.RUNNING)


def test_a_rate_is_taken_over_its_window() -> None:
    source = only(a_rule("rate: _park/outlet/ph, over: 10min", "above: 3")).source

    assert (source.signal, source.window_s, source.statistic) == (Signal.RATE, 600, None)


@pytest.mark.parametrize(
    ("of", "kind", "number"),
    [("park", SubjectKind.PARK, 1), ("alpha", SubjectKind.TENANT, 2), ("alpha/press", SubjectKind.METER, 4)],
)
def test_a_kpi_is_of_the_park_a_tenant_or_a_meter(of: str, kind: SubjectKind, number: int) -> None:
    source = only(a_rule(f"kpi: power_factor, of: {of}, level: month, alignment: running", "below: 0.85")).source

    assert (source.signal, source.kpi, source.level, source.alignment) == (
        Signal.KPI,
        "power_factor",
        Level.MONTH,
        Alignment.RUNNING,
    )
    assert source.subject == Subject(kind=kind, id=number)


@pytest.mark.parametrize(
    ("watch", "ids"),
    [
        ("silence: channels, of: alpha/main/power", (id_of("alpha/main/power"), None, None)),
        ("silence: meters, of: alpha/press", (None, 4, None)),
        ("silence: tenants, of: alpha", (None, None, 2)),
    ],
)
def test_silence_is_of_a_channel_a_meter_or_a_tenant(watch: str, ids: tuple[int | None, ...]) -> None:
    source = only(a_rule(watch, "above: 9 h")).source

    assert source.signal is Signal.SILENCE
    assert (source.channel_id, source.meter_id, source.tenant_id) == ids


def test_findings_and_health_are_named() -> None:
    finding = only(a_rule("finding: bod_above_cod, of: _park/outlet/cod")).source
    health = only(a_rule("health: queue_rows", "above: 9")).source

    assert (finding.signal, finding.finding, finding.channel_id) == (
        Signal.FINDING,
        "bod_above_cod",
        id_of("_park/outlet/cod"),
    )
    assert (health.signal, health.health) == (Signal.HEALTH, "queue_rows")


def test_a_compliance_watch_says_which_limits_it_is_about() -> None:
    source = only(a_rule("compliance: _park/outlet/cod, share: 0.8, alignment: running")).source

    assert (source.signal, source.level, source.statistic) == (Signal.COMPLIANCE, Level.DAY, WindowStatistic.MEAN)
    assert (source.window_s, source.by_month, source.share, source.alignment) == (86400, False, 0.8, Alignment.RUNNING)


@pytest.mark.parametrize(
    ("rule", "gap_s"),
    [
        (a_rule(COD, "above: 1"), 240),
        (a_rule(f"{COD}, statistic: mean, window: 10min", "above: 1"), 1200),
        (a_rule(f"{COD}, statistic: mean, window: month", "above: 1"), 0),
        (a_rule("rate: _park/outlet/ph, over: 10min", "above: 3"), 1200),
        (a_rule("compliance: _park/outlet/cod"), 2 * 86400),
        (a_rule("compliance: _park/outlet/ph"), 1800),
        (a_rule("kpi: power_factor, level: hour", "below: 0.85"), 7200),
        (a_rule("kpi: power_factor, level: base", "below: 0.85"), 1800),
        (a_rule("kpi: power_factor, level: year", "below: 0.85"), 0),
        (a_rule("silence: tenants, of: alpha", "above: 9 h"), 0),
        (a_rule("finding: frozen, of: _park/outlet/cod"), 0),
        (a_rule("health: disk_free", "below: 0.1"), 0),
        (a_rule(f"{COD}, statistic: mean, window: 10min", "above: 1, merge_gap_s: 0"), 0),
    ],
)
def test_exceedances_no_further_apart_than_two_windows_are_one_where_nothing_else_is_said(
    rule: str, gap_s: int
) -> None:
    assert only(rule).merge_gap_s == gap_s


def test_a_gauge_of_the_same_meter_suppresses() -> None:
    watch = only(
        a_rule(
            COD,
            "above: 1, suppress: [{channel: ./effluent_flow, below: 1 L/s}, {channel: alpha/main/power, above: 5, below: 9}]",
        )
    )

    assert watch.suppressions == (
        Suppression(channel_id=id_of("_park/outlet/effluent_flow"), highest=3.6),
        Suppression(channel_id=id_of("alpha/main/power"), lowest=5.0, highest=9.0),
    )


def test_a_gauge_that_the_meter_does_not_have_suppresses_nothing() -> None:
    watches = the_watches(a_rule("silence: meters", "above: 9 h, suppress: [{channel: ./effluent_flow, below: 1}]"))

    assert {watch.target: len(watch.suppressions) for watch in watches} == {
        "estate/_park/bulk": 0,
        "estate/_park/outlet": 1,
        "estate/alpha/main": 0,
        "estate/alpha/press": 0,
        "estate/alpha/water": 0,
        "estate/beta/main": 0,
    }


def suppressing(watch: str, *others: str, alarm: str = "other", more: str = "above: 9 h") -> dict[str, str | None]:
    watches = the_watches(a_rule(watch, f"{more}, suppress: [{{alarm: {alarm}}}]"), *others)
    return {one.target: one.suppressions[0].alarm for one in watches if one.rule == "odd"}


def test_of_a_rule_with_many_targets_the_one_that_holds_a_target_suppresses_it() -> None:
    gateways = a_rule("silence: tenants", "above: 9 h", key="other")

    assert suppressing("silence: meters, of: '*/main'", gateways) == {
        "estate/alpha/main": "other@estate/alpha",
        "estate/beta/main": "other@estate/beta",
    }


def test_the_nearest_that_holds_a_target_suppresses_it() -> None:
    meters = a_rule("silence: meters", "above: 9 h", key="other")

    assert suppressing("channel: alpha/main/power", meters, more="above: 9") == {
        "estate/alpha/main/power": "other@estate/alpha/main"
    }


def test_a_rule_about_something_else_suppresses_by_any_of_its_targets() -> None:
    assert suppressing("silence: meters, of: alpha/main", a_rule(COD, "above: 1", key="other")) == {
        "estate/alpha/main": "other"
    }


def test_a_target_that_is_named_suppresses() -> None:
    gateways = a_rule("silence: tenants", "above: 9 h", key="other")

    assert suppressing(COD, gateways, alarm="other@estate/beta", more="above: 9") == {
        "estate/_park/outlet/cod": "other@estate/beta"
    }


def test_alike_beginnings_of_keys_do_not_hold_each_other() -> None:
    park = changed("key: beta", "key: alp")
    watches = the_watches(
        a_rule("silence: meters, of: alpha/main", "above: 9 h, suppress: [{alarm: other}]"),
        a_rule("silence: tenants, of: alp", "above: 9 h", key="other"),
        park=park,
    )

    assert [one.suppressions[0].alarm for one in watches if one.rule == "odd"] == ["other"]


def limited(*limits: object) -> Registry:
    return a_registry([a_meter(1, 1, "outlet")], [a_channel(1, 1, "cod")], rules=limits)  # type: ignore[arg-type]


def decided(registry: Registry) -> list[tuple[int, int, int]]:
    return [(one.from_us, one.to_us, one.rule.id) for one in limits_in_force(registry, 1)]


def test_a_permit_goes_before_the_estate_and_the_estate_before_national_rules() -> None:
    registry = limited(
        a_limit(1, 1, key="n", valid_from_us=0),
        a_limit(2, 1, key="e", valid_from_us=10, authority=Authority.ESTATE),
        a_limit(3, 1, key="p", valid_from_us=20, valid_to_us=30, authority=Authority.PERMIT),
    )

    assert decided(registry) == [(0, 10, 1), (10, 20, 2), (20, 30, 3), (30, OPEN_US, 2)]


def test_a_milder_permit_goes_before_a_stricter_national_limit() -> None:
    registry = limited(a_limit(1, 1, highest=50.0), a_limit(2, 1, key="p", highest=80.0, authority=Authority.PERMIT))

    assert [limit.rule.highest for limit in limits_in_force(registry, 1)] == [80.0]


def test_limits_of_other_windows_and_statistics_hold_beside_each_other() -> None:
    registry = limited(
        a_limit(1, 1, window=RuleWindow.DAY),
        a_limit(2, 1, window=RuleWindow.HOUR, authority=Authority.PERMIT),
        a_limit(3, 1, window=RuleWindow.DAY, statistic=RuleStatistic.MAX),
    )

    assert sorted(limit.rule.id for limit in limits_in_force(registry, 1)) == [1, 2, 3]
    assert [kind.key for kind in kinds_of(registry, 1)] == ["day_max", "day_mean", "hour_mean"]


def test_every_value_and_the_range_are_the_same_kind() -> None:
    registry = limited(
        a_limit(1, 1, statistic=RuleStatistic.INSTANT),
        a_limit(2, 1, statistic=RuleStatistic.RANGE, authority=Authority.PERMIT),
    )

    assert [limit.rule.id for limit in limits_in_force(registry, 1)] == [2]


def test_of_limits_of_one_authority_the_strictest_decides() -> None:
    registry = limited(
        a_limit(1, 1, key="a", highest=100.0),
        a_limit(2, 1, key="b", highest=80.0),
        a_limit(3, 1, key="c", highest=90.0),
    )

    assert [limit.rule.id for limit in limits_in_force(registry, 1)] == [2]


def test_where_no_limit_holds_there_is_none() -> None:
    registry = limited(
        a_limit(1, 1, valid_from_us=0, valid_to_us=10),
        a_limit(1, 1, valid_from_us=20, valid_to_us=30),
    )

    assert decided(registry) == [(0, 10, 1), (20, 30, 1)]
    assert limits_in_force(registry, 2) == ()


def test_a_version_that_follows_at_once_is_a_limit_of_its_own() -> None:
    registry = limited(a_limit(1, 1, valid_from_us=0, valid_to_us=10), a_limit(2, 1, valid_from_us=10))

    assert decided(registry) == [(0, 10, 1), (10, OPEN_US, 2)]


def test_the_limits_of_a_watch_are_those_of_its_statistic_and_window() -> None:
    park = (
        RIGHT
        + "  - {key: cod_hour, meter: _park/outlet, quantity: cod, statistic: mean, window: hour, highest: 120, legal_basis: own}\n"
    )
    registry = the_registry(a_rule("compliance: _park/outlet/cod"), park=park)

    watches = watches_of(registry, numbered(registry))

    assert {watch.target: [limit.rule.key for limit in limits_of(registry, watch.source)] for watch in watches} == {
        "estate/_park/outlet/cod#day_mean": ["cod_outlet"],
        "estate/_park/outlet/cod#hour_mean": ["cod_hour"],
    }


def test_hours_as_base_intervals_and_hours_are_told_apart() -> None:
    park = changed("timezone: Asia/Jakarta", "timezone: Asia/Jakarta\n  base_minutes: 60") + (
        "  - {key: a, meter: _park/outlet, quantity: cod, statistic: mean, window: hour, highest: 120, legal_basis: own}\n"
        "  - {key: b, meter: _park/outlet, quantity: cod, statistic: mean, window: base, highest: 120, legal_basis: own}\n"
    )
    registry = the_registry(a_rule("compliance: _park/outlet/cod"), park=park)

    watches = watches_of(registry, numbered(registry))

    assert [[limit.rule.key for limit in limits_of(registry, watch.source)] for watch in watches] == [
        ["b"],
        ["cod_outlet"],
        ["a"],
    ]


def test_other_signals_have_no_limits() -> None:
    assert limits_of(the_registry(), only(a_rule(COD, "above: 1")).source) == ()


def test_a_kind_of_limit_is_named_by_window_and_statistic() -> None:
    assert LimitKind(window=RuleWindow.DAY, statistic=WindowStatistic.P95).key == "day_p95"
    assert Limit(0, 1, a_limit(1, 1)).rule.id == 1


def test_every_rule_of_the_example_park_watches_something() -> None:
    registry = registry_of(example_park())

    assert [rule.key for rule, found in all_targets(registry) if not found] == []
    assert {rule.entry.category.value for rule in registry.alarm_rules} == {
        "exceedance",
        "warning",
        "data_quality",
        "device",
        "system",
    }
    assert len(watches_of(registry, numbered(registry))) > 400


def test_versions_of_a_park_file_are_counted() -> None:
    registry = the_registry(
        a_rule(COD, "above: 90, valid_from: 2026-06-01T00:00:00+07:00"),
        a_rule(COD, "above: 100, valid_to: 2026-06-01T00:00:00+07:00"),
    )

    def told(rule: AlarmRule) -> tuple[str, int, float | str | None, int, int | None]:
        return rule.key, rule.version, rule.entry.above, rule.valid_from_us, rule.valid_to_us

    assert [told(rule) for rule in registry.alarm_rules] == [
        ("odd", 1, 100.0, START_US, JUNE_US),
        ("odd", 2, 90.0, JUNE_US, None),
    ]
