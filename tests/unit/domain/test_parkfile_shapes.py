"""Reading the text of a park file: every mistake of shape, at once and in its place."""

import pytest

from domain.errors import RegistryError
from domain.parkfile import ParkFile, parse
from domain.registry import Kind, MeterRole
from tests.support.park_texts import RIGHT, changed

TOML = """
[park]
key = "estate"
name = "An estate"
timezone = "Asia/Jakarta"
valid_from = 2026-01-01T00:00:00+07:00

[[tenants]]
key = "alpha"
name = "Alpha"

[[tenants.meters]]
key = "main"
name = "Incoming electricity"
role = "use"
channels = [
    { quantity = "energy_import", kind = "register", interval_s = 60, resolution = 0.1, max_rate = 2000 },
]
"""


def complaint(text: str) -> str:
    with pytest.raises(RegistryError) as caught:
        parse(text, "yaml")
    return str(caught.value)


def test_a_park_file_in_toml_is_read() -> None:
    file = parse(TOML, "toml")

    assert file.tenants[0].meters[0].role is MeterRole.USE
    assert file.tenants[0].meters[0].channels[0].kind is Kind.REGISTER


def test_a_park_file_in_yaml_is_read() -> None:
    file = parse(RIGHT, "yaml")

    assert [tenant.key for tenant in file.tenants] == ["_park", "alpha", "beta"]
    assert file.park.base_minutes == 15


def test_all_mistakes_of_shape_are_told_at_once() -> None:
    text = changed(
        "interval_s: 60", "interval_s: -5", changed("role: outlet", "role: drain", changed("    name: Alpha\n", ""))
    )

    lines = complaint(text).splitlines()

    assert lines[0] == "the park file has 3 mistakes:"
    assert len(lines) == 4


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "kind: gauge, interval_s: 60",
            "kind: gauge, interval_s: -5",
            "tenants[1].meters[0].channels[1].interval_s: must be greater than 0, is -5 (tenant alpha, meter main, channel power)",
        ),
        ("        name: Bulk supply\n", "", "tenants[0].meters[0].name: is missing (tenant _park, meter bulk)"),
        ("key: alpha", "key: Alpha", "must be 1 to 63 of a-z, 0-9, '_' and '-', not beginning with '-', is \"Alpha\""),
        ("key: alpha", "key: -alpha", "tenants[1].key: must be 1 to 63 of a-z"),
        (
            "kind: interval",
            "kind: counter",
            "kind: must be 'register', 'interval', 'gauge', 'event' or 'product', is \"counter\"",
        ),
        (
            "statistic: range",
            "statistic: median",
            (
                "rules[0].statistic: must be 'instant', 'mean', 'flow_weighted_mean', 'p95', 'min', 'max', 'sum' or 'range', "
                'is "median" (rule ph_outlet)'
            ),
        ),
        (
            "resolution: 0.1",
            "resolutoin: 0.1",
            "resolutoin: is not a known field; known here are quantity, kind, unit, interval_s",
        ),
        (
            "  timezone: Asia/Jakarta\n",
            "  timezone: Asia/Jakarta\n  base_minutes: 20\n",
            "park.base_minutes: must be 5, 15, 30 or 60, is 20",
        ),
        (
            "2026-01-01T00:00:00+07:00",
            "2026-01-01T00:00:00",
            "park.valid_from: must have a UTC offset, like 2026-01-01T00:00:00+07:00",
        ),
        ("2026-01-01T00:00:00+07:00", "2026-01-01", "park.valid_from: must"),
        ("2026-01-01T00:00:00+07:00", "soon", "park.valid_from: must be a time with a UTC offset"),
        ("max_rate: 9000", "max_rate: .inf", "max_rate: must be a finite number"),
        ("max_rate: 9000", "max_rate: 0", "max_rate: must be greater than 0, is 0"),
        ("digits: 9", "digits: 16", "digits: must be at most 15, is 16"),
        ("interval_s: 900", "interval_s: often", "interval_s: "),
        ("name: Alpha", "name: ''", 'tenants[1].name: must have at least 1 characters, is ""'),
    ],
)
def test_a_mistake_of_shape_names_its_place_and_value(old: str, new: str, sentence: str) -> None:
    text = changed(old, new)

    assert sentence in complaint(text)


def test_a_meter_without_channels_is_a_mistake() -> None:
    text = changed(
        "channels:\n          - {quantity: water_in, kind: register, interval_s: 300, resolution: 0.01, max_rate: 30}",
        "channels: []",
    )

    assert "tenants[1].meters[2].channels: must hold at least 1, holds 0 (tenant alpha, meter water)" in complaint(text)


def test_a_list_where_a_group_of_fields_should_be_is_a_mistake() -> None:
    assert "tenants[0]: must be a group of fields, is 3" in complaint("park: {key: a}\ntenants: [3]\n")


@pytest.mark.parametrize("text", ["", "just words", "- a\n- list\n", "42"])
def test_a_text_without_fields_is_refused(text: str) -> None:
    assert "holds no fields" in complaint(text)


def test_a_text_that_is_not_yaml_is_refused_with_its_line() -> None:
    assert "line 2" in complaint("park:\n  key: [")


def test_a_text_that_is_not_toml_is_refused_with_its_line() -> None:
    with pytest.raises(RegistryError, match=r"not TOML.*line 2"):
        parse("[park]\nkey = \n", "toml")


def test_a_time_that_does_not_exist_is_refused() -> None:
    assert "not YAML" in complaint(changed("2026-01-01T00:00:00+07:00", "2026-13-01T00:00:00+07:00"))


def test_a_field_that_stands_twice_is_refused_for_only_one_could_count() -> None:
    assert "'timezone' stands twice" in complaint(
        changed("  timezone: Asia/Jakarta\n", "  timezone: Asia/Jakarta\n  timezone: Europe/Rome\n")
    )


def test_a_text_nested_without_end_is_refused() -> None:
    assert "nested too deeply" in complaint("[" * 20_000)


def test_yaml_cannot_make_anything_but_plain_values() -> None:
    assert "not YAML" in complaint("park: !!python/object/apply:os.getcwd []")


def test_templates_are_left_out_and_may_be_merged() -> None:
    text = changed(
        "{quantity: power, kind: gauge, interval_s: 60}",
        "{<<: *gauge, quantity: power}",
        "x-templates:\n  - &gauge {kind: gauge, interval_s: 30, quantity: voltage}\n" + RIGHT,
    )

    channel = parse(text, "yaml").tenants[1].meters[0].channels[1]

    assert (channel.quantity, channel.interval_s) == ("power", 30)


def test_a_very_long_value_is_shown_shortened() -> None:
    assert len(complaint(changed("key: alpha", f"key: {'A' * 5000}"))) < 400


def test_a_park_file_is_frozen() -> None:
    file: ParkFile = parse(RIGHT, "yaml")

    with pytest.raises(ValueError, match="frozen"):
        file.park.key = "other"  # type: ignore[misc]
