"""A small park with alarms for tests of the store: its rules, its users, and episodes made up by hand."""

from typing import Any

import numpy as np

from domain.alarmentries import AlarmEntry
from domain.alarms import OPEN_US, Category, Severity
from domain.parkfile import ParkFile
from store.alarms import AlarmTarget
from store.connection import Role, connect
from store.episodes import EpisodeTable
from store.judgements import JudgementTable
from store.users import UserRole, create_user
from tests.support.databases import MINUTE_US, NOON_US, apply_to, channel, meter, park_file, tenant

CONTACT = {"key": "officer", "name": "Officer", "way": "email", "address": "officer@example.com"}


def rule(key: str = "cod-high", **rest: Any) -> dict[str, Any]:
    """An alarm's entry of a park file."""
    return {
        "key": key,
        "name": "COD of the outlet",
        "category": "exceedance",
        "severity": "high",
        "watch": {"channel": "*/*/cod"},
        "above": 100.0,
        **rest,
    }


def alarm_park(*alarms: dict[str, Any], contacts: tuple[dict[str, Any], ...] = (CONTACT,)) -> ParkFile:
    """Park `p` with two tenants and an outlet, and these alarms."""
    file = park_file(
        tenant("a", meter("m", channel("ph"), channel("cod"), role="discharge")),
        tenant("b", meter("m", channel("cod"), channel("energy_import", "register"))),
        tenant("_park", meter("outlet", channel("cod"), role="outlet")),
    )
    document = file.model_dump(mode="json", exclude_unset=True)
    return ParkFile.model_validate({**document, "alarms": list(alarms), "contacts": list(contacts)})


def entry(key: str = "cod-high", **rest: Any) -> AlarmEntry:
    """A rule as the API takes it."""
    return AlarmEntry.model_validate(rule(key, **rest))


def with_users(url: str, *alarms: dict[str, Any], now_us: int | None = None) -> dict[str, int]:
    """Apply the park, and make its users; ids of channels by `tenant/meter/quantity`."""
    ids = apply_to(url, alarm_park(*alarms), now_us=now_us)
    with connect(url, Role.AUTH) as conn:
        create_user(conn, "operator", UserRole.OPERATOR, parks=["p"])
        create_user(conn, "officer", UserRole.OFFICER, parks=["p"])
        create_user(conn, "tenant", UserRole.TENANT, tenants=["p/a"])
    return ids


def target(
    place: str, key: str = "cod-high", category: Category = Category.EXCEEDANCE, severity: Severity = Severity.HIGH
) -> AlarmTarget:
    """A rule on a target of park `p`."""
    return AlarmTarget(rule=key, target=place, category=category, severity=severity)


def episode_table(rule_id: int, *episodes: dict[str, Any]) -> EpisodeTable:
    """Episodes with `alarm`, `start` and `stop` [min after noon], `open`, `final` and `peak`."""

    def column(name: str, default: float) -> list[Any]:
        return [one.get(name, default) for one in episodes]

    count = len(episodes)
    start_us = NOON_US + np.array(column("start", 0), dtype=np.int64) * MINUTE_US
    stop_us = NOON_US + np.array(column("stop", 10), dtype=np.int64) * MINUTE_US
    is_open = np.array(column("open", 0), dtype=np.bool_)
    return EpisodeTable(
        alarm_id=np.array(column("alarm", 1), dtype=np.int32),
        rule_id=np.full(count, rule_id, dtype=np.int32),
        start_us=start_us,
        stop_us=stop_us,
        raised_us=start_us + MINUTE_US,
        cleared_us=np.where(is_open, OPEN_US, stop_us + MINUTE_US),
        last_us=stop_us + MINUTE_US,
        peak=np.array(column("peak", 150.0), dtype=np.float64),
        peak_at_us=start_us,
        bound=np.full(count, 100.0),
        mean=np.full(count, 120.0),
        beyond_s=np.full(count, 600.0),
        excess_kg=np.full(count, np.nan),
        valid=np.full(count, 5, dtype=np.int32),
        missing=np.zeros(count, dtype=np.int32),
        excluded=np.zeros(count, dtype=np.int32),
        final=np.array(column("final", 0), dtype=np.bool_),
    )


def judgement_table(alarm_id: int, *judgements: tuple[int, float, int, bool]) -> JudgementTable:
    """Judgements of one alarm as (end [min after noon], value, verdict, final), each of ten minutes."""
    count = len(judgements)
    at_us = NOON_US + np.array([one[0] for one in judgements], dtype=np.int64) * MINUTE_US
    value = np.array([one[1] for one in judgements], dtype=np.float64)
    return JudgementTable(
        alarm_id=np.full(count, alarm_id, dtype=np.int32),
        start_us=at_us - 10 * MINUTE_US,
        at_us=at_us,
        least=value,
        greatest=value,
        lowest=np.full(count, -np.inf),
        highest=np.full(count, 100.0),
        verdict=np.array([one[2] for one in judgements], dtype=np.int8),
        status=np.zeros(count, dtype=np.int8),
        known_s=np.full(count, 600.0),
        final=np.array([one[3] for one in judgements], dtype=np.bool_),
    )
