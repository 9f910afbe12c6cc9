"""The page that describes the API, seen by a browser: it finds, it leads from one thing to another, and it asks nobody else."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import Seen, browser_path, opened_page
from tests.support.schema_runs import serving

__all__ = ["browser_path"]


@pytest.fixture
def docs(browser_path: str, timescale_url: str, tmp_path: Path) -> Iterator[tuple[Page, Seen]]:
    """The page, which needs no login, and nothing in the database."""
    with serving(timescale_url, tmp_path) as address, opened_page(browser_path, f"{address}/docs") as (page, seen):
        page.goto(f"{address}/docs")
        yield page, seen


def test_the_page_finds_operations_and_leads_to_what_they_answer(docs: tuple[Page, Seen]) -> None:
    page, seen = docs

    page.get_by_role("searchbox").fill("read_kpi")
    expect(page.locator("#found")).to_have_text("1 of 54 operations")
    page.get_by_text("/api/v1/kpis/{key}".replace("/", "/\u200b")).click()
    expect(page.get_by_text("gaps included")).to_be_visible()
    expect(page.get_by_text("$KAWASAN/kpis/electricity?subject=tenant:karawang/tirta-celup")).to_be_visible()
    page.get_by_role("link", name="KpiSeries").click()
    expect(page.locator("#shape-KpiSeries").get_by_text("subject_name")).to_be_visible()

    assert seen.complaints == []
    assert seen.elsewhere == []


def test_the_page_fits_a_telephone(docs: tuple[Page, Seen]) -> None:
    page, _ = docs
    page.set_viewport_size({"width": 360, "height": 740})

    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")

    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider == 0


def test_an_address_opens_the_operation_that_it_names(docs: tuple[Page, Seen]) -> None:
    page, _ = docs

    page.evaluate("location.hash = '#act_on_alarm'")

    expect(page.locator("#act_on_alarm .about")).to_be_visible()
