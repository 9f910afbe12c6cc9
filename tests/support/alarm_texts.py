"""Park files with alarms as text, and what is wrong with them, for tests that break one thing."""

from textwrap import dedent, indent
from typing import Any

from domain.alarmentries import AlarmEntry
from domain.alarms import Watch
from domain.parkfile import ParkFile, mistakes, parse
from domain.parkregistry import registry_of
from domain.registry import Registry
from domain.watches import targets_of, watches_of
from tests.support.park_texts import RIGHT

CONTACTS = dedent("""
    contacts:
      - {key: officer, name: The officer, way: email, address: officer@example.com}
      - {key: wall, name: The wall, way: mqtt, address: wall, categories: [device], least_severity: high}
""")


def with_alarms(*rules: str, park: str = RIGHT, contacts: str = CONTACTS) -> str:
    """A park file with alarm rules, each the text of one in flow style: `{key: a, ...}`."""
    alarms = "alarms:\n" + indent("\n".join(f"- {rule}" for rule in rules), "  ") + "\n" if rules else ""
    return park + alarms + contacts


def a_rule(watch: str, more: str = "", *, key: str = "odd", category: str = "warning", severity: str = "medium") -> str:
    """One rule; `watch` and `more` are fields in flow style."""
    rest = f", {more}" if more else ""
    return f"{{key: {key}, name: Odd, category: {category}, severity: {severity}, watch: {{{watch}}}{rest}}}"


def the_park(*rules: str, park: str = RIGHT) -> ParkFile:
    return parse(with_alarms(*rules, park=park), "yaml")


def found(*rules: str, park: str = RIGHT) -> tuple[str, ...]:
    """What is wrong with a park that has these rules."""
    return mistakes(the_park(*rules, park=park))


def the_registry(*rules: str, park: str = RIGHT) -> Registry:
    """The registry of a park whose rules are right."""
    file = the_park(*rules, park=park)
    wrong = mistakes(file)
    if wrong:
        raise AssertionError("\n".join(wrong))
    return registry_of(file)


def numbered(registry: Registry) -> dict[tuple[str, str], int]:
    """Ids of all alarms of a registry, from 1 on in order of rule and target."""
    pairs = {(rule.key, target) for rule in registry.alarm_rules for target in targets_of(registry, rule)}
    return {pair: number for number, pair in enumerate(sorted(pairs), 1)}


def the_watches(*rules: str, park: str = RIGHT, **units: str) -> tuple[Watch, ...]:
    """All watches of a park with these rules."""
    registry = the_registry(*rules, park=park)
    return watches_of(registry, numbered(registry), kpi_units=units)


def an_entry(**changes: Any) -> AlarmEntry:
    """A right rule on the COD of the outlet, with some fields changed."""
    fields = {
        "key": "cod",
        "name": "COD",
        "category": "warning",
        "severity": "high",
        "watch": {"channel": "_park/outlet/cod"},
        "above": 100,
        **changes,
    }
    return AlarmEntry.model_validate(fields)
