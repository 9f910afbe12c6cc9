"""The rules and contacts that docs/alarms.md shows are right, and of every kind."""

import re
from pathlib import Path
from typing import Any

import yaml

from domain.alarmchecks import alarm_problems, contact_problems
from domain.alarmentries import AlarmEntry, ContactEntry
from domain.watchentries import WATCH_SHAPES
from tests.support.example_park import example_park

PAGE = Path(__file__).resolve().parents[3] / "docs" / "alarms.md"


def shown() -> list[dict[str, Any]]:
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return [entry for block in blocks for entry in yaml.safe_load(block)]


def rules() -> list[AlarmEntry]:
    return [AlarmEntry.model_validate(entry) for entry in shown() if "watch" in entry]


def test_the_rules_that_are_shown_are_right_for_the_example_park() -> None:
    assert alarm_problems(example_park(), rules()) == ()


def test_a_rule_of_every_kind_is_shown() -> None:
    assert {type(rule.watch) for rule in rules()} == set(WATCH_SHAPES.values())


def test_the_contacts_that_are_shown_are_right() -> None:
    contacts = [ContactEntry.model_validate(entry) for entry in shown() if "way" in entry]

    assert contact_problems(contacts) == ()
    assert {contact.way for contact in contacts} == {"email", "webhook", "mqtt"}


def test_every_field_of_a_rule_and_of_a_contact_is_explained() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert [
        name for name in (*AlarmEntry.model_fields, *ContactEntry.model_fields) if not re.search(rf"\b{name}\b", page)
    ] == []
