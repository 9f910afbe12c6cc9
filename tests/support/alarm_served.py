"""An API over a database that holds alarms in several states, an episode with its windows and who was told; no engine runs."""

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from psycopg import Connection

from domain.alarms import OPEN_US, AlarmState, Category, Inhibit, Severity, Standing, Step, Transition
from domain.notifications import Notification, Way
from domain.parkfile import ParkFile
from domain.time import HOUR_US, SECOND_US, parse_instant, to_datetime
from store.alarms import AlarmTarget, alarm_ids, append_transitions, write_standings
from store.connection import Role, connect
from store.episodes import EpisodeTable, replace_episodes
from store.judgements import JudgementTable, write_judgements
from store.outbox import enqueue
from store.users import UserRole, create_user, set_token, token_hash
from tests.support.databases import apply_to, channel, meter, park_file, tenant
from tests.support.served import TOKENS, Answer, Api, served

START_US = parse_instant("2026-03-02T10:00:00+07:00")
RAISED_US = START_US + HOUR_US
COD, PH, POWER, WHOLE = "p/_park/outlet/cod", "p/_park/outlet/ph", "p/alpha/main/power", "p"
KEYS = (("cod-limit", f"{COD}#hour_mean"), ("ph-low", PH), ("power-high", POWER), ("lag", WHOLE))

RULES: list[dict[str, Any]] = [
    {
        "key": "cod-limit",
        "name": "COD above its limit",
        "category": "exceedance",
        "severity": "high",
        "watch": {"compliance": "_park/outlet/cod"},
        "cause": "Overload",
        "action": "Look at the aeration",
        "tell": [{"contact": "officer"}],
    },
    {
        "key": "ph-low",
        "name": "pH too low",
        "category": "warning",
        "severity": "medium",
        "watch": {"channel": "_park/outlet/ph"},
        "below": 6.0,
        "latching": True,
    },
    {
        "key": "power-high",
        "name": "Much power",
        "category": "warning",
        "severity": "low",
        "watch": {"channel": "alpha/main/power"},
        "above": 100.0,
    },
    {
        "key": "lag",
        "name": "Readings lag",
        "category": "system",
        "severity": "critical",
        "watch": {"health": "ingest_lag"},
        "above": 600.0,
    },
]
CONTACTS = [{"key": "officer", "name": "Officer", "way": "email", "address": "officer@example.com"}]


def alarm_park() -> ParkFile:
    """Two tenants and a treatment plant, with one rule for each kind of who may see it."""
    plain = park_file(
        tenant("alpha", meter("main", channel("energy_import", "register"), channel("power"))),
        tenant("beta", meter("main", channel("power"))),
        tenant("_park", meter("outlet", channel("cod"), channel("ph"), channel("effluent_flow"), role="outlet")),
        rules=[
            {
                "key": "cod_hour",
                "meter": "_park/outlet",
                "quantity": "cod",
                "statistic": "mean",
                "window": "hour",
                "highest": 100.0,
                "legal_basis": "Permit 7/2025",
                "authority": "permit",
            }
        ],
    )
    return ParkFile.model_validate({**plain.model_dump(), "alarms": RULES, "contacts": CONTACTS})


def add_users(url: str) -> None:
    """One of each role, and a stranger of another park's tenant: none."""
    with connect(url, Role.AUTH) as conn:
        create_user(conn, "operator", UserRole.OPERATOR, parks=["p"])
        create_user(conn, "tenant", UserRole.TENANT, tenants=["p/alpha"])
        create_user(conn, "officer", UserRole.OFFICER, parks=["p"])
        for role, token in TOKENS.items():
            set_token(conn, role, token_hash(token), label="test")


def fill_alarms(url: str) -> dict[str, int]:
    """Ids of the alarms by the key of their rule; COD and pH were raised an hour after 10:00, COD's episode is over."""
    apply_to(url, alarm_park(), now_us=START_US - 24 * HOUR_US)
    add_users(url)
    filed = [
        AlarmTarget(
            rule=rule["key"],
            target=target,
            category=Category(rule["category"]),
            severity=Severity[rule["severity"].upper()],
        )
        for rule, (_, target) in zip(RULES, KEYS, strict=True)
    ]
    with connect(url, Role.WRITE) as conn:
        ids = {rule: number for (rule, _), number in alarm_ids(conn, 1, filed).items()}
        _fill_cod(conn, ids["cod-limit"])
        write_standings(conn, [_standing(ids["ph-low"]), _standing(ids["power-high"]), _standing(ids["lag"])])
    return ids


def _standing(alarm_id: int, state: AlarmState = AlarmState.ACTIVE_UNACKED) -> Standing:
    return Standing(
        alarm_id=alarm_id, state=state, since_us=RAISED_US, episode_us=START_US, raised_us=RAISED_US, version=1
    )


def _fill_cod(conn: Connection[Any], alarm_id: int) -> None:
    write_standings(conn, [_standing(alarm_id, AlarmState.RETURNED_UNACKED)])
    steps = (
        (Step.RAISE, AlarmState.NORMAL, AlarmState.ACTIVE_UNACKED),
        (Step.CLEAR, AlarmState.ACTIVE_UNACKED, AlarmState.RETURNED_UNACKED),
    )
    numbers = append_transitions(
        conn,
        [
            Transition(
                alarm_id=alarm_id,
                step=step,
                before=before,
                after=after,
                inhibit=Inhibit.NONE,
                at_us=RAISED_US + place * HOUR_US,
                episode_us=START_US,
                actor="engine",
                announced=True,
            )
            for place, (step, before, after) in enumerate(steps)
        ],
    )
    row = conn.execute("SELECT id FROM alarm_rule WHERE key = 'cod-limit'").fetchone()
    assert row is not None
    _fill_episode(conn, alarm_id, row[0])
    told = Notification(
        contact="officer",
        way=Way.EMAIL,
        address="officer@example.com",
        subject="COD above its limit",
        body="It is.",
        payload="{}",
        dedup_key="p/cod-limit/raise/officer",
        not_before_us=RAISED_US,
        urgent=True,
    )
    enqueue(conn, 1, [told], [numbers[0]])


def _fill_episode(conn: Connection[Any], alarm_id: int, rule_id: int) -> None:
    def real(value: float) -> Any:
        return np.array([value])

    def whole(value: int, kind: Any = np.int64) -> Any:
        return np.array([value], dtype=kind)

    scope = whole(alarm_id, np.int32), whole(0), whole(OPEN_US)
    episode = EpisodeTable(
        alarm_id=whole(alarm_id, np.int32),
        rule_id=whole(rule_id, np.int32),
        start_us=whole(START_US),
        stop_us=whole(START_US + HOUR_US),
        raised_us=whole(RAISED_US),
        cleared_us=whole(RAISED_US + HOUR_US),
        last_us=whole(RAISED_US + HOUR_US),
        peak=real(150.0),
        peak_at_us=whole(RAISED_US),
        bound=real(100.0),
        mean=real(140.0),
        beyond_s=real(3600.0),
        excess_kg=real(0.5),
        valid=whole(1, np.int32),
        missing=whole(0, np.int32),
        excluded=whole(0, np.int32),
        final=whole(1, np.bool_),
    )
    replace_episodes(conn, episode, scope, computed_at_us=RAISED_US + HOUR_US)
    windows = JudgementTable(
        alarm_id=np.full(2, alarm_id, dtype=np.int32),
        start_us=np.array([START_US, START_US + HOUR_US]),
        at_us=np.array([RAISED_US, RAISED_US + HOUR_US]),
        least=np.array([150.0, 50.0]),
        greatest=np.array([150.0, 50.0]),
        lowest=np.full(2, -np.inf),
        highest=np.full(2, 100.0),
        verdict=np.array([2, 0], dtype=np.int8),
        status=np.zeros(2, dtype=np.int8),
        known_s=np.full(2, 3600.0),
        final=np.ones(2, dtype=np.bool_),
    )
    write_judgements(conn, windows, scope, computed_at_us=RAISED_US + HOUR_US)


@pytest.fixture
async def alarms(timescale_url: str) -> AsyncIterator[tuple[Api, dict[str, int]]]:
    """The API over some alarms, and their ids by the key of their rule."""
    ids = fill_alarms(timescale_url)
    async with served(timescale_url) as api:
        yield api, ids


async def sent(
    api: Api, method: str, path: str, body: dict[str, Any] | None = None, role: str = "operator", **headers: str
) -> Answer:
    """The answer to a request that changes something; `if_match="..."` is a header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await api.client.request(
        method, f"/api/v1/{path}", json=body, headers={"Authorization": f"Bearer {TOKENS[role]}", **named}
    )
    is_json = "json" in answer.headers.get("content-type", "")
    return Answer(status=answer.status_code, body=answer.json() if is_json else answer.text, headers=answer.headers)


def text_of(moment_us: int) -> str:
    """A time as requests write it. [us UTC]"""
    return to_datetime(moment_us // SECOND_US * SECOND_US).isoformat().replace("+00:00", "Z")
