"""Which references an answer names."""

from dataclasses import replace
from typing import Any

import numpy as np

from domain.frames import Subject
from domain.references import Contract, Factor, Origin, References, Tariff
from domain.registry import OPERATOR, Registry
from domain.time import DAY_US
from kpi.definition import Kpi
from service.api.provenance import references_used
from tests.support.small_formulas import a_formula
from tests.support.small_parks import (
    BEGIN_US,
    PARK,
    a_channel,
    a_meter,
    a_meter_subject,
    a_registry,
    a_rule,
    a_tenant,
    a_tenant_subject,
    the_kpis,
)

EDGES = np.array([BEGIN_US + 10 * DAY_US, BEGIN_US + 11 * DAY_US])


def an_origin(key: str, number: int = 1, **changes: Any) -> Origin:
    origin = Origin(
        id=number, key=key, valid_from_us=BEGIN_US, valid_to_us=None, source=f"source of {key}", confirmed=True
    )
    return replace(origin, **changes)


def a_factor(key: str, number: int = 1, **changes: Any) -> Factor:
    return Factor(origin=an_origin(key, number, **changes), value=0.8, unit="kgCO2e/kWh", region="Jawa-Bali")


def a_tariff(key: str) -> Tariff:
    return Tariff(
        origin=an_origin(key),
        currency="IDR",
        blocks=(),
        reactive_price=0.0,
        pf_min=0.85,
        fixed_per_month=0.0,
        holidays=None,
    )


def a_contract(key: str, tariff: str) -> Contract:
    return Contract(origin=an_origin(key), tariff=tariff, contracted_kva=100.0)


def a_park(**references: Any) -> Registry:
    tenants = [a_tenant(1), a_tenant(2), a_tenant(3, key=OPERATOR)]
    registry = a_registry([a_meter(1, 1)], [a_channel(10, 1, "energy_import")], tenants=tenants)
    return replace(registry, references=References(**references))


def using(registry: Registry, *uses: str) -> Kpi:
    (kpi,) = the_kpis(registry, "electricity")
    return replace(kpi, uses=uses)


def named(registry: Registry, subject: Subject, *uses: str) -> list[tuple[str, str, int]]:
    found = references_used(registry, using(registry, *uses), subject, EDGES)
    return [(one.kind, one.key, one.id) for one in found]


def test_a_factor_is_named_with_its_source_and_whether_it_is_confirmed() -> None:
    registry = a_park(factors=(a_factor("grid", 7, confirmed=False), a_factor("lhv_gas")))

    (found,) = references_used(registry, using(registry, "factor:grid"), PARK, EDGES)

    assert (found.kind, found.key, found.id) == ("factor", "grid", 7)
    assert (found.source, found.confirmed, found.valid_to) == ("source of grid", False, None)
    assert found.valid_from.isoformat() == "2026-01-01T00:00:00+07:00"


def test_only_versions_that_were_in_force_in_the_range_are_named() -> None:
    cut_us = int(EDGES[0])
    ended, held = a_factor("grid", 1, valid_to_us=cut_us), a_factor("grid", 2, valid_from_us=cut_us)
    coming = a_factor("grid", 3, valid_from_us=int(EDGES[1]))

    assert named(a_park(factors=(ended, held, coming)), PARK, "factor:grid") == [("factor", "grid", 2)]


def test_a_star_stands_for_all_keys_of_a_kind() -> None:
    registry = a_park(factors=(a_factor("lhv_gas", 1), a_factor("lhv_coal", 2), a_factor("grid", 3)))

    assert named(registry, PARK, "factor:lhv_*") == [("factor", "lhv_coal", 2), ("factor", "lhv_gas", 1)]


def test_a_tenant_is_shown_its_own_contract_and_tariff_and_nobody_elses() -> None:
    registry = a_park(
        tariffs=(a_tariff("big"), a_tariff("small")), contracts=(a_contract("t1", "big"), a_contract(OPERATOR, "small"))
    )
    uses = ("tariff:*", "contract:*")

    own = [("tariff", "big", 1), ("contract", "t1", 1)]
    assert named(registry, a_tenant_subject(1), *uses) == own
    assert named(registry, a_meter_subject(1), *uses) == own
    assert named(registry, a_tenant_subject(2), *uses) == [("tariff", "small", 1), ("contract", OPERATOR, 1)]


def test_the_park_is_shown_all_contracts() -> None:
    registry = a_park(contracts=(a_contract("t1", "big"), a_contract("t2", "big")))

    assert [key for _, key, _ in named(registry, PARK, "contract:*")] == ["t1", "t2"]


def test_a_limit_names_its_legal_basis() -> None:
    registry = replace(a_park(), rules=(a_rule(5, 10, legal_basis="decree 68", confirmed=False),))

    (found,) = references_used(registry, using(registry, "limit:cod"), PARK, EDGES)

    assert (found.kind, found.id, found.source, found.confirmed) == ("limit", 5, "decree 68", False)


def test_a_formula_names_itself() -> None:
    registry = a_park(formulas=(a_formula("ours", "2 * electricity", "kWh"),))
    (kpi,) = the_kpis(registry, "ours")

    (found,) = references_used(registry, kpi, PARK, EDGES)

    assert (found.kind, found.key, found.source) == ("formula", "ours", "the operator's handbook")


def test_an_answer_without_intervals_names_nothing() -> None:
    registry = a_park(factors=(a_factor("grid"),))

    assert references_used(registry, using(registry, "factor:grid"), PARK, EDGES[:1]) == []
