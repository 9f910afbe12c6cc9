"""Reference files on a real database: superseded, never updated; each change touches what it reaches, and a wrong file nothing."""

from pathlib import Path
from typing import Any

import pytest

from domain.errors import RegistryError
from domain.referencefile import parse_references, references_of
from domain.references import dated
from domain.time import parse_instant, to_datetime
from service.cli.demo_context import enter_example_values
from service.cli.parks import example_park
from service.cli.references import apply_reference_file, example_references, read_reference_file
from store import Role, connect, load_registry
from store.references import apply_references, list_references
from tests.support.databases import apply_to, channel, meter, park_file, tenant
from tests.support.served import Api, api, filled_template

__all__ = ["api", "filled_template"]

JANUARY, JUNE = "2026-01-01T00:00:00+07:00", "2026-06-01T00:00:00+07:00"
NOW_US = parse_instant("2026-09-15T12:00:00+07:00")
PARK = park_file(
    tenant("alpha", meter("main", channel("energy_import", "register"), channel("power"))),
    tenant("beta", meter("main", channel("power"))),
)


def factor(value: float, valid_from: str = JANUARY, source: str = "table") -> str:
    return f"  - {{key: grid, value: {value}, unit: kgCO2e/kWh, valid_from: {valid_from}, source: {source}}}\n"


def contract(kva: float, firm: str = "alpha") -> str:
    return f"  - {{tenant: {firm}, contracted_kva: {kva}, valid_from: {JUNE}, source: contract}}\n"


def file_of(*factors: str, contracts: str = "", checks: str = "") -> str:
    parts = {"factors": "".join(factors), "contracts": contracts, "checks": checks}
    return "park: p\n" + "".join(f"{name}:\n{text}" for name, text in parts.items() if text)


def apply_text(url: str, text: str, *, now_us: int = NOW_US) -> tuple[str, ...]:
    with connect(url, Role.MIGRATE) as conn:
        return apply_references(conn, "p", references_of(parse_references(text, "yaml")), by="me", now_us=now_us)


def grid(url: str, as_of_us: int | None = None) -> list[tuple[float, int, int | None]]:
    with connect(url, Role.WRITE) as conn:
        found = dated(load_registry(conn, "p", as_of_us=as_of_us).references.factors, "grid")
    return [(one.value, one.origin.valid_from_us, one.origin.valid_to_us) for one in found]


def queue(url: str) -> list[tuple[Any, ...]]:
    """Spans since the last time it was asked."""
    with connect(url, Role.WRITE) as conn:
        return conn.execute(
            "DELETE FROM span_queue RETURNING of_context, tenant_id, channel_id, from_ts, to_ts"
        ).fetchall()


def version(url: str) -> int:
    with connect(url, Role.WRITE) as conn:
        return load_registry(conn, "p").park.version


def test_the_example_comes_out_of_the_database_as_it_went_in(kawasan_url: str) -> None:
    file = example_references()
    apply_to(kawasan_url, example_park())

    changes = apply_reference_file(kawasan_url, file, name="example", by="me")
    with connect(kawasan_url, Role.WRITE) as conn:
        loaded = load_registry(conn, "karawang").references

    wanted = references_of(file)
    assert len(changes) == sum(len(getattr(wanted, name)) for name in ("factors", "tariffs", "holidays", "contracts"))
    assert [(one.origin.key, one.value, one.unit, one.region) for one in loaded.factors] == [
        (one.origin.key, one.value, one.unit, one.region) for one in wanted.factors
    ]
    assert [one.blocks for one in loaded.tariffs] == [one.blocks for one in wanted.tariffs]
    assert [one.dates for one in loaded.holidays] == [one.dates for one in wanted.holidays]
    assert [one.contracted_kva for one in loaded.contracts] == [one.contracted_kva for one in wanted.contracts]


def test_the_demos_values_fit_its_park_and_are_entered_once(timescale_url: str) -> None:
    apply_to(timescale_url, example_park())

    first = enter_example_values(timescale_url, "karawang", NOW_US)
    again = enter_example_values(timescale_url, "karawang", NOW_US)

    assert (first, again) == (4 * (len(example_park().tenants) - 1), 0)


def test_the_same_file_twice_changes_nothing_more(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    apply_text(kawasan_url, file_of(factor(0.8)))
    before = version(kawasan_url)
    queue(kawasan_url)

    assert apply_text(kawasan_url, file_of(factor(0.8))) == ()
    assert version(kawasan_url) == before
    assert queue(kawasan_url) == []


def test_a_changed_value_supersedes_and_the_old_one_is_still_known(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK, now_us=NOW_US - 2)
    apply_text(kawasan_url, file_of(factor(0.8)), now_us=NOW_US - 1_000_000)
    before = version(kawasan_url)

    changes = apply_text(kawasan_url, file_of(factor(0.7)))
    with connect(kawasan_url, Role.WRITE) as conn:
        rows = list_references(conn, "p", history=True)

    start_us = parse_instant(JANUARY)
    assert changes == ("factor grid from 2025-12-31T17:00:00+00:00: value changed from 0.8 to 0.7",)
    assert grid(kawasan_url) == [(0.7, start_us, None)]
    assert grid(kawasan_url, as_of_us=NOW_US - 1) == [(0.8, start_us, None)]
    assert version(kawasan_url) == before + 1
    assert [(row.body["value"], row.superseded_at, row.recorded_by) for row in rows] == [
        (0.8, to_datetime(NOW_US), "me"),
        (0.7, None, "me"),
    ]


def test_a_file_need_not_repeat_the_past(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    apply_text(kawasan_url, file_of(factor(0.8)))

    apply_text(kawasan_url, file_of(factor(0.7, JUNE)))

    january, june = parse_instant(JANUARY), parse_instant(JUNE)
    assert grid(kawasan_url) == [(0.8, january, june), (0.7, june, None)]


def test_what_a_file_no_longer_names_ends_now(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    apply_text(kawasan_url, file_of(factor(0.8)))

    apply_text(kawasan_url, file_of(contracts=contract(100)))

    assert grid(kawasan_url) == [(0.8, parse_instant(JANUARY), NOW_US)]


def test_a_version_that_never_held_is_withdrawn_whole(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    apply_text(kawasan_url, file_of(factor(0.8), factor(0.6, "2027-01-01T00:00:00+07:00")))

    changes = apply_text(kawasan_url, file_of(factor(0.8)))

    assert grid(kawasan_url) == [(0.8, parse_instant(JANUARY), None)]
    assert any("withdrawn" in change for change in changes)


def test_a_factor_touches_everybody_from_when_it_differs_up_to_now(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    queue(kawasan_url)

    apply_text(kawasan_url, file_of(factor(0.8, JUNE)))
    spans = queue(kawasan_url)

    assert all(
        of_context and tenant_id is None and channel_id is None for of_context, tenant_id, channel_id, *_ in spans
    )
    assert min(first for *_, first, _ in spans) == to_datetime(parse_instant(JUNE))
    assert max(last for *_, last in spans) == to_datetime(NOW_US)
    assert len(spans) == 5  # one for each month of UTC: May's last hours to September


def test_a_contract_touches_its_tenant_alone(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    queue(kawasan_url)

    apply_text(kawasan_url, file_of(contracts=contract(100) + contract(50, "beta")))
    queue(kawasan_url)
    apply_text(kawasan_url, file_of(contracts=contract(120) + contract(50, "beta")))

    with connect(kawasan_url, Role.WRITE) as conn:
        alpha = next(one.id for one in load_registry(conn, "p").tenants if one.key == "alpha")
    assert {tenant_id for _, tenant_id, *_ in queue(kawasan_url)} == {alpha}


def test_a_better_source_is_recorded_and_touches_no_number(kawasan_url: str) -> None:
    apply_to(kawasan_url, PARK)
    apply_text(kawasan_url, file_of(factor(0.8)))
    queue(kawasan_url)

    changes = apply_text(kawasan_url, file_of(factor(0.8, source="decree")))

    assert changes == ("factor grid from 2025-12-31T17:00:00+00:00: source changed from 'table' to 'decree'",)
    assert queue(kawasan_url) == []


WRONG_TARIFF = (
    "tariffs:\n  - {key: t, currency: IDR, valid_from: 2026-01-01T00:00:00+07:00, source: s, "
    'blocks: [{key: flat, price: 1, windows: [{clock: "00:00-23:00"}]}]}\n'
)
WRONG_FORMULA = (
    "formulas:\n  - {key: mine, title: Mine, unit: kWh, expression: no_such_thing * 2, "
    "valid_from: 2026-01-01T00:00:00+07:00, source: s}\n"
)
WRONG_LIMIT = "checks:\n  - {key: power, limits: {no_such: 1}, valid_from: 2026-01-01T00:00:00+07:00, source: s}\n"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (WRONG_TARIFF, "every day of the week 23:00-24:00 belongs to no block"),
        (WRONG_FORMULA, "no_such_thing"),
        (WRONG_LIMIT, "no_such"),
        (f"contracts:\n{contract(5, 'nobody')}", "'nobody' is no tenant of park p"),
    ],
    ids=["tariff", "formula", "limit", "contract"],
)
def test_a_wrong_file_changes_nothing(kawasan_url: str, tmp_path: Path, wrong: str, named: str) -> None:
    apply_to(kawasan_url, PARK)
    apply_text(kawasan_url, file_of(factor(0.8)))
    before = version(kawasan_url)
    queue(kawasan_url)
    path = tmp_path / "references.yaml"
    path.write_text(file_of(factor(0.1)) + wrong, encoding="utf-8")

    with pytest.raises(RegistryError) as refused:
        apply_reference_file(kawasan_url, read_reference_file(path), name=path.name, by="me")

    assert str(refused.value).startswith("references.yaml has 1 mistake:\n- ")
    assert named in str(refused.value)
    assert grid(kawasan_url) == [(0.8, parse_instant(JANUARY), None)]
    assert (version(kawasan_url), queue(kawasan_url)) == (before, [])


async def test_a_tenant_sees_its_own_contract_and_what_is_of_the_whole_park(api: Api) -> None:
    apply_text(api.url, file_of(factor(0.8), contracts=contract(100) + contract(50, "beta")))

    seen = {
        role: [(one["kind"], one["key"]) for one in (await api.api("references", role, park="p")).body]
        for role in ("operator", "tenant", "officer")
    }

    assert seen == {
        "operator": [("contract", "alpha"), ("contract", "beta"), ("factor", "grid")],
        "tenant": [("contract", "alpha"), ("factor", "grid")],
        "officer": [("factor", "grid")],
    }


async def test_references_of_another_park_do_not_exist(api: Api) -> None:
    assert (await api.api("references", "tenant", park="q")).status == 404
    assert (await api.api("references", "operator", park="p", kind="nothing")).status == 422
