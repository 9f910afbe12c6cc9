"""The alarms on the live page: what they say, what can be done from there, and by whom."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from service.embedded.ports import free_port
from tests.support.alarm_served import fill_alarms
from tests.support.browser import Seen, browser_path, log_in_with, opened_page
from tests.support.served import TOKENS

__all__ = ["browser_path"]

PROJECT = Path(__file__).resolve().parents[2]
UP_S = 60.0


@pytest.fixture
def address(timescale_url: str) -> Iterator[str]:
    """A server over a database that holds some alarms."""
    fill_alarms(timescale_url)
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KAWASAN_")}
    with subprocess.Popen(
        [sys.executable, "-m", "service.cli", "serve", "--port", str(port)],
        cwd=PROJECT,
        env=kept | {"KAWASAN_DATABASE_URL": timescale_url},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            ends = time.monotonic() + UP_S
            while not is_up(f"http://127.0.0.1:{port}"):
                assert process.poll() is None, "the server ended"
                assert time.monotonic() < ends, f"the server was not up within {UP_S:g} s"
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def is_up(address: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{address}/readyz", timeout=2) as answer:
        return bool(answer.status == 200)
    return False


@pytest.fixture
def page(browser_path: str, address: str) -> Iterator[tuple[Page, Seen]]:
    with opened_page(browser_path, address) as opened:
        yield opened


def shown(page: Page) -> list[str]:
    return page.locator("#alarms .alarm strong").all_inner_texts()


def test_an_operator_deals_with_alarms_on_the_page(page: tuple[Page, Seen], address: str) -> None:
    live, seen = page
    log_in_with(live, address, TOKENS["operator"])
    expect(live.locator("#alarms .alarm")).to_have_count(4, timeout=20_000)
    cod = live.locator("#alarms .alarm", has_text="COD above its limit")

    assert shown(live) == ["Readings lag", "COD above its limit", "pH too low", "Much power"]
    expect(live.locator("#alarms-note")).to_have_text("4 stand, 4 not acknowledged.")
    expect(cod).to_contain_text("high")
    expect(cod).to_contain_text("150 mg/L, limit 100 mg/L")
    expect(cod).to_contain_text("Back within, not acknowledged since 2 Mar")
    if screenshot := os.environ.get("KAWASAN_SCREENSHOT_ALARMS"):
        live.screenshot(path=screenshot)

    live.get_by_role("button", name="Acknowledge: COD above its limit").click()
    expect(live.locator("#alarms .alarm")).to_have_count(3)
    live.get_by_role("button", name="Acknowledge: pH too low").click()
    expect(live.locator("#alarms .alarm", has_text="pH too low")).to_contain_text("Active, acknowledged by operator")

    live.get_by_role("button", name="Shelve: Much power").click()
    live.get_by_label("Why").press("Enter")
    expect(live.locator("#shelve")).to_be_visible()
    live.get_by_label("Why").fill("the line is tested")
    live.get_by_role("button", name="Shelve", exact=True).click()
    expect(live.locator("#alarms .alarm")).to_have_count(2)
    expect(live.locator("#alarms-aside summary")).to_have_text("1 pending, shelved, suppressed or out of service")
    live.locator("#alarms-aside summary").click()
    expect(live.locator("#alarms-aside .alarm")).to_contain_text("shelved until")
    live.get_by_role("button", name="End the shelf: Much power").click()
    expect(live.locator("#alarms .alarm")).to_have_count(3)
    assert (seen.complaints, seen.elsewhere) == ([], [])


def test_a_tenant_sees_its_own_and_can_do_nothing_there(page: tuple[Page, Seen], address: str) -> None:
    live, seen = page
    log_in_with(live, address, TOKENS["tenant"])
    expect(live.locator("#alarms .alarm")).to_have_count(1, timeout=20_000)

    assert shown(live) == ["Much power"]
    assert live.locator("#alarms button").count() == 0
    assert (seen.complaints, seen.elsewhere) == ([], [])


def test_the_alarms_fit_a_telephone(page: tuple[Page, Seen], address: str) -> None:
    live, _ = page
    live.set_viewport_size({"width": 390, "height": 800})
    log_in_with(live, address, TOKENS["officer"])
    expect(live.locator("#alarms .alarm")).to_have_count(2, timeout=20_000)

    assert live.evaluate("document.documentElement.scrollWidth") <= 390
    if screenshot := os.environ.get("KAWASAN_SCREENSHOT_PHONE"):
        live.screenshot(path=screenshot)
