"""Findings on a real database: the same whatever the order of arrival, and shown to whoever may see the channel."""

import random
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from domain.findings import FindingFrame, Rule, no_findings
from domain.time import DAY_US, parse_instant
from service.cli.main import app
from service.engine import run_cycle
from store import ReadingSink, Role, connect, load_registry
from store.findings import list_findings, write_findings
from store.spans import append_tick
from store.users import UserRole, create_user, set_token, token_hash
from tests.support.databases import apply_to, batch_of, channel, emptied, meter, park_file, tenant
from tests.support.served import TOKENS, Api, served

FIRST_US = parse_instant("2026-03-01T00:00:00+07:00")
DAYS = 32
STEP_US = 3_600_000_000
LAST_US = FIRST_US + DAYS * DAY_US
HOURLY: dict[str, Any] = {"interval_s": 3600, "resolution": 0.01}
SPAN = {"start": "2026-03-01T00:00:00+07:00", "stop": "2026-04-02T00:00:00+07:00"}

PARK = park_file(
    tenant("alpha", meter("main", channel("energy_import", "register", **HOURLY), parent="_park/bulk")),
    tenant("beta", meter("main", channel("energy_import", "register", **HOURLY), parent="_park/bulk")),
    tenant(
        "_park",
        meter("bulk", channel("energy_import", "register", **HOURLY), role="supply"),
        meter("outlet", channel("ph", interval_s=3600), channel("cod", interval_s=3600), role="outlet"),
    ),
    base_minutes=60,
)

Row = tuple[int, int, float]


def told(ids: dict[str, int]) -> list[Row]:
    """Hourly readings of 32 days that break a rule here and there."""
    rows: list[Row] = []
    index = {"alpha": 0.0, "beta": 0.0, "bulk": 0.0}
    for hour in range(DAYS * 24 + 1):
        at, day = FIRST_US + hour * STEP_US, hour // 24
        for key in ("alpha", "beta"):
            silent = key == "beta" and day == 20
            if not silent:
                rows.append((ids[f"{key}/main/energy_import"], at, round(index[key], 2)))
            amount = 10.0 + hour * 7 % 13 / 10
            # Alpha uses thrice as much on the 30th day, nothing on the 31st, and stands out for an hour on the 4th.
            amount *= {29: 3.0, 30: 0.0}.get(day, 1.0) if key == "alpha" else 1.0
            index[key] += 90.0 if (key, hour) == ("alpha", 3 * 24 + 5) else amount
        rows.append((ids["_park/bulk/energy_import"], at, round(index["bulk"], 2)))
        # The bulk meter loses a fifth on the 11th day.
        index["bulk"] = (index["alpha"] + index["beta"]) * (1.0 if day < 10 else 0.9)
        index["bulk"] = max(index["bulk"], rows[-1][2])
        rows.append((ids["_park/outlet/ph"], at, 13.0 if hour == 100 else 7.0 + hour % 3 / 10))
        rows.append((ids["_park/outlet/cod"], at, (50.0 if day < 25 else 90.0) + hour % 5))
    return rows


def write(url: str, rows: list[Row]) -> None:
    with closing(ReadingSink(url)) as sink:
        sink.write(batch_of(rows))


def cycles(url: str, tick_us: int | None = None) -> None:
    with connect(url, Role.WRITE, autocommit=True) as conn:
        park = load_registry(conn, "p").park
        if tick_us is not None:
            append_tick(conn, park.id, tick_us)
        while run_cycle(conn, park, cycle_rows=200_000, now_us=LAST_US).spans:
            continue


def stored(url: str) -> list[tuple[Any, ...]]:
    with connect(url, Role.WRITE) as conn:
        return conn.execute(
            b"SELECT channel_id, rule, day, start, stop, value, bound FROM finding ORDER BY 1, 3, 2, 4"
        ).fetchall()


def rules_of(url: str) -> set[tuple[str, str, int]]:
    """Channel, rule and number of the local day of every finding."""
    with connect(url, Role.WRITE) as conn:
        rows = list_findings(conn, FIRST_US - DAY_US, LAST_US + DAY_US, limit=10_000)
    return {(row.channel[2:], row.rule, int((row.day.timestamp() - FIRST_US / 1e6) // 86_400) + 1) for row in rows}


def test_what_is_wrong_is_found_where_it_is(timescale_url: str) -> None:
    ids = apply_to(timescale_url, PARK)
    write(timescale_url, told(ids))
    cycles(timescale_url, LAST_US)

    found = rules_of(timescale_url)

    assert {
        ("alpha/main/energy_import", "spike", 4),
        ("alpha/main/energy_import", "high", 30),
        ("alpha/main/energy_import", "zero", 31),
        ("beta/main/energy_import", "gap", 21),
        ("_park/outlet/ph", "range", 5),
        ("_park/outlet/cod", "drift", 26),
    } <= found
    assert ("_park/bulk/energy_import", "hierarchy", 12) in found
    assert not any(
        channel == "beta/main/energy_import" and rule in {"high", "low", "spike"} for channel, rule, _ in found
    )


@pytest.mark.parametrize("seed", range(3))
def test_findings_do_not_depend_on_the_order_of_arrival(timescale_url: str, seed: int) -> None:
    ids = apply_to(timescale_url, PARK)
    rows = told(ids)
    write(timescale_url, rows)
    cycles(timescale_url, FIRST_US + 3_600_000_000)
    cycles(timescale_url, LAST_US)
    expected = stored(timescale_url)
    emptied(timescale_url)
    assert apply_to(timescale_url, PARK) == ids

    chance = random.Random(seed)
    write(timescale_url, rows[:1])
    cycles(timescale_url, FIRST_US + 3_600_000_000)
    for_later = chance.sample(rows, len(rows))
    cuts = sorted(chance.sample(range(len(rows)), 5))
    for number, (first, last) in enumerate(zip([0, *cuts], [*cuts, len(rows)], strict=True)):
        write(timescale_url, for_later[first:last])
        tick = FIRST_US + (number + 1) * (LAST_US - FIRST_US) // 6
        cycles(timescale_url, tick if chance.random() < 0.7 else None)
    cycles(timescale_url, LAST_US)

    assert len(expected) > 20
    assert stored(timescale_url) == expected


def test_a_corrected_day_takes_its_findings_back(timescale_url: str) -> None:
    ids = apply_to(timescale_url, PARK)
    rows = told(ids)
    write(timescale_url, [row for row in rows if row[0] != ids["beta/main/energy_import"]])
    cycles(timescale_url, FIRST_US + 3_600_000_000)
    cycles(timescale_url, LAST_US)
    assert ("beta/main/energy_import", "gap", 3) in rules_of(timescale_url)

    write(timescale_url, [row for row in rows if row[0] == ids["beta/main/energy_import"]])
    cycles(timescale_url)

    assert ("beta/main/energy_import", "gap", 3) not in rules_of(timescale_url)


def a_frame(*rows: tuple[int, Rule, float]) -> FindingFrame:
    count = len(rows)
    return FindingFrame(
        channel_id=np.array([one for one, _, _ in rows], dtype=np.int32),
        rule=np.array([rule.code for _, rule, _ in rows], dtype=np.int16),
        day_us=np.full(count, FIRST_US),
        start_us=np.full(count, FIRST_US),
        stop_us=np.full(count, FIRST_US + DAY_US),
        value=np.array([value for _, _, value in rows]),
        bound=np.full(count, np.nan),
    )


def test_writing_replaces_the_rules_of_its_scope_and_touches_nothing_else(kawasan_url: str) -> None:
    scope = (np.array([1], dtype=np.int32), np.array([FIRST_US]))
    with connect(kawasan_url, Role.WRITE) as conn:
        first = a_frame((1, Rule.HIGH, 1.0), (1, Rule.GAP, 2.0))
        assert write_findings(conn, first, scope, (Rule.HIGH, Rule.GAP), computed_at_us=FIRST_US) == 2
        assert write_findings(conn, first, scope, (Rule.HIGH, Rule.GAP), computed_at_us=LAST_US) == 0
        assert write_findings(conn, a_frame((1, Rule.HIGH, 3.0)), scope, (Rule.HIGH,), computed_at_us=LAST_US) == 1
        assert write_findings(conn, no_findings(), scope, (Rule.GAP,), computed_at_us=LAST_US) == 1

        assert conn.execute(b"SELECT rule, value, bound FROM finding").fetchall() == [("high", 3.0, None)]


@pytest.fixture
async def api(timescale_url: str) -> AsyncIterator[Api]:
    ids = apply_to(timescale_url, PARK)
    write(timescale_url, told(ids))
    cycles(timescale_url, LAST_US)
    with connect(timescale_url, Role.AUTH) as conn:
        create_user(conn, "operator", UserRole.OPERATOR, parks=["p"])
        create_user(conn, "tenant", UserRole.TENANT, tenants=["p/alpha"])
        create_user(conn, "officer", UserRole.OFFICER, parks=["p"])
        for role, token in TOKENS.items():
            set_token(conn, role, token_hash(token), label="test")
    async with served(timescale_url) as running:
        yield running


async def test_tenants_see_their_own_findings_and_officers_those_of_effluent(api: Api) -> None:
    everything = (await api.api("findings", limit=1000, **SPAN)).body["findings"]
    own = (await api.api("findings", "tenant", limit=1000, **SPAN)).body["findings"]
    effluent = (await api.api("findings", "officer", limit=1000, **SPAN)).body["findings"]

    assert own == [one for one in everything if one["channel"].startswith("p/alpha/")]
    assert effluent == [one for one in everything if "/outlet/" in one["channel"]]
    assert len(everything) > len(own) + len(effluent) > 2


async def test_findings_are_answered_in_pages_the_newest_first(api: Api) -> None:
    everything = (await api.api("findings", limit=1000, **SPAN)).body
    pages: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        page = (await api.api("findings", limit=7, **SPAN, **after)).body
        pages += page["findings"]
        if page["next"] is None:
            break
        after = {"after": page["next"]}

    assert everything["next"] is None
    assert pages == everything["findings"]
    assert [one["start"] for one in pages] == sorted((one["start"] for one in pages), reverse=True)


async def test_findings_can_be_asked_for_by_channel_and_rule(api: Api) -> None:
    answer = await api.api("findings", channel="p/_park/outlet/ph", rule="range", **SPAN)

    (finding,) = answer.body["findings"]
    assert (finding["value"], finding["bound"], finding["unit"]) == (13.0, 12.0, "pH")
    assert (finding["day"], finding["start"]) == ("2026-03-05", "2026-03-05T04:00:00+07:00")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"channel": "p/beta/main/energy_import"}, 404),
        ({"park": "elsewhere"}, 404),
        ({"rule": "spikes"}, 422),
        ({"after": "2026"}, 422),
        ({"after": "2026-03-01~1~high"}, 422),
    ],
)
async def test_what_one_may_not_see_or_is_not_there_is_refused(api: Api, query: dict[str, str], status: int) -> None:
    assert (await api.api("findings", "tenant", **SPAN, **query)).status == status


@pytest.fixture
def at_hand(timescale_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("KAWASAN_DATABASE_URL", timescale_url)
    ids = apply_to(timescale_url, PARK)
    write(timescale_url, [row for row in told(ids) if row[0] == ids["_park/outlet/ph"]])
    cycles(timescale_url)
    return CliRunner()


def test_the_command_line_lists_what_was_found(at_hand: CliRunner) -> None:
    span = ["--from", SPAN["start"], "--to", SPAN["stop"]]

    answer = at_hand.invoke(app, ["findings", "list", "--park", "p", "--channel", "_park/outlet/ph", *span])
    nothing = at_hand.invoke(app, ["findings", "list", "--park", "p", "--rule", "gap", *span])

    assert answer.output.splitlines() == [
        "2026-03-05 04:00:00 - 2026-03-05 05:00:00  p/_park/outlet/ph  range: 13 against 12 [pH]"
    ]
    assert nothing.output.splitlines() == ["the checks found nothing"]
