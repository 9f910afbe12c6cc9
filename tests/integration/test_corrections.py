"""Corrections on a real database: numbers follow them, readings stay as they came, and what is wrong is refused."""

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import Connection
from typer.testing import CliRunner

from domain.corrections import Action
from domain.errors import InputError
from domain.quality import Flag
from domain.time import HOUR_US, parse_instant
from service.cli.main import app
from store import Role, connect
from store.corrections import correct, list_conflicts, list_corrections, withdraw
from tests.integration.test_engine import BASE_US, cycles, write
from tests.support.databases import apply_to, channel, meter, park_file, tenant
from tests.support.served import DAY, TOKENS, Api, api, filled_template, next_page

__all__ = ["api", "filled_template"]

DAY_US_ = parse_instant("2026-03-01T00:00:00+07:00")
STEPS = 96
OLD = "2025-12-31T23:00:00+07:00"


@pytest.fixture
def park(kawasan_url: str) -> tuple[str, dict[str, int]]:
    """A computed day of a register that rises 10 kWh each quarter of an hour, a gauge, and a product of two gauges."""
    register = channel("energy_import", "register", interval_s=900, resolution=0.01)
    outlet = meter("out", channel("cod"), channel("effluent_flow"), channel("ph"), role="outlet")
    ids = apply_to(kawasan_url, park_file(tenant("a", meter("m", register)), tenant("_park", outlet)))
    rows = [(ids["a/m/energy_import"], DAY_US_ + step * BASE_US, 10.0 * step) for step in range(STEPS + 1)]
    rows += [(ids["_park/out/ph"], DAY_US_ + step * 60_000_000, 7.0) for step in range(60)]
    write(kawasan_url, rows)
    cycles(kawasan_url, DAY_US_ + 25 * HOUR_US)
    return kawasan_url, ids


@pytest.fixture
def conn(park: tuple[str, dict[str, int]]) -> Iterator[Connection[Any]]:
    with connect(park[0], Role.MIGRATE, autocommit=True) as conn:
        yield conn


def at(step: float) -> int:
    """The moment after so many quarters of an hour. [us UTC]"""
    return DAY_US_ + int(step * BASE_US)


def said(
    conn: Connection[Any],
    channel_id: int,
    action: Action,
    first: int,
    last: int | None = None,
    *,
    value: float | None = None,
    why: str = "read by hand",
    replace: bool = False,
) -> int:
    end = first if last is None else last
    return correct(
        conn, channel_id, action, first_us=first, last_us=end, value=value, why=why, by="test", replace=replace
    )


def stored(conn: Connection[Any], table: bytes) -> list[tuple[Any, ...]]:
    columns = b", channel_id::text, ts::text, float8send(value)::text, quality::text, received_at::text, batch_id::text"
    return conn.execute(
        b"SELECT tableoid::regclass::text" + columns + b" FROM " + table + b" ORDER BY 2, 3, 4"
    ).fetchall()


def kwh(conn: Connection[Any], channel_id: int) -> dict[int, tuple[float | None, int]]:
    """Base amounts and their flags (but LATE) by quarter of an hour."""
    rows = conn.execute(
        b"SELECT (extract(epoch FROM start) * 1000000)::bigint, amount, flags FROM amount WHERE channel_id = %s AND level = 0",
        [channel_id],
    )
    return {(start - DAY_US_) // BASE_US: (amount, flags & ~Flag.LATE) for start, amount, flags in rows}


def test_a_set_value_is_what_amounts_are_made_of_and_readings_stay(
    park: tuple[str, dict[str, int]], conn: Connection[Any]
) -> None:
    register, before = park[1]["a/m/energy_import"], stored(conn, b"reading")

    said(conn, register, Action.SET, at(10), value=103.0)
    cycles(park[0])

    amounts = kwh(conn, register)
    assert amounts[9] == (13.0, int(Flag.EDITED))
    assert amounts[10] == (7.0, int(Flag.EDITED))
    assert amounts[11] == (10.0, 0)
    assert stored(conn, b"reading") == before
    assert sum(amount or 0.0 for amount, _ in amounts.values()) == pytest.approx(10.0 * STEPS)


def test_a_value_can_be_set_where_no_reading_stands(park: tuple[str, dict[str, int]], conn: Connection[Any]) -> None:
    register = park[1]["a/m/energy_import"]

    said(conn, register, Action.SET, at(10.5), value=109.0)
    cycles(park[0])

    assert kwh(conn, register)[10] == (10.0, int(Flag.EDITED))
    peak = conn.execute(
        b"SELECT slots FROM amount WHERE channel_id = %s AND level = 2 AND start = '2026-03-01T00:00:00+07:00'",
        [register],
    ).fetchone()
    assert peak == (96,), "a value that a person entered fills no slot"


def test_a_void_takes_readings_from_use_and_withdrawing_it_gives_them_back(
    park: tuple[str, dict[str, int]], conn: Connection[Any]
) -> None:
    register = park[1]["a/m/energy_import"]
    before = kwh(conn, register)

    number = said(conn, register, Action.VOID, at(10), at(21))
    cycles(park[0])
    during = kwh(conn, register)
    withdraw(conn, number, why="they were right after all", by="test")
    cycles(park[0])

    assert during[15][1] == int(Flag.EDITED | Flag.ESTIMATED)
    assert during[15][0] == pytest.approx(10.0)
    assert kwh(conn, register) == before


def test_of_two_corrections_the_one_entered_last_decides(
    park: tuple[str, dict[str, int]], conn: Connection[Any]
) -> None:
    register = park[1]["a/m/energy_import"]

    said(conn, register, Action.SET, at(10), value=103.0)
    said(conn, register, Action.VOID, at(10), at(11))
    said(conn, register, Action.SET, at(11), value=112.0)
    cycles(park[0])

    amounts = kwh(conn, register)
    assert amounts[9][0] == pytest.approx((112.0 - 90.0) / 2), "the void of step 10 came after the value set there"
    assert amounts[11] == (8.0, int(Flag.EDITED))


def test_a_value_chosen_in_a_conflict_is_used_and_both_stay(
    park: tuple[str, dict[str, int]], conn: Connection[Any]
) -> None:
    register = park[1]["a/m/energy_import"]
    write(park[0], [(register, at(10), 104.0)])
    cycles(park[0])
    readings, claims = stored(conn, b"reading"), stored(conn, b"reading_conflict")
    (open_,) = list_conflicts(conn, None)

    said(conn, register, Action.CHOOSE, at(10), value=104.0)
    cycles(park[0])

    assert [claim.value for claim in open_.claims] == [100.0, 104.0]
    assert (open_.correction_id, open_.chosen) == (None, None)
    assert kwh(conn, register)[9] == (14.0, int(Flag.EDITED))
    assert (stored(conn, b"reading"), stored(conn, b"reading_conflict")) == (readings, claims)
    assert list_conflicts(conn, None) == ()
    assert [one.chosen for one in list_conflicts(conn, None, resolved=True)] == [104.0]


def test_conflicts_are_listed_page_by_page(park: tuple[str, dict[str, int]], conn: Connection[Any]) -> None:
    register, ph = park[1]["a/m/energy_import"], park[1]["_park/out/ph"]
    write(park[0], [(register, at(3), 31.0), (register, at(4), 41.0), (ph, at(0), 8.0)])

    first = list_conflicts(conn, None, limit=2)
    last = first[-1]
    rest = list_conflicts(conn, None, after=(last.channel_id, int(last.ts.timestamp() * 1_000_000)), limit=2)

    assert [(one.channel_id, one.claims[-1].value) for one in (*first, *rest)] == sorted(
        [(register, 31.0), (register, 41.0), (ph, 8.0)]
    )


def test_a_set_may_take_the_place_of_another_if_told_so(
    park: tuple[str, dict[str, int]], conn: Connection[Any]
) -> None:
    register = park[1]["a/m/energy_import"]
    first = said(conn, register, Action.SET, at(10), value=103.0)

    with pytest.raises(InputError, match=f"by correction {first} already; withdraw that, or replace it"):
        said(conn, register, Action.SET, at(10), value=104.0)
    second = said(conn, register, Action.SET, at(10), value=104.0, replace=True, why="a misprint")

    old = {one.id: one for one in list_corrections(conn, [register], history=True)}
    assert [one.id for one in list_corrections(conn, [register])] == [second]
    assert (old[first].superseded_by, old[first].superseded_why) == ("test", "replaced: a misprint")
    assert old[first].superseded_at == old[second].recorded_at


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"why": "  "}, "needs a reason"),
        ({"first": parse_instant(OLD)}, "is not within the life of channel p/a/m/energy_import"),
        ({"first": parse_instant("2100-01-01T00:00:00Z")}, "lies in the future"),
        ({"value": float("nan")}, "NaN is no value; give a finite number"),
        ({"value": float("-inf")}, "-Infinity is no value"),
        ({"value": None}, "set needs a value"),
        ({"quantity": "_park/out/load_cod"}, "is made of two others by the engine"),
        ({"action": Action.CHOOSE}, "claimed by no two values"),
        ({"action": Action.VOID, "last": at(11), "value": None, "first": at(12)}, "before it begins"),
        ({"action": Action.VOID, "last": at(11)}, "gives no value"),
        ({"last": at(11)}, "set is about one instant"),
    ],
)
def test_what_is_wrong_with_a_correction_is_refused_with_a_sentence(
    park: tuple[str, dict[str, int]], conn: Connection[Any], entry: dict[str, Any], sentence: str
) -> None:
    asked: dict[str, Any] = {"action": Action.SET, "first": at(10), "value": 1.0} | entry
    number = park[1][asked.pop("quantity", "a/m/energy_import")]

    with pytest.raises(InputError, match=sentence):
        said(conn, number, **asked)
    assert list_corrections(conn, None, history=True) == ()


def test_a_value_that_nobody_claimed_cannot_be_chosen(park: tuple[str, dict[str, int]], conn: Connection[Any]) -> None:
    register = park[1]["a/m/energy_import"]
    write(park[0], [(register, at(10), 104.0)])

    with pytest.raises(InputError, match=r"never claimed to be 101; the values that claim it are 100, 104"):
        said(conn, register, Action.CHOOSE, at(10), value=101.0)


def test_a_correction_is_withdrawn_once_and_with_a_reason(
    park: tuple[str, dict[str, int]], conn: Connection[Any]
) -> None:
    number = said(conn, park[1]["a/m/energy_import"], Action.SET, at(10), value=103.0)

    with pytest.raises(InputError, match="needs a reason"):
        withdraw(conn, number, why="", by="test")
    withdraw(conn, number, why="a mistake", by="test")

    with pytest.raises(InputError, match="no longer in force"):
        withdraw(conn, number, why="again", by="test")
    with pytest.raises(InputError, match="there is no correction 4711"):
        withdraw(conn, 4711, why="why not", by="test")


def test_corrections_and_conflicts_by_the_command_line(
    park: tuple[str, dict[str, int]], conn: Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAWASAN_DATABASE_URL", park[0])
    register = park[1]["a/m/energy_import"]
    write(park[0], [(register, at(10), 104.0)])
    run, key, moment = CliRunner(), "p/a/m/energy_import", "2026-03-01T02:30:00+07:00"

    def told(*words: str) -> str:
        done = run.invoke(app, list(words))
        assert done.exit_code == 0, done.exception
        return done.output

    assert "100.0 (received" in told("conflicts", "list", "--channel", key)
    assert "is in force" in told("conflicts", "choose", key, moment, "104", "--why", "photo of the meter")
    assert "correction 1 says 104.0" in told("conflicts", "list", "--all")
    void = ("correction", "void", key, "--from", "2026-03-01T03:00:00+07:00", "--to", "2026-03-01T03:30:00+07:00")
    assert "correction 2 is in force" in told(*void, "--why", "gateway test")
    assert "void from 2026-02-28T20:00:00Z to 2026-02-28T20:30:00Z" in told("correction", "list")
    assert "is withdrawn" in told("correction", "withdraw", "2", "--why", "was real")
    assert "superseded" in told("correction", "list", "--history")
    lost = run.invoke(app, ["correction", "set", "p/a/m/nothing", moment, "-1.5", "--why", "x"])
    assert "its meter has p/a/m/energy_import" in str(lost.exception)
    assert kwh(conn, register)


# Through the API.

TEN = "2026-03-02T10:00:00+07:00"
KEY = "p/alpha/main/energy_import"
SET = {"channel": KEY, "action": "set", "ts": TEN, "value": 1601.0, "why": "read by hand"}


async def sent(api: Api, method: str, path: str, body: Any, role: str = "operator") -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {TOKENS[role]}"}
    answer = await api.client.request(method, f"/api/v1/{path}", json=body, headers=headers)
    return answer.status_code, answer.json()


async def test_an_operator_corrects_and_everybody_who_sees_the_channel_sees_who_and_why(api: Api) -> None:
    status, made = await sent(api, "POST", "corrections", SET)

    listed = await api.api("corrections", "tenant", channel=KEY)
    readings = await api.api("readings", "tenant", channel=KEY, start=TEN, stop="2026-03-02T10:02:00+07:00")
    assert status == 201
    assert (made["recorded_by"], made["why"], made["value"], made["action"]) == (
        "operator",
        "read by hand",
        1601.0,
        "set",
    )
    assert [one["id"] for one in listed.body] == [made["id"]]
    corrected, plain = readings.body[0]["readings"]
    assert (corrected["value"], corrected["corrected"], corrected["correction"]) == (1600.0, 1601.0, made["id"])
    assert (plain["value"], plain["corrected"], plain["correction"], plain["voided"]) == (1601.0, None, None, False)


async def test_readings_show_values_set_where_none_stands_and_what_is_void(api: Api) -> None:
    void = {"channel": KEY, "action": "void", "from": TEN, "to": "2026-03-02T10:01:00+07:00", "why": "test mode"}
    await sent(api, "POST", "corrections", {**SET, "ts": "2026-03-02T10:01:30+07:00"})
    await sent(api, "POST", "corrections", void)

    answer = await api.api("readings", channel=KEY, start=TEN, stop="2026-03-02T10:03:00+07:00")

    rows = answer.body[0]["readings"]
    assert [(row["ts"][11:19], row["value"], row["corrected"], row["voided"]) for row in rows] == [
        ("10:00:00", 1600.0, None, True),
        ("10:01:00", 1601.0, None, True),
        ("10:01:30", None, 1601.0, False),
        ("10:02:00", 1602.0, None, False),
    ]


@pytest.mark.parametrize(("role", "status"), [("tenant", 403), ("officer", 404)])
async def test_only_the_operator_corrects(api: Api, role: str, status: int) -> None:
    _, made = await sent(api, "POST", "corrections", SET)

    assert (await sent(api, "POST", "corrections", {**SET, "ts": DAY["start"]}, role))[0] == status
    assert (await sent(api, "DELETE", f"corrections/{made['id']}", {"why": "no"}, role))[0] == status
    assert len((await api.api("corrections", role)).body) == (1 if status == 403 else 0)


@pytest.mark.parametrize(
    ("change", "status", "sentence"),
    [
        ({"channel": "p/alpha/main/nothing"}, 404, "does not exist, or you may not see it"),
        ({"channel": "p/_park/outlet/load_cod"}, 422, "made of two others"),
        ({"why": ""}, 422, "needs a reason"),
        ({"why": "a\x00b"}, 400, "NUL"),
        ({"ts": "2026-03-02T10:00:00"}, 422, "offset"),
        ({"from": DAY["start"]}, 422, "one instant"),
        ({"action": "void"}, 422, "give `from` and `to`"),
        ({"action": "choose"}, 422, "claimed by no two values"),
        ({"action": "mend"}, 422, "action"),
        ({"colour": "red"}, 422, "colour"),
    ],
)
async def test_what_is_wrong_with_a_request_is_said(
    api: Api, change: dict[str, Any], status: int, sentence: str
) -> None:
    found, problem = await sent(api, "POST", "corrections", SET | change)

    assert (found, sentence in problem["detail"]) == (status, True), problem


async def test_a_withdrawn_correction_is_only_in_the_history(api: Api) -> None:
    _, made = await sent(api, "POST", "corrections", SET)

    status, gone = await sent(api, "DELETE", f"corrections/{made['id']}", {"why": "wrong meter"})

    history = await api.api("corrections", channel=KEY, history=True)
    assert (status, gone["superseded_by"], gone["superseded_why"]) == (200, "operator", "wrong meter")
    assert (await api.api("corrections", channel=KEY)).body == []
    assert [one["id"] for one in history.body] == [made["id"]]
    assert (await sent(api, "DELETE", f"corrections/{made['id']}", {"why": "again"}))[0] == 422
    assert (await sent(api, "DELETE", "corrections/4711", {"why": "none"}))[0] == 404


async def test_conflicts_are_seen_and_chosen_through_the_api(api: Api) -> None:
    with connect(api.url, Role.WRITE) as conn:
        (number,) = conn.execute(
            b"SELECT channel_id FROM reading WHERE ts = '2026-03-02T10:00:00+07:00' AND value = 1600"
        ).fetchone() or (0,)
    write(api.url, [(number, parse_instant(TEN), 1600.5), (number, parse_instant(DAY["start"]), 999.0)])

    begun = await api.api("conflicts", "tenant", limit=1)
    first = begun.body
    second = (await api.get(next_page(begun, "/api/v1/conflicts"), "tenant")).body
    status, made = await sent(api, "POST", "corrections", {**SET, "action": "choose", "value": 1600.5})
    left = (await api.api("conflicts")).body
    every = (await api.api("conflicts", resolved=True, channel=KEY, start=TEN)).body

    assert [claim["value"] for claim in first[0]["claims"]] == [999.0, 1000.0]
    assert [claim["value"] for claim in second[0]["claims"]] == [1600.0, 1600.5]
    assert (status, made["value"]) == (201, 1600.5)
    assert [one["ts"] for one in left] == [first[0]["ts"]]
    assert [(one["correction"], one["chosen"]) for one in every] == [(made["id"], 1600.5)]
    assert (await api.api("conflicts", "officer")).body == []
    assert (await api.api("conflicts", after="x")).status == 422
