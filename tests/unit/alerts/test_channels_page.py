"""The page about notifications: its receiver verifies what a webhook sends, and its tables are those of the code."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alerts.channels import webhook
from alerts.channels.mqtt import PREFIX
from alerts.channels.webhook import signature
from domain.notifications import Way

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "notifications.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return str(found)


@pytest.fixture
def is_genuine() -> Callable[[str, str, bytes], bool]:
    """The receiver's function, as the page has it."""
    names: dict[str, Any] = {}
    exec(compile(block("python"), "notifications.md", "exec"), names)
    found: Callable[[str, str, bytes], bool] = names["is_genuine"]
    return found


def test_the_receiver_of_the_page_tells_our_calls_from_others(is_genuine: Callable[[str, str, bytes], bool]) -> None:
    now_s, body = int(time.time()), b'{"kind":"alarm"}'
    ours = signature("a secret of mine", now_s, body)

    assert is_genuine("a secret of mine", ours, body)
    assert not is_genuine("another secret", ours, body)
    assert not is_genuine("a secret of mine", ours, body + b" ")
    assert not is_genuine("a secret of mine", ours.replace("t=", "t=1"), body)
    assert not is_genuine("a secret of mine", "", body)
    assert not is_genuine("a secret of mine", signature("a secret of mine", now_s - 3600, body), body)


def test_the_json_of_the_page_is_json() -> None:
    assert {"key", "kind", "park", "alarm", "step", "at", "episode"} <= set(json.loads(block("json")))


def test_the_page_names_every_way_and_the_topic() -> None:
    assert [way for way in Way if f"| `{way}` |" not in PAGE] == []
    assert PREFIX in PAGE


def test_the_page_lists_the_answers_that_refuse_for_good() -> None:
    assert f"| {', '.join(str(status) for status in sorted(webhook._FOR_GOOD))} | refused" in PAGE
