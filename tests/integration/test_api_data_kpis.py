"""KPIs about readings, and steps of the night flow, through the API over a real database and the real engine."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from domain.quality import Quality
from domain.time import DAY_US, HOUR_US, parse_instant
from service.engine import run_cycle
from store import ReadingSink, Role, connect, load_registry
from store.spans import append_tick
from store.users import UserRole, create_user, set_token, token_hash
from tests.support.databases import apply_to, batch_of, channel, meter, park_file, tenant
from tests.support.served import TOKENS, Api, served

MINUTE_US = HOUR_US // 60
START_US = parse_instant("2026-03-02T00:00:00+07:00")
DAY = {"start": "2026-03-02T00:00:00+07:00", "stop": "2026-03-03T00:00:00+07:00"}
PARK = park_file(
    tenant(
        "alpha",
        meter("main", channel("power", interval_s=300), channel("water_flow", interval_s=8 * 3600)),
        meter("slow", channel("voltage", interval_s=2 * 86400)),
    ),
    tenant("_park", meter("bulk", channel("water_flow", interval_s=3600, statistic="mean"), role="supply")),
)
LATENESS_US = 10 * MINUTE_US
"""The default of a park."""

Row = tuple[int, int, float] | tuple[int, int, float, int]


def write(url: str, rows: Sequence[Row], received_us: int) -> None:
    sink = ReadingSink(url)
    sink.write(batch_of(rows, source="p/alpha", topic=b"kawasan/v1/p/alpha/main", received_us=received_us))
    sink.close()


def compute(url: str, tick_us: int) -> None:
    with connect(url, Role.WRITE, autocommit=True) as conn:
        park = load_registry(conn, "p").park
        append_tick(conn, park.id, tick_us)
        while run_cycle(conn, park, cycle_rows=200_000, now_us=tick_us).remaining:
            continue


@pytest.fixture
async def empty_api(kawasan_url: str) -> AsyncIterator[tuple[Api, dict[str, int]]]:
    """The API over a park without readings, with an operator and alpha's user; on both servers."""
    ids = apply_to(kawasan_url, PARK)
    with connect(kawasan_url, Role.AUTH) as conn:
        create_user(conn, "operator", UserRole.OPERATOR, parks=["p"])
        create_user(conn, "tenant", UserRole.TENANT, tenants=["p/alpha"])
        create_user(conn, "officer", UserRole.OFFICER, parks=["p"])
        for role, token in TOKENS.items():
            set_token(conn, role, token_hash(token), label="test")
    async with served(kawasan_url) as running:
        yield running, ids


async def one(api: Api, key: str, subject: str, level: str = "day", role: str = "operator", **query: Any) -> Any:
    answer = await api.api(f"kpis/{key}", role, subject=subject, level=level, **(DAY | query))
    assert answer.status == 200, answer.body
    (value,) = answer.body["values"]
    return value


async def test_validity_counts_what_came_and_what_was_good(empty_api: tuple[Api, dict[str, int]]) -> None:
    api, ids = empty_api
    power = ids["alpha/main/power"]
    rows: list[Row] = [(power, START_US + minute * MINUTE_US, 5.0) for minute in range(1, 1440, 5)]
    rows += [(power, START_US + minute * MINUTE_US, 5.0, int(Quality.FAULT)) for minute in range(0, 720, 5)]
    write(api.url, rows, START_US + DAY_US)
    write(api.url, [(power, START_US + MINUTE_US, 6.0)], START_US + DAY_US)  # a conflict
    compute(api.url, START_US + DAY_US + HOUR_US)

    day = await one(api, "validity", "tenant:p/alpha")
    hours = await api.api("kpis/validity", subject="meter:p/alpha/main", level="hour", **DAY)

    # 288 good readings but for one in a conflict, and 144 of a device at fault.
    assert day["value"] == pytest.approx(287 / 432)
    assert hours.body["values"][0]["value"] == pytest.approx(11 / 24)
    assert hours.body["values"][12]["value"] == 1.0


async def test_timeliness_counts_slots_that_were_filled_in_time(empty_api: tuple[Api, dict[str, int]]) -> None:
    api, ids = empty_api
    power = ids["alpha/main/power"]
    for slot in range(288):
        slot_us = START_US + slot * 5 * MINUTE_US
        # Every fourth comes a microsecond too late after the end of its slot and the park's allowance, the others just in time.
        late_us = 5 * MINUTE_US + LATENESS_US + (slot % 4 == 0)
        write(api.url, [(power, slot_us + MINUTE_US, 5.0)], slot_us + late_us)
    # One that came late had a forerunner in its slot that came in time.
    write(api.url, [(power, START_US + 2 * MINUTE_US, 5.0)], START_US + 5 * MINUTE_US)
    compute(api.url, START_US + DAY_US + HOUR_US)

    day = await one(api, "timeliness", "meter:p/alpha/main")
    first = await api.api("kpis/timeliness", subject="meter:p/alpha/main", level="hour", **DAY)
    month = await one(
        api,
        "timeliness",
        "meter:p/alpha/main",
        "month",
        start="2026-03-01T00:00:00+07:00",
        stop="2026-03-31T00:00:00+07:00",
    )

    # 216 slots and the one with a forerunner, of 288 of power and 3 of the 8-hourly flow, none of which came.
    assert day["value"] == pytest.approx(217 / 291)
    assert first.body["values"][0]["value"] == pytest.approx(10 / 13)
    assert first.body["values"][1]["value"] == pytest.approx(9 / 12)
    # Of March two days and an hour are final: 291 + 291 + 13 slots.
    assert month["value"] == pytest.approx(217 / 595)


async def test_timeliness_of_long_slots_is_counted_where_they_begin(empty_api: tuple[Api, dict[str, int]]) -> None:
    api, ids = empty_api
    flow, voltage = ids["alpha/main/water_flow"], ids["alpha/slow/voltage"]
    eight = 8 * HOUR_US
    # Second slot of the flow: 08:00 to 16:00, read at 15:59 and received ten minutes after its end.
    write(api.url, [(flow, START_US + 2 * eight - MINUTE_US, 1.0)], START_US + 2 * eight + 10 * MINUTE_US)
    # The voltage is expected every second day; 2026-03-02 has an odd number, so its slot began on the first.
    write(api.url, [(voltage, START_US + eight, 230.0)], START_US + DAY_US)
    compute(api.url, START_US + 2 * DAY_US)

    hours = await api.api("kpis/timeliness", subject="meter:p/alpha/main", level="hour", **DAY)
    days = await api.api(
        "kpis/timeliness",
        subject="meter:p/alpha/slow",
        level="day",
        start="2026-03-01T00:00:00+07:00",
        stop=DAY["stop"],
    )

    assert hours.body["values"][8]["value"] == pytest.approx(1 / 13)
    assert hours.body["values"][15]["value"] == 0.0
    found = [(one["value"], one["reason"]) for one in days.body["values"]]
    assert sorted(found, key=str) == [(1.0, None), (None, "no_denominator")]


async def test_timeliness_as_of_a_moment_knows_what_had_come_by_then(empty_api: tuple[Api, dict[str, int]]) -> None:
    api, ids = empty_api
    power = ids["alpha/main/power"]
    for slot in range(12):
        slot_us = START_US + slot * 5 * MINUTE_US
        write(api.url, [(power, slot_us, 5.0)], slot_us + MINUTE_US)
    compute(api.url, START_US + DAY_US + HOUR_US)

    half = await api.api(
        "kpis/timeliness", subject="meter:p/alpha/main", level="hour", as_of="2026-03-02T01:30:00+07:00", **DAY
    )
    early = await api.api(
        "kpis/timeliness", subject="meter:p/alpha/main", level="hour", as_of="2026-03-02T00:30:30+07:00", **DAY
    )

    assert half.body["values"][0]["value"] == pytest.approx(12 / 13)
    # At 00:30:30 the first quarter was final: three slots of power, and the first of the flow.
    assert early.body["values"][0]["value"] == pytest.approx(3 / 4)


async def test_a_tenant_sees_the_timeliness_of_its_own_meters_only(empty_api: tuple[Api, dict[str, int]]) -> None:
    api, _ = empty_api

    own = await api.api("kpis/timeliness", "tenant", subject="tenant:p/alpha", level="day", **DAY)
    park = await api.api("kpis/timeliness", "tenant", subject="park:p", level="day", **DAY)
    officer = await api.api("kpis/timeliness", "officer", subject="park:p", level="day", **DAY)

    assert (own.status, park.status, officer.status) == (200, 404, 404)


async def test_timeliness_of_too_much_at_once_is_refused(
    empty_api: tuple[Api, dict[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    api, _ = empty_api
    monkeypatch.setattr("service.api.onreading.MOST_SLOTS", 500)

    answer = await api.api(
        "kpis/timeliness",
        subject="tenant:p/alpha",
        level="day",
        start="2026-03-02T00:00:00+07:00",
        stop="2026-03-05T00:00:00+07:00",
    )

    assert answer.status == 422
    assert "at most 1 days at once" in answer.body["detail"]


async def test_a_leak_is_a_step_of_the_night_flow(empty_api: tuple[Api, dict[str, int]]) -> None:
    api, ids = empty_api
    bulk, first_us = ids["_park/bulk/water_flow"], START_US - 31 * DAY_US
    with connect(api.url, Role.MIGRATE) as conn:
        conn.execute("DELETE FROM channel WHERE id = %s", [ids["alpha/main/water_flow"]])
    rows: list[Row] = []
    for day in range(32):
        flow = 30.0 if day >= 30 else 10.0 + 2 * (day % 2)
        rows += [(bulk, first_us + day * DAY_US + hour * HOUR_US, flow) for hour in range(24)]
    write(api.url, rows, START_US + DAY_US)
    compute(api.url, START_US + DAY_US + HOUR_US)

    answer = await api.api(
        "kpis/night_flow_step", subject="park:p", level="day", start="2026-03-01T00:00:00+07:00", stop=DAY["stop"]
    )
    night = await one(api, "night_flow", "park:p")

    assert answer.status == 200, answer.body
    assert night["value"] == pytest.approx(30.0)
    # The median of the last three nights is 30 m3/h from the second leaking one on; that of 28 nights of 10 and 12 is 11.
    before, last = answer.body["values"]
    assert (last["value"], last["error"], last["flags"]) == (pytest.approx(19.0), pytest.approx(3.0), ["beyond"])
    assert before["value"] == pytest.approx(1.0)
    assert before["flags"] == []
    assert last["computed_at"] is not None
