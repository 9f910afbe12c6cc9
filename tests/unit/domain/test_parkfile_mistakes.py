"""What a park file of the right shape can still get wrong between its places."""

import pytest

from domain.parkfile import mistakes, parse
from tests.support.park_texts import RIGHT, changed

BULK = "{quantity: energy_import, kind: register, interval_s: 60, resolution: 0.1, digits: 9, max_rate: 9000}"
MAIN = "{quantity: energy_import, kind: register, interval_s: 60, resolution: 0.1, digits: 8, max_rate: 2000}"
POWER = "{quantity: power, kind: gauge, interval_s: 60}"
INTERVAL = "{quantity: energy_import, kind: interval, interval_s: 900, stamp: end}"
PH = "{quantity: ph, kind: gauge, interval_s: 120}"
ALPHA = "    name: Alpha\n"
PRESS = "        name: Press shop\n"


def found(text: str) -> tuple[str, ...]:
    return mistakes(parse(text, "yaml"))


def only(text: str) -> str:
    (sentence,) = found(text)
    return sentence


def test_a_right_park_file_has_no_mistakes() -> None:
    assert found(RIGHT) == ()


def test_mistakes_are_told_all_at_once() -> None:
    text = changed(
        "Asia/Jakarta",
        "Asia/Jakata",
        changed("parent: _park/bulk", "parent: _park/balk", changed("highest: 9", "highest: 5")),
    )

    assert len(found(text)) == 3


@pytest.mark.parametrize("zone", ["Asia/Jakata", "../etc/passwd", "", "UTC+7"])
def test_a_timezone_that_does_not_exist_is_a_mistake(zone: str) -> None:
    assert only(changed("Asia/Jakarta", f"'{zone}'")) == (
        f"park estate: timezone {zone!r} is not an IANA zone; write one like 'Asia/Jakarta'"
    )


def test_hours_as_base_intervals_do_not_fit_a_zone_that_changes_by_half_an_hour() -> None:
    text = changed("timezone: Asia/Jakarta", "timezone: Australia/Lord_Howe\n  base_minutes: 60")

    assert "base_minutes 60 does not divide every day of Australia/Lord_Howe" in only(text)
    assert found(changed("base_minutes: 60", "base_minutes: 30", text)) == ()


def test_hours_as_base_intervals_fit_a_zone_that_changes_by_whole_hours() -> None:
    assert found(changed("timezone: Asia/Jakarta", "timezone: Europe/Rome\n  base_minutes: 60")) == ()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("- key: beta", "- key: alpha", "tenant alpha: the key stands twice; keys of tenants are unique in the park"),
        (
            "- key: press",
            "- key: water",
            "meter alpha/water: the key stands twice; keys of meters are unique in their tenant",
        ),
        (POWER, MAIN, "channel alpha/main/energy_import: the quantity stands twice; a meter has one channel of each"),
        (
            "- key: beta",
            "- key: _beta",
            "tenant _beta: keys that begin with '_' are reserved; only '_park', the operator, has one",
        ),
    ],
)
def test_keys_are_unique_and_unreserved(old: str, new: str, sentence: str) -> None:
    assert sentence in found(changed(old, new))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            POWER,
            "{quantity: pwer, kind: gauge, interval_s: 60}",
            "quantity 'pwer' is not known; known are energy_import",
        ),
        (PH, "{quantity: load_cod, kind: interval, interval_s: 120}", "pollutant loads are made by the engine"),
        (POWER, "{quantity: power, kind: product, interval_s: 60}", "pollutant loads are made by the engine"),
        (
            POWER,
            "{quantity: power, kind: register, interval_s: 60, max_rate: 9}",
            "kind 'register' needs an amount like kWh or m3, power is in kW; use 'gauge'",
        ),
        (
            INTERVAL,
            "{quantity: energy_import, kind: gauge, interval_s: 900}",
            "kind 'gauge' does not fit an amount (kWh); use 'register' or 'interval'",
        ),
        (POWER, "{quantity: power, kind: gauge, interval_s: 60, unit: kWh}", "unit 'kWh' cannot be brought to kW"),
        (
            POWER,
            "{quantity: power, kind: gauge, interval_s: 60, unit: horses}",
            "unit 'horses' is not known; this channel is in kW",
        ),
        (
            INTERVAL,
            "{quantity: energy_import, kind: interval, interval_s: 900, statistic: mean}",
            "statistic 'mean' belongs to gauges",
        ),
        (
            POWER,
            "{quantity: power, kind: gauge, interval_s: 60, stamp: end}",
            "stamp 'end' belongs to values that cover an interval",
        ),
        (PH, "{quantity: ph, kind: gauge, interval_s: 120, max_rate: 3}", "max_rate 3 means nothing for ph"),
        (
            POWER,
            "{quantity: power, kind: gauge, interval_s: 70}",
            "interval_s 70 must divide a day (86400 s) or be whole days",
        ),
        (
            MAIN,
            "{quantity: energy_import, kind: register, interval_s: 60, resolution: 0.1}",
            "a register needs max_rate, the largest plausible rate in kWh per hour",
        ),
        (
            MAIN,
            "{quantity: energy_import, kind: register, interval_s: 60, max_rate: 2000}",
            "a register needs a resolution above 0",
        ),
        (
            MAIN,
            "{quantity: energy_import, kind: register, interval_s: 60, resolution: 50, max_rate: 2000}",
            "one step of its resolution 50 is more than max_rate 2000 allows in one interval_s (33.3333)",
        ),
        (
            MAIN,
            "{quantity: energy_import, kind: register, interval_s: 3600, resolution: 0.1, digits: 4, max_rate: 2000}",
            "it moves 2000 in one interval_s, more than a tenth of 10000",
        ),
        (
            MAIN,
            "{quantity: energy_import, kind: register, interval_s: 60, resolution: 10, digits: 1, digit_value: 0.1, max_rate: 2000}",
            "resolution 10 is not below 1, where the register starts again",
        ),
        (POWER, "{quantity: power, kind: gauge, interval_s: 60, digits: 6}", "digits belong to registers"),
        (
            POWER,
            "{quantity: power, kind: gauge, interval_s: 60, exchanges: [{at: 2026-02-01T00:00:00Z, closing: 1, opening: 0}]}",
            "exchanges belong to registers",
        ),
    ],
)
def test_a_channel_that_cannot_be_is_told_with_what_would_be_right(old: str, new: str, sentence: str) -> None:
    assert any(sentence in one for one in found(changed(old, new)))


@pytest.mark.parametrize(
    "channel",
    [
        "{quantity: power, kind: gauge, interval_s: 900, statistic: mean, stamp: end, unit: MW}",
        "{quantity: cod, kind: gauge, interval_s: 86400, statistic: mean}",
        "{quantity: water_in, kind: interval, interval_s: 3600, unit: L}",
        "{quantity: water_in, kind: register, interval_s: 172800, resolution: 1, max_rate: 30}",
        "{quantity: temperature, kind: gauge, interval_s: 10}",
        "{quantity: voltage, kind: event, interval_s: 60}",
    ],
)
def test_a_channel_of_the_field_is_no_mistake(channel: str) -> None:
    assert found(changed(POWER, channel)) == ()


@pytest.mark.parametrize(
    ("dates", "sentence"),
    [
        (
            "    valid_from: 2025-06-01T00:00:00+07:00\n",
            "tenant alpha: its time 2025-06-01T00:00:00+07:00 to open is not within that of the park",
        ),
        (
            "    valid_from: 2026-06-01T00:00:00+07:00\n    valid_to: 2026-06-01T00:00:00+07:00\n",
            "tenant alpha: valid_to 2026-06-01T00:00:00+07:00 is not after valid_from",
        ),
    ],
)
def test_a_tenant_is_there_within_the_time_of_the_park(dates: str, sentence: str) -> None:
    assert any(sentence in one for one in found(changed(ALPHA, ALPHA + dates)))


def test_a_meter_that_outlives_its_tenant_is_a_mistake() -> None:
    text = changed(ALPHA, ALPHA + "    valid_to: 2026-09-01T00:00:00+07:00\n")
    text = changed(PRESS, PRESS + "        valid_to: 2026-10-01T00:00:00+07:00\n", text)

    assert any(one.startswith("meter alpha/press: its time") and "tenant alpha" in one for one in found(text))


def test_what_says_no_dates_lives_as_long_as_what_it_belongs_to() -> None:
    assert (
        found(
            changed(
                ALPHA, ALPHA + "    valid_from: 2026-02-01T00:00:00+07:00\n    valid_to: 2026-09-01T00:00:00+07:00\n"
            )
        )
        == ()
    )


def test_a_channel_that_begins_before_its_meter_is_a_mistake() -> None:
    text = changed(PRESS, PRESS + "        valid_from: 2026-03-01T00:00:00+07:00\n")
    text = changed(
        "resolution: 0.1, max_rate: 500", "resolution: 0.1, max_rate: 500, valid_from: 2026-02-01T00:00:00+07:00", text
    )

    assert "channel alpha/press/energy_import: its time" in only(text)


def test_two_devices_at_one_time_are_a_mistake() -> None:
    devices = (
        "        devices:\n"
        "          - {serial: A-1, valid_from: 2026-01-01T00:00:00+07:00, valid_to: 2026-05-01T00:00:00+07:00}\n"
        "          - {serial: A-2, valid_from: 2026-04-01T00:00:00+07:00}\n"
    )

    assert "devices A-1 and A-2 are mounted at the same time" in only(changed(PRESS, PRESS + devices))
    assert found(changed(PRESS, PRESS + changed("2026-04-01", "2026-05-01", devices))) == ()


def test_a_device_from_before_its_meter_is_a_mistake() -> None:
    devices = "        devices: [{serial: A-1, valid_from: 2025-01-01T00:00:00+07:00}]\n"

    assert "device A-1 on alpha/press: its time" in only(changed(PRESS, PRESS + devices))


@pytest.mark.parametrize("name", ["multipliers", "exchanges"])
def test_dated_facts_stand_once_a_time_and_within_the_channels_life(name: str) -> None:
    twice = {
        "multipliers": "[{valid_from: 2026-02-01T00:00:00Z, factor: 2}, {valid_from: 2026-02-01T00:00:00Z, factor: 3}]",
        "exchanges": "[{at: 2026-02-01T00:00:00Z, closing: 2, opening: 0}, {at: 2026-02-01T00:00:00Z, closing: 3, opening: 0}]",
    }[name]

    assert "stand at 2026-02-01" in only(changed("max_rate: 500", f"max_rate: 500, {name}: {twice}"))
    early = changed("{valid_from: 2026-02-01T00:00:00Z, factor: 2}, ", "", twice) if name == "multipliers" else twice
    text = changed("max_rate: 500", f"max_rate: 500, {name}: {early}".replace("2026-02-01", "2025-02-01"))
    assert any("is not within the channel's time" in one for one in found(text))


def test_an_exchange_reads_within_the_digits_of_the_register() -> None:
    text = changed(
        "digits: 8, max_rate: 2000",
        "digits: 8, max_rate: 2000, exchanges: [{at: 2026-02-01T00:00:00Z, closing: 100000000, opening: 0}]",
    )

    assert "closing 1e+08 of the exchange at 2026-02-01T00:00:00+00:00 is not within 0 and 1e+08" in only(text)


@pytest.mark.parametrize("block_s", [600, 1000, 0, -900, 7200, 450])
def test_a_demand_block_that_does_not_fit_the_base_interval_is_a_mistake(block_s: int) -> None:
    assert f"demand_block_s {block_s} must be a multiple of the base interval (900)" in only(
        changed(PRESS, f"{PRESS}        demand_block_s: {block_s}\n")
    )


@pytest.mark.parametrize("block_s", [900, 1800, 3600])
def test_a_demand_block_of_whole_base_intervals_up_to_an_hour_is_right(block_s: int) -> None:
    assert found(changed(PRESS, f"{PRESS}        demand_block_s: {block_s}\n")) == ()


def test_a_parent_that_is_no_meter_is_a_mistake() -> None:
    assert only(changed("parent: alpha/main", "parent: alpha/mian")) == (
        "meter alpha/press: parent 'alpha/mian' is no meter of this park; write it as tenant/meter"
    )


def test_meters_that_are_their_own_parents_are_each_told() -> None:
    text = changed("parent: _park/bulk", "parent: alpha/press")

    assert found(text) == (
        "meter alpha/main: it is its own parent by way of alpha/main -> alpha/press -> alpha/main",
        "meter alpha/press: it is its own parent by way of alpha/press -> alpha/main -> alpha/press",
    )


def test_a_meter_below_a_circle_it_is_no_part_of_is_left_to_those_in_it() -> None:
    text = changed("parent: _park/bulk", "parent: alpha/main")

    assert found(text) == ("meter alpha/main: it is its own parent by way of alpha/main -> alpha/main",)


def test_a_parent_in_another_network_is_a_mistake() -> None:
    text = changed("        name: Water intake\n", "        name: Water intake\n        parent: _park/bulk\n")

    assert "parent _park/bulk measures electricity, not water" in only(text)


def test_use_below_the_use_of_another_tenant_would_count_twice() -> None:
    before, _, after = RIGHT.rpartition("parent: _park/bulk")

    assert "role 'use' below alpha/press, a 'use' meter of tenant alpha" in only(f"{before}parent: alpha/press{after}")


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("meter: _park/outlet", "meter: _park/inlet", "rule ph_outlet: meter '_park/inlet' is no meter of this park"),
        (
            "quantity: ph\n",
            "quantity: tss\n",
            "rule ph_outlet: meter _park/outlet has no channel 'tss'; it has effluent_flow, ph, cod",
        ),
        ("    highest: 100\n", "", "rule cod_outlet: gives neither lowest nor highest; a rule needs a limit"),
        ("    lowest: 6\n", "", "rule ph_outlet: statistic 'range' needs both lowest and highest"),
        ("highest: 9", "highest: 5", "rule ph_outlet: lowest 6 is above highest 5; no value could meet it"),
        ("statistic: range", "statistic: mean", "rule ph_outlet: pH is logarithmic and never averaged"),
        ("statistic: range", "statistic: p95", "rule ph_outlet: pH is logarithmic and never averaged"),
        ("statistic: mean", "statistic: sum", "rule cod_outlet: statistic 'sum' of cod, which adds up to nothing"),
        (
            "quantity: effluent_flow",
            "quantity: temperature",
            "rule cod_outlet: statistic 'flow_weighted_mean' belongs to a concentration beside effluent_flow",
        ),
    ],
)
def test_a_rule_that_cannot_be_judged_is_a_mistake(old: str, new: str, sentence: str) -> None:
    text = changed("statistic: mean", "statistic: flow_weighted_mean") if "weighted" in sentence else RIGHT

    assert any(sentence in one for one in found(changed(old, new, text)))


def test_a_volume_may_be_judged_by_its_sum() -> None:
    text = changed("meter: _park/outlet\n    quantity: cod", "meter: alpha/water\n    quantity: water_in")

    assert found(changed("statistic: mean", "statistic: sum", text)) == ()


def test_a_rule_on_an_amount_is_a_mistake() -> None:
    text = changed("meter: _park/outlet\n    quantity: cod", "meter: alpha/water\n    quantity: water_in")

    assert "rule cod_outlet: water_in is no gauge" in only(text)


def test_a_window_shorter_than_the_interval_of_its_channel_is_a_mistake() -> None:
    text = changed(PH, "{quantity: ph, kind: gauge, interval_s: 3600}")

    assert only(text) == "rule ph_outlet: window 'base' (900 s) is shorter than interval_s 3600 of _park/outlet/ph"


def test_one_rule_at_two_times_may_not_overlap() -> None:
    text = changed("- key: ph_outlet", "- key: cod_outlet")

    assert "rule cod_outlet: stands twice at the same time" in only(text)
    later = changed("    highest: 9\n", "    highest: 9\n    valid_to: 2026-06-01T00:00:00+07:00\n", text)
    assert (
        found(changed("    highest: 100\n", "    highest: 100\n    valid_from: 2026-06-01T00:00:00+07:00\n", later))
        == ()
    )
