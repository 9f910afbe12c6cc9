"""The example park with a measured day, for tests that ask the API what its description says: as the examples do."""

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import psycopg
import pytest

from domain.context import PARK_WIDE
from domain.contextentries import ContextEntry
from domain.corrections import Action
from domain.meterlife import MultiplierEntry, OutageEntry
from domain.parkfile import ParkFile
from domain.readings import Reason, Rejection
from domain.referencefile import parse_references, references_of
from domain.registry import Kind
from domain.time import DAY_US, HOUR_US, Level, parse_instant
from service.engine import run_cycle
from store import ReadingSink, Role, connect, load_registry
from store.closing import close_period
from store.context import enter_context
from store.corrections import correct
from store.meterlife import enter_life
from store.references import apply_references
from store.spans import append_tick
from store.users import UserRole, create_user, set_token, token_hash
from tests.support.databases import apply_to, batch_of, migrated_database
from tests.support.example_park import EXAMPLE, example_park
from tests.support.served import Api, closed_to_others, served
from tests.support.services import new_database

__all__ = ["ROLES", "example_day", "fill_example_day", "served_example", "token_of"]

PARK = "karawang"
FIRMS = ("_park", "sari-gandum", "tirta-celup")
"""The tenants that are kept: a day of them is computed in seconds."""

ROLES: dict[str, tuple[UserRole, dict[str, list[str]]]] = {
    "operator": (UserRole.OPERATOR, {"parks": [PARK]}),
    "tenant": (UserRole.TENANT, {"tenants": [f"{PARK}/tirta-celup"]}),
    "officer": (UserRole.OFFICER, {"parks": [PARK]}),
    "admin": (UserRole.ADMIN, {}),
    "auditor": (UserRole.AUDITOR, {"parks": [PARK]}),
}
"""A user of each role: name, role and grants."""

_DAY_US = parse_instant("2026-03-02T00:00:00+07:00")
_MONTH_US = parse_instant("2026-03-01T00:00:00+07:00"), parse_instant("2026-04-01T00:00:00+07:00")
_SLOT_US = 900_000_000
_OWN_KEYS_FROM = 1_500_000_000
_LEVELS = {"cod": 50.0, "ph": 7.2, "tss": 40.0, "nh3n": 3.0, "effluent_flow": 10.0, "power": 400.0}
_HIGH = {"cod": 150.0}
_HIGH_FROM_US, _HIGH_TO_US = _DAY_US + 10 * HOUR_US, _DAY_US + 13 * HOUR_US


def token_of(role: str) -> str:
    """The bearer token of the user of a role."""
    return f"token-of-{role}"


def fill_example_day(url: str) -> None:
    """A day of the example park: measured, computed, with an exceedance at the outlet, entries of people, and users."""
    file = _small(example_park())
    ids = apply_to(url, file, now_us=_DAY_US - DAY_US)
    references = EXAMPLE.parents[1] / "references" / EXAMPLE.name
    with connect(url, Role.MIGRATE) as conn:
        parsed = parse_references(references.read_text(encoding="utf-8"), "yaml")
        kept = parsed.model_copy(update={"contracts": tuple(one for one in parsed.contracts if one.tenant in FIRMS)})
        apply_references(conn, PARK, references_of(kept), by="me", now_us=_DAY_US)
    _measure(url, ids)
    _tick(url)
    _cycle(url)
    _enter(url)
    _cycle(url)
    with connect(url, Role.MIGRATE) as conn:
        close_period(conn, load_registry(conn, PARK).park.id, Level.MONTH, *_MONTH_US, "march", "me")
    with psycopg.connect(url) as conn:
        # Numbers that nobody guesses, so that nobody revokes by chance what it asks with.
        conn.execute("SELECT setval(pg_get_serial_sequence('token', 'id'), %s)", [_OWN_KEYS_FROM])
    with connect(url, Role.AUTH) as conn:
        for name, (role, grants) in ROLES.items():
            create_user(conn, name, role, **grants)
            set_token(conn, name, token_hash(token_of(name)), label="test")
    _say(url)


def _small(park: ParkFile) -> ParkFile:
    return park.model_copy(update={"tenants": tuple(one for one in park.tenants if one.key in FIRMS)})


def _measure(url: str, ids: dict[str, int]) -> None:
    with connect(url, Role.WRITE) as conn:
        registry = load_registry(conn, PARK)
    outlet = registry.channel_by_key[f"{PARK}/_park/wwtp_outlet/cod"].meter_id
    rows = []
    for channel in registry.channels:
        if channel.id not in ids.values():
            continue
        at_outlet = channel.meter_id == outlet
        step_us = channel.interval_s * 1_000_000 if at_outlet else _SLOT_US
        for ts in range(_DAY_US, _DAY_US + DAY_US + 1, step_us):
            value = _LEVELS.get(channel.quantity, 25.0)
            if channel.kind is Kind.REGISTER:
                value = 1000.0 + (ts - _DAY_US) / _SLOT_US * 0.2
            elif at_outlet and _HIGH_FROM_US <= ts < _HIGH_TO_US:
                value = _HIGH.get(channel.quantity, value)
            rows.append((channel.id, ts, value))
    power = ids["tirta-celup/electricity/power"]
    wrong = Rejection(message=0, place="values.ph", reason=Reason.UNKNOWN_CHANNEL, detail="the meter has no ph")
    source, topic = f"{PARK}/tirta-celup", b"kawasan/v1/karawang/tirta-celup/electricity"
    with closing(ReadingSink(url)) as sink:
        sink.write(batch_of(rows, source=source, topic=topic))
        # Another value for a time that one claims already, and one that is no reading.
        twice = [(power, _DAY_US + 5 * _SLOT_US, 33.0)]
        sink.write(batch_of(twice, source=source, topic=topic, payload=b'{"a": 1}', rejections=(wrong,)))


def _tick(url: str) -> None:
    with connect(url, Role.WRITE) as conn:
        registry = load_registry(conn, PARK)
        append_tick(conn, registry.park.id, _MONTH_US[1] + HOUR_US)
        firm = next(one.id for one in registry.tenants if one.key == "tirta-celup")
        made = ContextEntry(series="production_t", start_us=_DAY_US, stop_us=_DAY_US + DAY_US, value=12.0)
        enter_context(conn, registry.park.id, [made], [firm], "clerk")
        area = ContextEntry(series="area", start_us=_DAY_US, stop_us=_DAY_US + DAY_US, value=9.0)
        enter_context(conn, registry.park.id, [area], [PARK_WIDE], "chief")


def _cycle(url: str) -> None:
    with connect(url, Role.WRITE, autocommit=True) as conn:
        park = load_registry(conn, PARK).park
        while run_cycle(conn, park, cycle_rows=200_000, now_us=time.time_ns() // 1000).spans:
            continue


def _enter(url: str) -> None:
    with connect(url, Role.MIGRATE) as conn:
        channels = load_registry(conn, PARK).channel_by_key
        power = channels[f"{PARK}/tirta-celup/electricity/power"]
        energy = channels[f"{PARK}/tirta-celup/electricity/energy_import"]
        moment_us = _DAY_US + 7 * _SLOT_US
        correct(conn, power.id, Action.SET, first_us=moment_us, last_us=moment_us, value=21.0, why="seen", by="clerk")
        facts: list[MultiplierEntry | OutageEntry] = [
            MultiplierEntry(quantity="energy_import", from_us=_DAY_US + HOUR_US, factor=2.0),
            OutageEntry(from_us=_DAY_US + 2 * HOUR_US, to_us=_DAY_US + 3 * HOUR_US, reason="the firm was shut"),
        ]
        enter_life(conn, energy.meter_id, facts, note="seen", by="clerk")


def _say(url: str) -> None:
    """A note on each episode, as people say them."""
    with psycopg.connect(url) as conn:
        conn.execute(
            "INSERT INTO episode_note (alarm_id, episode, said_of, kind, text, recorded_by)"
            " SELECT alarm_id, start, start, 'comment', 'said of ' || alarm_id, 'me' FROM episode"
        )


@pytest.fixture(scope="session")
def example_day(shared_timescale_url: str) -> Iterator[str]:
    """Name of a database with the example park and a measured day, to be copied."""
    with migrated_database(shared_timescale_url) as url:
        fill_example_day(url)
        with closed_to_others(shared_timescale_url, url) as name:
            yield name


@pytest.fixture
async def served_example(shared_timescale_url: str, example_day: str) -> AsyncIterator[Api]:
    """The API over a copy of it."""
    with new_database(shared_timescale_url, example_day) as url:
        async with served(url) as running:
            yield running
