"""What a KPI was made with, told beside its values: over a real database, computed by the real engine."""

import time

import pytest

from domain.contextentries import ContextEntry
from domain.referencefile import parse_references
from domain.time import DAY_US
from service.engine import run_cycle
from service.references import check_references
from store import Role, connect, load_registry
from store.context import enter_context
from tests.integration.test_references_applied import apply_text
from tests.support.served import DAY, DAY_START_US, Api, api, filled_template

__all__ = ["api", "filled_template"]

REFERENCES = """
park: p
factors:
  - {key: grid, value: 0.8, unit: kgCO2e/kWh, valid_from: 2026-01-01T00:00:00+07:00, source: a table nobody has read}
formulas:
  - key: ours
    title: Tonnes per megawatt-hour
    unit: t/MWh
    expression: production_t / electricity
    subjects: [tenant]
    levels: [day, month]
    valid_from: 2026-01-01T00:00:00+07:00
    source: handbook
    confirmed: true
"""


def computed(url: str) -> None:
    """References applied, 12 t entered for alpha's day, everything computed."""
    with connect(url, Role.WRITE) as conn:
        check_references(parse_references(REFERENCES, "yaml"), load_registry(conn, "p"), "references")
    now_us = time.time_ns() // 1000
    apply_text(url, REFERENCES, now_us=now_us)
    with connect(url, Role.WRITE) as conn:
        registry = load_registry(conn, "p")
        alpha = next(one.id for one in registry.tenants if one.key == "alpha")
        made = ContextEntry(series="production_t", start_us=DAY_START_US, stop_us=DAY_START_US + DAY_US, value=12.0)
        enter_context(conn, registry.park.id, [made], [alpha], "me")
    with connect(url, Role.WRITE, autocommit=True) as conn:
        park = load_registry(conn, "p").park
        while run_cycle(conn, park, cycle_rows=200_000, now_us=now_us).spans:
            continue


async def test_an_intensity_names_the_factor_and_that_nobody_confirmed_it(api: Api) -> None:
    computed(api.url)

    answer = await api.api("kpis/carbon_intensity_t", subject="tenant:p/alpha", level="day", **DAY)

    (value,) = answer.body["values"]
    # 24 h x 60 kW x 0.8 kgCO2e/kWh / 12 t
    assert value["value"] == pytest.approx(24 * 60 * 0.8 / 12)
    assert value["unit"] == "kgCO2e/t"
    (used,) = answer.body["references"]
    assert (used["kind"], used["key"], used["confirmed"]) == ("factor", "grid", False)
    assert used["source"] == "a table nobody has read"
    assert used["valid_from"] == "2026-01-01T00:00:00+07:00"


@pytest.mark.parametrize("level", ["day", "month"])
async def test_a_formula_is_computed_stored_and_named_like_any_other_kpi(api: Api, level: str) -> None:
    computed(api.url)
    span = DAY if level == "day" else {"start": "2026-03-01T00:00:00+07:00", "stop": "2026-04-01T00:00:00+07:00"}

    answer = await api.api("kpis/ours", subject="tenant:p/alpha", level=level, **span)

    (value,) = answer.body["values"]
    assert value["measured"] == pytest.approx(12 / (24 * 0.06))
    assert answer.body["formula"] == "production_t / electricity"
    assert (value["formula_version"], value["registry_version"]) == (1, answer.body["registry_version"])
    assert [(used["kind"], used["key"], used["confirmed"]) for used in answer.body["references"]] == [
        ("formula", "ours", True)
    ]


async def test_compliance_names_its_limit_and_legal_basis(api: Api) -> None:
    answer = await api.api("kpis/compliance_cod_hour", subject="park:p", level="day", **DAY)

    (used,) = answer.body["references"]
    assert (used["kind"], used["key"], used["source"], used["confirmed"]) == ("limit", "cod_hour", "example", False)


async def test_what_needs_no_reference_names_none(api: Api) -> None:
    answer = await api.api("kpis/electricity", subject="tenant:p/alpha", level="day", **DAY)

    assert answer.body["references"] == []
