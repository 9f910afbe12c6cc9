"""The catalogue: one entry per KPI, and which channels each needs."""

from domain.frames import SubjectKind
from domain.registry import Registry
from kpi.catalogue import CATALOGUE, for_registry
from kpi.compute import member_channels
from kpi.definition import TERMS, Fold
from tests.support.small_parks import (
    PARK,
    a_channel,
    a_meter,
    a_meter_subject,
    a_registry,
    a_rule,
    a_tenant_subject,
    the_kpis,
)


def a_small_park() -> Registry:
    meters = [a_meter(1, 1), a_meter(2, 1, parent_id=1), a_meter(3, 2, role="outlet")]
    channels = [
        a_channel(1, 1, "energy_import"),
        a_channel(2, 1, "energy_reactive_lagging"),
        a_channel(3, 2, "energy_import"),
        a_channel(4, 3, "cod"),
        a_channel(5, 3, "effluent_flow"),
        a_channel(6, 3, "load_cod", inputs=(4, 5)),
    ]
    return a_registry(meters, channels, rules=(a_rule(1, 4), a_rule(2, 4, legal_basis="permit 2")))


def test_every_kpi_has_its_own_key_and_no_more_terms_than_are_stored() -> None:
    kpis = for_registry(a_small_park())

    assert len({kpi.key for kpi in kpis}) == len(kpis)
    assert all(0 < len(kpi.terms) <= TERMS for kpi in kpis)


def test_a_term_beside_a_peak_has_one_peak_to_stand_beside() -> None:
    for kpi in for_registry(a_small_park()):
        folds = [term.fold for term in kpi.terms]

        assert folds.count(Fold.MAX) <= 1
        assert Fold.AT_MAX not in folds or Fold.MAX in folds


def test_a_park_has_the_catalogue_and_a_kpi_for_each_of_its_products_and_rules() -> None:
    kpis = for_registry(a_small_park())

    by_key = {kpi.key: kpi for kpi in kpis}
    assert [kpi.key for kpi in kpis][: len(CATALOGUE)] == [kpi.key for kpi in CATALOGUE]
    assert by_key["load_cod"].of == "cod"
    assert by_key["compliance_cod"].source == "permit 1; permit 2"


def test_balances_are_for_the_park_only() -> None:
    offered = {kpi.key: kpi.subjects for kpi in CATALOGUE}

    assert offered["water_balance"] == offered["water_loss_share"] == {SubjectKind.PARK}


def test_the_channels_of_a_kpi_are_its_members_and_what_stands_beside_them() -> None:
    registry = a_small_park()
    one = a_tenant_subject(1)

    def needed(key: str) -> list[int]:
        return list(member_channels(registry, (one, PARK), the_kpis(registry, key)))

    assert needed("electricity") == [1]
    assert needed("power_factor") == [1, 2]
    assert needed("load_cod") == [4, 5, 6]
    assert needed("compliance_cod") == [4]
    assert needed("availability") == [1, 2, 3, 4, 5]
    assert needed("water_intake") == []


def test_a_meter_below_another_needs_its_own_channel() -> None:
    registry = a_small_park()

    assert member_channels(registry, (a_meter_subject(2),), the_kpis(registry, "demand_peak")).tolist() == [3]
