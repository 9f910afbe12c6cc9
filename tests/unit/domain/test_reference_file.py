"""The reference file: every mistake is a sentence that names the thing and what would be right."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from domain.errors import RegistryError
from domain.referencefile import parse_references, reference_mistakes, reference_schema, references_of
from domain.time import parse_instant
from tests.support.schemas import text_of

PROJECT = Path(__file__).parents[3]
EXAMPLE = PROJECT / "deploy" / "references" / "karawang.yaml"
SCHEMA = PROJECT / "docs" / "schemas" / "references.json"
DOCUMENT = PROJECT / "docs" / "references.md"

RIGHT = """\
park: p
factors:
  - {key: grid, value: 0.8, unit: tCO2e/MWh, region: Jamali, valid_from: 2026-01-01T00:00:00+07:00, source: table 3}
holidays:
  - {key: national, dates: [2026-08-17], valid_from: 2026-01-01T00:00:00+07:00, source: decree}
tariffs:
  - key: i3
    currency: IDR
    holidays: national
    blocks:
      - {key: wbp, price: 1500, windows: [{days: workdays, clock: "17:00-22:00"}]}
      - key: lwbp
        price: 1000
        windows:
          - {days: workdays, clock: "00:00-17:00"}
          - {days: workdays, clock: "22:00-24:00"}
          - {days: [weekend, holiday], clock: "00:00-24:00"}
    valid_from: 2026-01-01T00:00:00+07:00
    source: decree
contracts:
  - {tenant: a, tariff: i3, contracted_kva: 555, valid_from: 2026-01-01T00:00:00+07:00, source: contract 7}
formulas:
  - {key: own, title: Own, unit: kWh, expression: electricity, valid_from: 2026-01-01T00:00:00+07:00, source: us}
checks:
  - {key: power, limits: {spike_z: 9}, valid_from: 2026-01-01T00:00:00+07:00, source: us}
"""


def changed(old: str, new: str, text: str = RIGHT) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


def found(text: str) -> tuple[str, ...]:
    return reference_mistakes(parse_references(text, "yaml"), tenants=["a", "_park"], channels=["a/m/power"])


def test_a_right_file_has_no_mistakes() -> None:
    assert found(RIGHT) == ()


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "unit: tCO2e/MWh",
            "unit: kWh/tCO2e",
            "factor grid: unit 'kWh/tCO2e' does not reduce to kgCO2e/kWh, which it needs",
        ),
        ("unit: tCO2e/MWh", "unit: t/MWh", "factor grid: unit 't/MWh' does not reduce to kgCO2e/kWh, which it needs"),
        (
            '{days: workdays, clock: "22:00-24:00"}',
            '{days: workdays, clock: "23:00-24:00"}',
            "tariff i3: workdays 22:00-23:00 belongs to no block",
        ),
        (
            '{days: workdays, clock: "22:00-24:00"}',
            '{days: [tue, wed, thu, fri], clock: "22:00-24:00"}',
            "tariff i3: Monday 22:00-24:00 belongs to no block",
        ),
        (
            '{days: workdays, clock: "00:00-17:00"}',
            '{days: workdays, clock: "00:00-18:00"}',
            "tariff i3: workdays 17:00-18:00 belongs to wbp and lwbp; each minute belongs to one block",
        ),
        ("[weekend, holiday]", "[weekend]", "tariff i3: holiday 00:00-24:00 belongs to no block"),
        (
            "holidays: national",
            "holidays: nationl",
            "tariff i3: holidays 'nationl' are not in this file; known are national",
        ),
        ("    holidays: national\n", "", None),
        ("currency: IDR", "currency: idr", "tariff i3: currency 'idr' is not a code of three capital letters, like IDR"),
        ("tenant: a,", "tenant: z,", "contract of z: 'z' is no tenant of park p; tenants are _park, a"),
        ("tariff: i3,", "tariff: i4,", "contract of a: tariff 'i4' is not in this file; known are i3"),
        (
            "tariff: i3, contracted_kva: 555, ",
            "",
            "contract of a: says neither tariff nor contracted_kva; a contract has at least one of them",
        ),
        ("dates: [2026-08-17]", "dates: [2026-08-17, 2026-08-17]", "holidays national: 2026-08-17 stands twice"),
        ("key: power", "key: a/x/power", "check a/x/power: the park has no such channel; write it as tenant/meter/quantity"),
        ("key: power", "key: a/power", "check a/power: is neither a quantity, like power, nor a channel, like tenant/meter/quantity"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_what_would_be_right(old: str, new: str, sentence: str | None) -> None:
    if sentence is None:
        assert found(changed(old, new)) == ()
    else:
        assert found(changed(old, new)) == (sentence,)


def test_an_unknown_quantity_and_an_unknown_factor_are_told_with_those_there_are() -> None:
    (factor,) = found(changed("key: grid", "key: gird"))
    (check,) = found(changed("key: power", "key: powr"))

    assert factor.startswith("factor gird: there is no factor 'gird'; known are grid, grid_residual,")
    assert check.startswith("check powr: 'powr' is no quantity; known are energy_import,")


def test_a_heating_value_is_above_zero() -> None:
    text = changed("key: grid, value: 0.8, unit: tCO2e/MWh", "key: lhv_gas, value: 0, unit: MJ/m3")

    assert found(text) == ("factor lhv_gas: value 0 MJ/m3 would make energy of nothing; a heating value is above 0",)


def test_windows_for_holidays_need_holidays() -> None:
    text = changed("[weekend, holiday], clock", "weekend, clock", changed("    holidays: national\n", "")).replace(
        "    valid_from: 2026-01-01T00:00:00+07:00\n    source: decree\n", ""
    )
    text = text.replace(
        '{days: weekend, clock: "00:00-24:00"}',
        '{days: weekend, clock: "00:00-24:00"}\n          - {days: holiday, clock: "00:00-24:00"}'
        "\n    valid_from: 2026-01-01T00:00:00+07:00\n    source: decree",
    )

    assert found(text) == (
        "tariff i3: has windows for holidays, but names no holidays; write `holidays: KEY` of the holidays that count",
    )


def factors(*lives: str) -> str:
    entries = "".join(f"  - {{key: grid, value: 1, unit: kgCO2e/kWh, source: s, {life}}}\n" for life in lives)
    return f"park: p\nfactors:\n{entries}"


EARLY, LATE = "2026-01-01T00:00:00+07:00", "2026-06-01T00:00:00+07:00"


def test_a_key_that_stands_twice_at_one_time_is_refused() -> None:
    text = factors(f"valid_from: {EARLY}, valid_to: 2026-07-01T00:00:00+07:00", f"valid_from: {LATE}")

    assert found(text) == (
        (
            f"factor grid: stands twice at the same time ({EARLY} to 2026-07-01T00:00:00+07:00 and {LATE} to open); "
            "end the one before the next begins"
        ),
    )


def test_a_value_that_ends_before_it_begins_is_refused() -> None:
    assert found(factors(f"valid_from: {LATE}, valid_to: {EARLY}")) == (
        f"factor grid: ends {EARLY}, before it begins ({LATE})",
    )


def test_a_value_without_an_end_ends_where_the_next_begins() -> None:
    file = parse_references(factors(f"valid_from: {LATE}", f"valid_from: {EARLY}"), "yaml")

    first, second = references_of(file).factors

    assert reference_mistakes(file) == ()
    assert (first.origin.valid_from_us, first.origin.valid_to_us) == (parse_instant(EARLY), parse_instant(LATE))
    assert second.origin.valid_to_us is None


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (", source: table 3", "", "factors[0].source: is missing (factor grid)"),
        (
            "source: table 3",
            "source: ' '",
            'factors[0].source: must say where the value is from: document, edition, page; or who measured it, is " " (factor grid)',
        ),
        ("value: 0.8", "value: -1", "factors[0].value: must be at least 0, is -1 (factor grid)"),
        (
            '"17:00-22:00"',
            '"5pm-10pm"',
            ('tariffs[0].blocks[0].windows[0].clock: must be a stretch of the clock, like "17:00-22:00" (in quotation marks), '
            'is "5pm-10pm" (tariff i3, block wbp)'),
        ),
        (
            '"17:00-22:00"',
            '"22:00-06:00"',
            ("tariffs[0].blocks[0].windows[0].clock: must begin before it ends; what passes midnight is two windows, "
            '"22:00-24:00" and "00:00-06:00", is "22:00-06:00" (tariff i3, block wbp)'),
        ),
        (
            "dates: [2026-08-17]",
            "dates: [soon]",
            'holidays[0].dates[0]: must be a date, like 2026-01-31, is "soon" (holiday national)',
        ),
        (
            "contracted_kva: 555",
            "kva: 555",
            ("contracts[0].kva: is not a known field; known here are valid_from, valid_to, source, confirmed, tenant, tariff, "
            "contracted_kva (contract a)"),
        ),
    ],
)  # fmt: skip
def test_a_wrong_shape_is_told_with_its_place(old: str, new: str, sentence: str) -> None:
    with pytest.raises(RegistryError) as refused:
        parse_references(changed(old, new), "yaml")

    assert str(refused.value) == f"the reference file has 1 mistake:\n- {sentence}"


def test_mistakes_are_told_all_at_once() -> None:
    text = changed(
        "tenant: a,", "tenant: z,", changed("unit: tCO2e/MWh", "unit: t", changed("22:00-24:00", "23:00-24:00"))
    )

    assert len(found(text)) == 3


@pytest.mark.parametrize(
    ("key", "value", "unit", "expected"),
    [
        ("grid", 0.8, "tCO2e/MWh", 0.8),
        ("grid", 800, "gCO2/kWh", 0.8),
        ("lhv_gas", 36, "MJ/Nm3", 0.036),
        ("lhv_diesel", 36.1, "MJ/L", 0.0361),
        ("co2_gas", 56.1, "tCO2/TJ", 56.1),
    ],
)
def test_a_factor_comes_in_the_unit_of_its_key(key: str, value: float, unit: str, expected: float) -> None:
    text = f"park: p\nfactors:\n  - {{key: {key}, value: {value}, unit: {unit}, source: s, valid_from: {EARLY}}}\n"

    (factor,) = references_of(parse_references(text, "yaml")).factors

    assert factor.value == pytest.approx(expected, rel=1e-12)


def test_the_example_is_right_and_confirms_only_what_was_read() -> None:
    file = parse_references(EXAMPLE.read_text(encoding="utf-8"), "yaml")

    confirmed = [factor.key for factor in file.factors if factor.confirmed]

    assert reference_mistakes(file) == ()
    assert confirmed == ["grid"]
    assert not any(one.confirmed for one in (*file.tariffs, *file.holidays, *file.contracts))


def test_the_published_schema_of_references_equals_the_code() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == text_of(reference_schema())


def test_a_right_file_meets_the_schema() -> None:
    content = yaml.safe_load(RIGHT)
    plain = {
        key: [{name: value if isinstance(value, str | int | float | list) else str(value) for name, value in one.items()} for one in part]
        for key, part in content.items()
        if key in {"factors", "contracts", "formulas"}
    }  # fmt: skip

    jsonschema.validate({"park": "p", **plain}, reference_schema())


def test_the_references_in_the_documentation_are_right() -> None:
    written = DOCUMENT.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]

    assert reference_mistakes(parse_references(written, "yaml")) == ()
