"""Alarm rules about KPIs are held against the catalogue."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from domain.errors import RegistryError
from domain.parkregistry import registry_of
from domain.referencefile import references_of
from service.alarmrules import kpi_problems, kpi_units
from service.cli.parks import checked_park, example_park
from service.cli.references import example_references
from tests.support.alarm_texts import a_rule, an_entry, the_registry, with_alarms


def problems(above: float | str = 1, *, knows_references: bool = True, **watch: Any) -> tuple[str, ...]:
    entry = an_entry(watch={"level": "month", **watch}, above=above)
    return kpi_problems(the_registry(), [entry], knows_references=knows_references)


def test_a_rule_about_a_kpi_of_the_catalogue_is_right() -> None:
    assert problems(kpi="power_factor") == ()
    assert problems(kpi="compliance_cod_outlet", of="_park") == ()
    assert problems(kpi="load_cod", of="*", level="day", alignment="running") == ()


def test_rules_about_something_else_are_left_aside() -> None:
    assert kpi_problems(the_registry(), [an_entry()]) == ()


@pytest.mark.parametrize(
    ("watch", "sentence"),
    [
        (
            {"kpi": "power_facto"},
            (
                "'power_facto' is no KPI of this park; did you mean power_factor? "
                "(a formula must be applied before the rule that watches it)"
            ),
        ),
        (
            {"kpi": "xyzzy"},
            (
                "'xyzzy' is no KPI of this park; docs/reference/kpis.md lists them "
                "(a formula must be applied before the rule that watches it)"
            ),
        ),
        ({"kpi": "night_flow_step"}, "level 'month' of night_flow_step, which is made for day"),
        ({"kpi": "water_balance", "of": "alpha"}, "of 'alpha' is a tenant, and water_balance is made of park"),
        ({"kpi": "contract_use", "of": "*/*"}, "of '*/*' is a meter, and contract_use is made of park, tenant"),
        (
            {"kpi": "power_factor", "level": "base", "alignment": "running"},
            "alignment 'running' of power_factor at level 'base', which has no part that could be looked at before its end",
        ),
        (
            {"kpi": "timeliness"},
            "timeliness is made of receipts when it is read, and cannot be watched; watch silence, or the health 'ingest_lag'",
        ),
    ],
)
def test_what_the_catalogue_does_not_offer_is_refused(watch: dict[str, Any], sentence: str) -> None:
    assert problems(**watch) == (f"alarm cod: {sentence}",)


def test_a_bound_is_in_the_unit_of_the_kpi() -> None:
    assert problems("300 kW", kpi="demand_peak") == ()
    assert problems("0.3 MW", kpi="demand_peak") == (
        "alarm cod: above '0.3 MW' of demand_peak, which is in kW; write the number in that unit",
    )


def test_without_references_what_they_could_make_is_left_aside() -> None:
    assert problems(kpi="tou_wbp", knows_references=False) == ()
    assert problems(kpi="steam_per_batch", knows_references=False) == ()
    assert len(problems(kpi="power_facto", knows_references=False)) == 1
    assert len(problems(kpi="tou_wbp")) == 1


def test_the_example_park_watches_kpis_of_its_catalogue() -> None:
    registry = registry_of(example_park(), references_of(example_references()))

    assert kpi_problems(registry, [rule.entry for rule in registry.alarm_rules]) == ()


def test_the_units_of_all_kpis_are_known() -> None:
    assert kpi_units(the_registry())["load_cod"] == "kg"
    assert kpi_units(replace(the_registry(), rules=()))["power_factor"] == "1"


def test_a_park_file_is_refused_for_its_alarms_all_together(tmp_path: Path) -> None:
    path = tmp_path / "park.yaml"
    path.write_text(
        with_alarms(
            a_rule("channel: _park/outlet/cod", "above: 5, deadband: -1", key="a"),
            a_rule("kpi: power_facto, level: month", "below: 0.85", key="b"),
        )
    )

    with pytest.raises(RegistryError) as raised:
        checked_park(path)

    first, *mistakes = str(raised.value).split("\n- ")
    assert first == f"{path} has 2 mistakes:"
    assert [one.split(":")[0] for one in mistakes] == ["alarm a", "alarm b"]
