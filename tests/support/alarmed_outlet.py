"""The outlet of `tests.support.outlet` with alarm rules and contacts, its readings as messages, and what is stored of its alarms."""

import json
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import psycopg

from domain.parkfile import ParkFile
from simulators.reports import Outgoing
from tests.support.outlet import BEGIN_US, OUTLET, OUTLET_PARK, Slug, outlet_readings

__all__ = ["TOPIC", "Row", "alarmed_outlet", "asked", "messages", "rule", "shifted", "steps"]

TOPIC = f"kawasan/v1/{OUTLET_PARK.park.key}/{OUTLET}"
Row = tuple[str, int, float]
"""Quantity, time [us UTC], value."""


def rule(key: str, watch: dict[str, Any], *told: str, **rest: Any) -> dict[str, Any]:
    """An alarm's entry of a park file; these contacts are told at once."""
    must = {"key": key, "name": f"Rule {key}", "category": "warning", "severity": "medium", "watch": watch}
    return {**must, "tell": [{"contact": contact} for contact in told], **rest}


def alarmed_outlet(alarms: Iterable[dict[str, Any]], contacts: Iterable[dict[str, Any]] = (), **park: Any) -> ParkFile:
    """The park of the outlet with these rules and contacts; `park` changes fields of the park itself."""
    plain = OUTLET_PARK.model_dump(mode="json", exclude_none=True)
    plain["park"] |= park
    return ParkFile.model_validate({**plain, "alarms": list(alarms), "contacts": list(contacts)})


def shifted(minutes: int, slugs: Sequence[Slug], begin_us: int) -> list[Row]:
    """Readings of the simulated outlet as if they had begun at another time."""
    return [
        (quantity, ts_us - BEGIN_US + begin_us, value) for quantity, ts_us, value in outlet_readings(minutes, slugs)
    ]


def messages(rows: Iterable[Row]) -> list[Outgoing]:
    """One message for each time, in the order of the readings."""
    made = []
    for ts_us, several in groupby(rows, key=lambda row: row[1]):
        reading = {"ts": ts_us // 1000, "values": {quantity: value for quantity, _, value in several}}
        made.append(Outgoing(topic=TOPIC, payload=json.dumps(reading).encode(), due_us=ts_us, read_us=ts_us))
    return made


def asked(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Rows of a database, as its owner sees it."""
    with psycopg.connect(url) as conn:
        return conn.execute(statement.encode()).fetchall()


def steps(url: str) -> list[tuple[Any, ...]]:
    """What the condition did to alarms, by rule and in order of time: rule, target, step, when, of which episode, whether announced."""
    return asked(
        url,
        "SELECT a.rule_key, a.target, t.step, t.at, t.episode, t.announced FROM alarm_transition t JOIN alarm a ON a.id = t.alarm_id"
        " WHERE t.step IN ('raise', 'clear') ORDER BY a.rule_key, a.target, t.at, t.id",
    )
