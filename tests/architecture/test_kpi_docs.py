"""docs/reference/kpis.md is the catalogue of the code, and docs/formulas.md only shows formulas that are right."""

import re
from pathlib import Path

import pytest

from kpi.catalogue import built_in
from kpi.custom import check_formula
from kpi.describe import catalogue_page, sample_registry
from tests.support.small_formulas import a_formula

DOCS = Path(__file__).resolve().parents[2] / "docs"
FORMULAS = (DOCS / "formulas.md").read_text(encoding="utf-8")


def test_the_page_of_kpis_is_what_the_code_says() -> None:
    page = (DOCS / "reference" / "kpis.md").read_text(encoding="utf-8")

    assert page == catalogue_page(), "docs/reference/kpis.md differs from the catalogue; run `make docs`"


def test_every_kpi_of_a_park_that_has_everything_is_on_the_page() -> None:
    page = catalogue_page()
    page = page.replace("<p>", "cod").replace("<rule>", "some_rule").replace("<block>", "some_block")
    shown = set(re.findall(r"^\| `([^`]+)` \|", page, re.MULTILINE))

    assert {kpi.key for kpi in built_in(sample_registry())} - shown == set()


EXAMPLES = re.findall(r"^\| `([^`]+)` \| ([^ |]+) \|", FORMULAS.split("## Right")[1].split("## ")[0], re.MULTILINE)
REFUSED = re.findall(r"^\| `([^`]+)` \| ([^ |]+) \| (.+) \|$", FORMULAS.split("## Refused")[1], re.MULTILINE)


@pytest.mark.parametrize(("expression", "unit"), EXAMPLES)
def test_a_formula_that_the_page_shows_is_right(expression: str, unit: str) -> None:
    assert check_formula(a_formula("ours", expression, unit), sample_registry()) == []


@pytest.mark.parametrize(("expression", "unit", "said"), REFUSED)
def test_a_formula_that_the_page_shows_as_refused_is_refused_so(expression: str, unit: str, said: str) -> None:
    assert check_formula(a_formula("ours", expression, unit), sample_registry()) == [f"formula ours: {said}"]


def test_the_page_shows_both_kinds() -> None:
    assert len(EXAMPLES) >= 5
    assert len(REFUSED) >= 5
