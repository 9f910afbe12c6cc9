"""Two parks with everything in them that belongs to somebody: what alpha of park p may see, and what others may not see."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from typing import Any

import httpx2
import psycopg
import pytest
from pydantic import SecretStr

from domain.context import PARK_WIDE
from domain.contextentries import ContextEntry
from domain.corrections import Action
from domain.meterlife import MultiplierEntry, OutageEntry
from domain.parkfile import ParkFile
from domain.readings import Reason, Rejection
from domain.referencefile import parse_references, references_of
from domain.time import DAY_US, HOUR_US, Level, parse_instant
from service.api import create_app
from service.engine import run_cycle
from service.settings import Settings
from store import ReadingSink, Role, connect, load_registry
from store.closing import close_period
from store.context import enter_context
from store.corrections import correct
from store.meterlife import enter_life
from store.references import apply_references
from store.spans import append_tick
from store.users import UserRole, create_user, set_token, token_hash
from tests.support.databases import apply_to, batch_of, channel, meter, migrated_database, park_file, tenant
from tests.support.served import Api, closed_to_others
from tests.support.services import Kind, new_database

DAY_US_START = parse_instant("2026-03-02T00:00:00+07:00")
MONTH = "2026-03"
SLOT_US = 900_000_000
USERS: dict[str, tuple[UserRole, dict[str, list[str]]]] = {
    "tenant": (UserRole.TENANT, {"tenants": ["p/alpha"]}),
    "officer": (UserRole.OFFICER, {"parks": ["p"]}),
    "operator": (UserRole.OPERATOR, {"parks": ["p"]}),
    "auditor": (UserRole.AUDITOR, {"parks": ["p"]}),
    "other-operator": (UserRole.OPERATOR, {"parks": ["q"]}),
    "other-officer": (UserRole.OFFICER, {"parks": ["q"]}),
    "admin": (UserRole.ADMIN, {}),
}
"""By name: role and grants."""

_RULES: list[dict[str, Any]] = [
    {
        "key": "power-high",
        "watch": {"channel": "*/main/power"},
        "above": 50.0,
        "suppress": [{"channel": "FIRM/main/power", "above": 777.0}, {"channel": "./power", "above": 888.0}],
    },
    {"key": "beta-only", "watch": {"channel": "beta/main/power"}, "above": 50.0},
    {
        "key": "much-energy",
        "watch": {"kpi": "electricity", "of": "beta", "level": "day"},
        "above": 1.0,
        "category": "exceedance",
    },
]
_REFERENCES = """
park: p
tariffs:
  - key: i3
    currency: IDR
    blocks: [{key: all, price: 1000, windows: [{clock: "00:00-24:00"}]}]
    valid_from: 2026-01-01T00:00:00+07:00
    source: example
contracts:
  - {tenant: alpha, contracted_kva: 100, valid_from: 2026-01-01T00:00:00+07:00, source: contract}
  - {tenant: beta, contracted_kva: 777, valid_from: 2026-01-01T00:00:00+07:00, source: contract}
"""


@pytest.fixture(scope="session")
def two_parks_on_timescale(shared_timescale_url: str) -> Iterator[str]:
    """Name of a filled database on TimescaleDB, to be copied."""
    with migrated_database(shared_timescale_url) as url:
        fill_two_parks(url)
        with closed_to_others(shared_timescale_url, url) as name:
            yield name


@pytest.fixture(scope="session")
def two_parks_on_embedded(shared_embedded_url: str) -> Iterator[str]:
    """Name of a filled database on the embedded PostgreSQL, to be copied."""
    with migrated_database(shared_embedded_url) as url:
        fill_two_parks(url)
        with closed_to_others(shared_embedded_url, url) as name:
            yield name


@pytest.fixture
def two_parks_url(server_kind: Kind, server_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Address of a database of the test's own with the two parks; the test runs on both servers."""
    template = "two_parks_on_timescale" if server_kind == "timescaledb" else "two_parks_on_embedded"
    with new_database(server_url, request.getfixturevalue(template)) as url:
        yield url


def token_of(user: str) -> str:
    """The bearer token of one of the users."""
    return f"token-of-{user}"


def _slow(quantity: str, kind: str = "gauge") -> dict[str, Any]:
    return channel(quantity, kind, interval_s=900)


def _firm(key: str) -> dict[str, Any]:
    return tenant(
        key,
        meter("main", _slow("energy_import", "register"), _slow("power")),
        meter("sewer", _slow("effluent_volume", "register"), role="discharge"),
        sector="textile",
    )


def _park(key: str, *firms: str, rules: list[dict[str, Any]]) -> ParkFile:
    outlet = meter("outlet", _slow("cod"), _slow("effluent_flow"), role="outlet")
    limit = {
        "key": "cod_hour", "meter": "_park/outlet", "quantity": "cod", "statistic": "mean", "window": "hour", "highest": 100.0,
        "legal_basis": "example",
    }  # fmt: skip
    file = park_file(tenant("_park", outlet), *(_firm(firm) for firm in firms), rules=[limit], key=key)
    must = {"category": "warning", "severity": "high", "tell": [{"contact": "chief"}]}
    # What suppresses alarms of all is a gauge of the last firm.
    written = json.loads(json.dumps(rules).replace("FIRM", firms[-1]))
    alarms = [{**must, "name": f"Rule {rule['key']}", **rule} for rule in written]
    contacts = [{"key": "chief", "name": "Chief", "way": "email", "address": f"chief@{key}.example.com"}]
    return ParkFile.model_validate(
        {**file.model_dump(mode="json", exclude_none=True), "alarms": alarms, "contacts": contacts}
    )


def fill_two_parks(url: str) -> None:
    """A day of two parks; alpha and beta in p, and gamma in q, with one of everything each; and users of each kind."""
    for key, firms, rules in (("p", ("alpha", "beta"), _RULES), ("q", ("gamma",), _RULES[:1])):
        ids = apply_to(url, _park(key, *firms, rules=rules), now_us=DAY_US_START - DAY_US)
        _measure(url, key, firms, ids)
        _compute(url, key, firms)
    with connect(url, Role.MIGRATE) as conn:
        apply_references(conn, "p", references_of(parse_references(_REFERENCES, "yaml")), by="me", now_us=DAY_US_START)
    for key, firms in (("p", ("alpha", "beta")), ("q", ("gamma",))):
        _cycle(url, key)
        for firm in firms:
            _enter(url, key, firm)
        _cycle(url, key)
        with connect(url, Role.MIGRATE) as conn:
            park = load_registry(conn, key).park
            month = parse_instant(f"{MONTH}-01T00:00:00+07:00"), parse_instant("2026-04-01T00:00:00+07:00")
            close_period(conn, park.id, Level.MONTH, *month, "march", "me")
    with connect(url, Role.AUTH) as conn:
        for name, (role, grants) in USERS.items():
            create_user(conn, name, role, **grants)
            set_token(conn, name, token_hash(token_of(name)), label="test")
    _say(url)


def _measure(url: str, park: str, firms: tuple[str, ...], ids: dict[str, int]) -> None:
    with closing(ReadingSink(url)) as sink:
        for place, firm in enumerate(firms):
            rows = []
            for slot in range(24 * 4 + 1):
                ts = DAY_US_START + slot * SLOT_US
                rows.append((ids[f"{firm}/main/energy_import"], ts, 1000.0 + slot * (place + 1)))
                rows.append((ids[f"{firm}/main/power"], ts, 60.0 if 40 <= slot < 60 else 20.0 + place))
                rows.append((ids[f"{firm}/sewer/effluent_volume"], ts, 10.0 + slot * 0.5))
            sink.write(batch_of(rows, source=f"{park}/{firm}", topic=f"kawasan/v1/{park}/{firm}/main".encode()))
            # Another value for a time that one claims already, and one that is no reading.
            twice = [(ids[f"{firm}/main/power"], DAY_US_START + 5 * SLOT_US, 33.0 + place)]
            wrong = Rejection(message=0, place="values.ph", reason=Reason.UNKNOWN_CHANNEL, detail=f"{firm} has no ph")
            topic = f"kawasan/v1/{park}/{firm}/main".encode()
            payload = f'{{"of": "{firm}"}}'.encode()
            sink.write(batch_of(twice, source=f"{park}/{firm}", topic=topic, payload=payload, rejections=(wrong,)))
        outlet = [
            (ids[f"_park/outlet/{quantity}"], DAY_US_START + slot * SLOT_US, value)
            for slot in range(24 * 4 + 1)
            for quantity, value in (("cod", 150.0 if 40 <= slot < 48 else 50.0), ("effluent_flow", 10.0))
        ]
        sink.write(batch_of(outlet, source=f"{park}/_park"))


def _compute(url: str, key: str, firms: tuple[str, ...]) -> None:
    with connect(url, Role.WRITE) as conn:
        registry = load_registry(conn, key)
        append_tick(conn, registry.park.id, parse_instant("2026-04-01T00:00:00+07:00") + HOUR_US)
        for firm in firms:
            number = next(one.id for one in registry.tenants if one.key == firm)
            made = ContextEntry(
                series="production_t", start_us=DAY_US_START, stop_us=DAY_US_START + DAY_US, value=12.0 + number
            )
            enter_context(conn, registry.park.id, [made], [number], f"clerk of {firm}")
        area = ContextEntry(series="area", start_us=DAY_US_START, stop_us=DAY_US_START + DAY_US, value=9.0)
        enter_context(conn, registry.park.id, [area], [PARK_WIDE], "chief")


def _enter(url: str, key: str, firm: str) -> None:
    with connect(url, Role.MIGRATE) as conn:
        registry = load_registry(conn, key)
        channels = registry.channel_by_key
        power, energy = (channels[f"{key}/{firm}/main/{quantity}"] for quantity in ("power", "energy_import"))
        correct(
            conn, power.id, Action.SET, first_us=DAY_US_START + 7 * SLOT_US, last_us=DAY_US_START + 7 * SLOT_US, value=21.0,
            why=f"seen at {firm}", by=f"clerk of {firm}",
        )  # fmt: skip
        facts: list[MultiplierEntry | OutageEntry] = [
            MultiplierEntry(quantity="energy_import", from_us=DAY_US_START + HOUR_US, factor=2.0),
            OutageEntry(
                from_us=DAY_US_START + 2 * HOUR_US, to_us=DAY_US_START + 3 * HOUR_US, reason=f"{firm} was shut"
            ),
        ]
        enter_life(conn, energy.meter_id, facts, note=f"at {firm}", by=f"clerk of {firm}")


def _cycle(url: str, key: str) -> None:
    with connect(url, Role.WRITE, autocommit=True) as conn:
        park = load_registry(conn, key).park
        while run_cycle(conn, park, cycle_rows=200_000, now_us=time.time_ns() // 1000).spans:
            continue


def _say(url: str) -> None:
    """A note on each episode, and a comment on each alarm, as people say them."""
    with psycopg.connect(url) as conn:
        conn.execute(
            "INSERT INTO episode_note (alarm_id, episode, said_of, kind, text, recorded_by)"
            " SELECT alarm_id, start, start, 'comment', 'said of ' || alarm_id, 'me' FROM episode"
        )
        conn.execute(
            "INSERT INTO session (hash, user_id, address, expires_at, ends_at)"
            " SELECT 'hash', id, '10.0.0.1', now() + interval '1 day', now() + interval '1 day' FROM app_user WHERE name = 'admin'"
        )


@asynccontextmanager
async def served_two_parks(url: str, *, kept_mb: int = 0) -> AsyncIterator[tuple[Api, Any]]:
    """The application on a database, running, and the application itself; it reads everything anew unless said otherwise."""
    app = create_app(Settings(database_url=SecretStr(url), requests_per_min=0, kept_mb=kept_mb))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=app, raise_app_exceptions=False), base_url="http://kawasan.test"
        ) as client,
    ):
        yield Api(url=url, client=client), app
