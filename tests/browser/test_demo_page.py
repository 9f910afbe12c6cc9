"""The demo in a fresh folder, seen by a browser: it moves, it complains of nothing, it asks nobody else."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from service.cli.demo_run import erase_demo
from service.embedded.ports import free_port
from tests.support.browser import Seen, browser_path, log_in_with, opened_page

__all__ = ["browser_path"]

PROJECT = Path(__file__).resolve().parents[2]
UP_S = 90.0
FILLED_S = 150.0
STOP_S = 10.0


@dataclass(frozen=True, slots=True)
class Demo:
    """A running demo."""

    address: str
    folder: Path
    process: subprocess.Popen[str]

    def token(self, who: str) -> str:
        token: str = json.loads((self.folder / "logins.json").read_text())[who]
        return token


def is_up(address: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"{address}/readyz", timeout=2) as answer:
        return bool(answer.status == 200)
    return False


def stopped(process: subprocess.Popen[str]) -> float:
    """End the demo as Ctrl-C does; how long it took."""
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_S + 20)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return time.monotonic() - began


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    # Not pytest's own folder: as root, the database's account could not get into it.
    folder = Path(tempfile.mkdtemp(prefix="kawasan-demo-"))
    folder.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KAWASAN_")}
    port = free_port()
    with (folder / "output").open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "demo", "--data-dir", str(folder / "data"), "--port", str(port)],
            cwd=PROJECT,
            env=kept,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    running = Demo(address=f"http://127.0.0.1:{port}", folder=folder / "data", process=process)
    try:
        ends = time.monotonic() + UP_S
        while not is_up(running.address):
            assert process.poll() is None, (folder / "output").read_text()
            assert time.monotonic() < ends, f"the demo was not up within {UP_S:g} s"
            time.sleep(0.2)
        yield running
    finally:
        if process.poll() is None:
            stopped(process)
        erase_demo(folder / "data")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def page(browser_path: str, demo: Demo) -> Iterator[tuple[Page, Seen]]:
    with opened_page(browser_path, demo.address) as opened:
        yield opened


def log_in(page: Page, demo: Demo, who: str) -> None:
    log_in_with(page, demo.address, demo.token(who))


def texts_of(page: Page, selector: str) -> str:
    return " ".join(page.locator(selector).all_inner_texts())


def until_it_changes(page: Page, selector: str) -> None:
    before = texts_of(page, selector)
    ends = time.monotonic() + FILLED_S
    while texts_of(page, selector) == before:
        assert time.monotonic() < ends, f"{selector} stayed {before!r}"
        page.wait_for_timeout(250)


def test_the_page_of_the_operator_moves_and_asks_nobody_else(page: tuple[Page, Seen], demo: Demo) -> None:
    live, seen = page

    log_in(live, demo, "operator")
    number = re.compile(r"\d")
    for tile in ("power", "electricity", "peak", "water", "compliance", "availability", "flow"):
        expect(live.locator(f"#figure-{tile}")).to_have_text(number, timeout=FILLED_S * 1000)
    expect(live.locator(".plot .bar").nth(60)).to_be_attached(timeout=FILLED_S * 1000)
    until_it_changes(live, "#figure-power")
    until_it_changes(live, "#figure-electricity")

    assert live.locator("#rows tr").count() > 30
    assert live.locator(".gauge .needle").count() >= 3
    expect(live.locator("#notice")).to_be_hidden()
    if screenshot := os.environ.get("KAWASAN_SCREENSHOT"):
        # A picture of everyday life, after the first minutes in which a whole day is caught up with.
        live.wait_for_timeout(150_000)
        live.set_viewport_size({"width": 1280, "height": 1330})
        live.screenshot(path=screenshot)
    assert (seen.complaints, seen.elsewhere) == ([], [])


def test_a_tenant_sees_its_own_numbers_only(page: tuple[Page, Seen], demo: Demo) -> None:
    live, seen = page

    log_in(live, demo, "tenant")
    expect(live.locator("#figure-electricity")).to_have_text(re.compile(r"\d"), timeout=FILLED_S * 1000)

    assert live.locator("#rows tr").count() == 1
    assert (seen.complaints, seen.elsewhere) == ([], [])


def test_an_officer_sees_the_water_that_leaves_the_site(page: tuple[Page, Seen], demo: Demo) -> None:
    live, seen = page

    log_in(live, demo, "officer")
    expect(live.locator(".gauge .reads").first).to_have_text(re.compile(r"\d"), timeout=FILLED_S * 1000)

    assert live.locator("#figure-electricity").count() == 0
    assert (seen.complaints, seen.elsewhere) == ([], [])


def test_the_page_fits_a_telephone(page: tuple[Page, Seen], demo: Demo) -> None:
    live, _ = page
    live.set_viewport_size({"width": 390, "height": 800})

    log_in(live, demo, "operator")
    expect(live.locator("#figure-power")).to_have_text(re.compile(r"\d"), timeout=FILLED_S * 1000)

    assert live.evaluate("document.documentElement.scrollWidth") <= 390


def test_other_commands_work_beside_the_demo(demo: Demo) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KAWASAN_")}
    settings = demo.folder / "settings.toml"

    checked = subprocess.run(
        [sys.executable, "-m", "service.cli", "check"],
        cwd=PROJECT,
        env=kept | {"KAWASAN_CONFIG": str(settings)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert settings.stat().st_mode & 0o077 == 0
