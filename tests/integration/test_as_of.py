"""What was known at a moment: equal to what is stored now for now, and to what was stored then for then."""

from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import pytest

from domain.corrections import Action
from domain.time import DAY_US, HOUR_US, parse_instant, to_datetime
from store import ReadingSink, Role, connect
from store.corrections import correct
from store.users import UserRole, create_user, set_token, token_hash
from tests.integration.test_engine import cycles
from tests.support.databases import apply_to, batch_of, channel, meter, park_file, tenant
from tests.support.served import TOKENS, Api, served

START_US = parse_instant("2026-03-02T00:00:00+07:00")
DAYS = {"start": "2026-03-02T00:00:00+07:00", "stop": "2026-03-07T00:00:00+07:00"}
MONTH = {"start": "2026-03-01T00:00:00+07:00", "stop": "2026-04-01T00:00:00+07:00"}
EARLY_US = START_US - 30 * DAY_US
RECEIVED_US = START_US + 6 * DAY_US
LATE_US = RECEIVED_US + 10 * HOUR_US
MINUTE_US = 60_000_000
KEYS = (
    "p/alpha/main/energy_import",
    "p/beta/main/energy_import",
    "p/_park/outlet/cod",
    "p/_park/outlet/effluent_flow",
    "p/_park/outlet/load_cod",
)
ASKED = [
    ("kpis/electricity", "park:p"),
    ("kpis/electricity", "tenant:p/alpha"),
    ("kpis/electricity", "meter:p/alpha/main"),
    ("kpis/demand_peak", "tenant:p/alpha"),
    ("kpis/load_factor", "park:p"),
    ("kpis/load_cod", "park:p"),
    ("kpis/compliance_cod_hour", "park:p"),
]


def park(factor: float) -> Any:
    """Two registers and a treatment plant; alpha's multiplier from the second day on is what is later found wrong."""
    multipliers = [{"valid_from": "2026-03-03T00:00:00+07:00", "factor": factor}]
    rule = {
        "key": "cod_hour",
        "meter": "_park/outlet",
        "quantity": "cod",
        "statistic": "mean",
        "window": "hour",
        "highest": 100.0,
        "legal_basis": "example",
    }
    return park_file(
        tenant("alpha", meter("main", channel("energy_import", "register", interval_s=300, multipliers=multipliers))),
        tenant("beta", meter("main", channel("energy_import", "register", interval_s=300))),
        tenant(
            "_park",
            meter("outlet", channel("cod", interval_s=300), channel("effluent_flow", interval_s=300), role="outlet"),
        ),
        rules=[rule],
    )


def write(url: str, rows: list[tuple[int, int, float]], received_us: int) -> None:
    with closing(ReadingSink(url)) as sink:
        sink.write(batch_of(rows, received_us=received_us))


def first_told(ids: dict[str, int]) -> list[tuple[int, int, float]]:
    """Five workdays at a reading each 5 min; beta is silent for five hours of the last, which like days say the course of."""
    rows: list[tuple[int, int, float]] = []
    beta = 500.0
    for step in range(5 * 288 + 1):
        ts = START_US + step * 5 * MINUTE_US
        rows.append((ids["alpha/main/energy_import"], ts, 1000.0 + 3.7 * step))
        beta += 0.3 if step % 288 < 30 else 0.7
        if not 4 * 288 + 12 <= step < 4 * 288 + 72:
            rows.append((ids["beta/main/energy_import"], ts, beta))
        rows.append((ids["_park/outlet/cod"], ts, 50.0 + 90.0 * (step % 50 == 7)))
        rows.append((ids["_park/outlet/effluent_flow"], ts, 10.0 + step % 7))
    return rows


def later_told(url: str, ids: dict[str, int]) -> None:
    """Late readings, a second value for a time, corrections, and another multiplier."""
    alpha, beta = ids["alpha/main/energy_import"], ids["beta/main/energy_import"]
    late = [(beta, START_US + (4 * 288 + step) * 5 * MINUTE_US, 1238.0 + step / 3) for step in range(20, 30)]
    write(url, [*late, (alpha, START_US + 40 * 5 * MINUTE_US, 1234.5)], LATE_US)
    apply_to(url, park(3.0), now_us=LATE_US + 1)
    with connect(url, Role.MIGRATE) as conn:
        for number, action, first, last, value in (
            (alpha, Action.SET, START_US + 100 * 5 * MINUTE_US, START_US + 100 * 5 * MINUTE_US, 1371.0),
            (ids["_park/outlet/cod"], Action.VOID, START_US, START_US + HOUR_US, None),
            (ids["_park/outlet/effluent_flow"], Action.SET, START_US + 7, START_US + 7, 30.0),
        ):
            correct(conn, number, action, first_us=first, last_us=last, value=value, why="found later", by="test")


@pytest.fixture
async def told(kawasan_url: str) -> AsyncIterator[tuple[Api, dict[str, int]]]:
    """The API over what was told first, computed."""
    ids = apply_to(kawasan_url, park(2.0), now_us=EARLY_US)
    # The engine ran before anything came, as it does: days of silence are days too.
    cycles(kawasan_url, START_US - DAY_US)
    write(kawasan_url, first_told(ids), RECEIVED_US)
    cycles(kawasan_url, START_US + 5 * DAY_US + HOUR_US)
    with connect(kawasan_url, Role.AUTH) as conn:
        create_user(conn, "operator", UserRole.OPERATOR, parks=["p"])
        create_user(conn, "tenant", UserRole.TENANT, tenants=["p/alpha"])
        set_token(conn, "operator", token_hash(TOKENS["operator"]), label="test")
        set_token(conn, "tenant", token_hash(TOKENS["tenant"]), label="test")
    async with served(kawasan_url) as running:
        yield running, ids


def moment(instant_us: int) -> dict[str, str]:
    return {"as_of": to_datetime(instant_us).isoformat()}


async def amounts(api: Api, **more: str) -> list[dict[str, Any]]:
    """Every amount at base, hour and day, without how it came to be stored."""
    found = []
    for level in ("base", "hour", "day"):
        for key in KEYS:
            answer = await api.api("amounts", channel=key, level=level, **DAYS, **more)
            assert answer.status == 200, answer.body
            for value in answer.body[0]["values"]:
                flags = [flag for flag in value.pop("flags") if flag != "late"]
                del value["revision"], value["computed_at"]
                found.append({**value, "flags": flags, "channel": key, "level": level})
    return found


async def kpis(api: Api, **more: str) -> list[dict[str, Any]]:
    found = []
    spans = {"base": DAYS, "hour": DAYS, "day": DAYS, "week": MONTH, "month": MONTH}
    for place, (path, subject) in enumerate(ASKED):
        # Base intervals and hours are made in one way for all subjects and KPIs: those of the first stand for the rest.
        for level in list(spans)[2 if place else 0 :]:
            span = spans[level]
            answer = await api.api(path, subject=subject, level=level, **span, **more)
            if answer.status == 422 and "is made for" in answer.body["detail"]:
                continue
            assert answer.status == 200, answer.body
            for value in answer.body["values"]:
                flags = [flag for flag in value.pop("flags") if flag != "late"]
                for name in ("revision", "computed_at", "formula_version", "registry_version"):
                    del value[name]
                found.append({**value, "flags": flags, "asked": (path, subject, level)})
    return found


def assert_equal(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    """Numbers to 1e-12, all else exactly."""
    assert len(found) == len(expected) > 100
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            if isinstance(value, float) and isinstance(other[name], float):
                assert value == pytest.approx(other[name], rel=1e-12, abs=1e-12), (name, one, other)
            else:
                assert value == other[name], (name, one, other)


async def test_numbers_as_of_a_moment_are_those_that_were_stored_then(told: tuple[Api, dict[str, int]]) -> None:
    api, ids = told
    then = moment(RECEIVED_US)
    amounts_then, kpis_then = await amounts(api), await kpis(api)
    assert any("profile" in value["flags"] for value in amounts_then)
    assert await amounts(api, **then) == amounts_then
    assert_equal(await kpis(api, **then), kpis_then)

    later_told(api.url, ids)
    cycles(api.url)
    amounts_now = await amounts(api)

    assert amounts_now != amounts_then
    assert await amounts(api, **then) == amounts_then
    assert_equal(await kpis(api, **then), kpis_then)
    now = moment(parse_instant("2026-03-08T00:00:00+07:00"))
    assert await amounts(api, **now) != amounts_now, "corrections were recorded after that"


async def test_numbers_as_of_now_are_those_that_are_stored(told: tuple[Api, dict[str, int]]) -> None:
    api, ids = told
    later_told(api.url, ids)
    cycles(api.url)
    with connect(api.url, Role.WRITE) as conn:
        (now,) = conn.execute(b"SELECT clock_timestamp()").fetchone() or (None,)
    assert now is not None

    assert await amounts(api, as_of=now.isoformat()) == await amounts(api)
    assert_equal(await kpis(api, as_of=now.isoformat()), await kpis(api))


async def test_readings_as_of_a_moment_are_those_that_had_come(told: tuple[Api, dict[str, int]]) -> None:
    api, ids = told
    span = {"start": "2026-03-02T03:20:00+07:00", "stop": "2026-03-02T03:21:00+07:00"}
    later_told(api.url, ids)

    (now,) = (await api.api("readings", channel=KEYS[0], **span)).body[0]["readings"]
    (then,) = (await api.api("readings", channel=KEYS[0], **span, **moment(RECEIVED_US))).body[0]["readings"]
    before = (await api.api("readings", channel=KEYS[0], **span, **moment(RECEIVED_US - 1))).body[0]["readings"]

    assert (now["conflict"], then["conflict"], before) == (True, False, [])
    assert then["value"] == 1000.0 + 3.7 * 40


async def test_a_value_that_came_first_is_known_before_the_one_that_was_stored(
    told: tuple[Api, dict[str, int]],
) -> None:
    api, ids = told
    number, ts = ids["alpha/main/energy_import"], START_US + 7
    span = {"start": "2026-03-02T00:00:00+07:00", "stop": "2026-03-02T00:01:00+07:00"}
    # An import is stored first, and what a gateway had sent before it comes to be read later.
    write(api.url, [(number, ts, 1001.0)], LATE_US)
    write(api.url, [(number, ts, 1002.0)], RECEIVED_US + HOUR_US)

    def row(answer: Any) -> list[tuple[float, bool]]:
        return [(one["value"], one["conflict"]) for one in answer.body[0]["readings"][1:]]

    asked = {"channel": KEYS[0], **span}
    assert row(await api.api("readings", **asked, **moment(RECEIVED_US))) == []
    assert row(await api.api("readings", **asked, **moment(RECEIVED_US + HOUR_US))) == [(1002.0, False)]
    assert row(await api.api("readings", **asked, **moment(LATE_US))) == [(1001.0, True)]


async def test_only_what_was_final_then_is_final(told: tuple[Api, dict[str, int]]) -> None:
    api, _ = told
    two_days_in = parse_instant("2026-03-04T00:05:00+07:00")

    answer = await api.api("kpis/electricity", subject="park:p", level="day", **DAYS, **moment(two_days_in))

    assert [value["reason"] for value in answer.body["values"]] == ["insufficient_data"] * 5
    assert [value["total_coverage"] for value in answer.body["values"]] == [0.0, 0.0, None, None, None]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"as_of": "2099-01-01T00:00:00Z"}, "lies in the future"),
        ({"as_of": "yesterday"}, "as_of"),
        ({"as_of": "2026-03-05T00:00:00"}, "offset"),
        (
            {"as_of": "2026-03-05T00:00:00Z", "start": "1990-01-01T00:00:00Z", "stop": "2015-01-01T00:00:00Z"},
            "days at once at most",
        ),
    ],
)
async def test_a_moment_that_cannot_be_asked_for_is_refused(
    told: tuple[Api, dict[str, int]], query: dict[str, str], sentence: str
) -> None:
    answer = await told[0].api("kpis/electricity", subject="park:p", level="day", **{**DAYS, **query})

    assert (answer.status, sentence in answer.body["detail"]) == (422, True), answer.body


async def test_as_of_shows_no_more_than_one_may_see(told: tuple[Api, dict[str, int]]) -> None:
    api, _ = told
    then = moment(RECEIVED_US)

    assert (await api.api("amounts", "tenant", channel=KEYS[1], level="day", **DAYS, **then)).status == 404
    own = await api.api("amounts", "tenant", channel=KEYS[0], level="day", **DAYS, **then)
    assert own.body[0]["values"][0]["amount"] == pytest.approx(3.7 * 288)
