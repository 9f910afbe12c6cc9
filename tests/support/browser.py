"""A browser that notes what a page complains of, and whom else it asks."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import ConsoleMessage, Page, Request, expect, sync_playwright

from tests.support.strictness import missing

CHROMIUM = ("/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@dataclass(slots=True)
class Seen:
    """What a page did while it was looked at."""

    complaints: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser_path() -> str:
    """Where Chromium is."""
    found = next((path for name in CHROMIUM if (path := shutil.which(name))), None)
    if found is None:
        missing("no Chromium is installed (package chromium)")
    return str(found)


@contextmanager
def opened_page(browser_path: str, address: str) -> Iterator[tuple[Page, Seen]]:
    """A page of a browser of its own, that notes what it asks of other hosts than that of the address."""
    seen = Seen()
    host = urlsplit(address).netloc

    def on_request(request: Request) -> None:
        if urlsplit(request.url).netloc != host and not request.url.startswith("data:"):
            seen.elsewhere.append(request.url)

    def on_console(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            seen.complaints.append(message.text)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
        context = browser.new_context(viewport={"width": 1280, "height": 1000}, device_scale_factor=1.5)
        opened = context.new_page()
        opened.on("request", on_request)
        opened.on("console", on_console)
        opened.on("pageerror", lambda error: seen.complaints.append(str(error)))
        try:
            yield opened, seen
        finally:
            browser.close()


def log_in_with(page: Page, address: str, token: str) -> None:
    """Give a token to the login, and wait until the page is live."""
    page.goto(address)
    page.get_by_label("Access token").fill(token)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#state")).to_have_text("Live", timeout=30_000)
