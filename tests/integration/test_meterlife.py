"""The life of meters on a real database: what is entered late makes all numbers right, and no energy is lost."""

from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from domain.errors import InputError
from domain.meterlife import LifeEntry, MultiplierEntry, OutageEntry, UnitEntry
from domain.registry import Exchange, Outage, WireUnit
from domain.time import DAY_US, HOUR_US, from_datetime, parse_instant, to_datetime
from ingest.directory import Directory
from service.cli.main import app
from store import ReadingSink, Role, connect, load_registry
from store.meterlife import enter_life, list_life, withdraw_life
from store.registry import apply_park
from store.users import UserRole, create_user, set_token, token_hash
from tests.integration.test_engine import BASE_US, cycles
from tests.support.databases import apply_to, batch_of, channel, meter, park_file, tenant
from tests.support.served import TOKENS, Answer, Api, served

START = "2026-03-01T00:00:00+07:00"
START_US = parse_instant(START)
DAY = {"start": START, "stop": "2026-03-02T00:00:00+07:00"}
LIFE = "meters/p/a/m"


def moment(step: float) -> str:
    """After so many quarters of an hour."""
    return to_datetime(START_US + int(step * BASE_US)).isoformat()


def file(**rest: Any) -> Any:
    """Two meters, read every quarter of an hour."""
    register = channel("energy_import", "register", interval_s=900, resolution=0.01, **rest)
    gauge = channel("power", interval_s=900)
    return park_file(
        tenant("a", meter("m", register, gauge)),
        tenant("b", meter("m", channel("energy_import", "register", interval_s=900, resolution=0.01))),
    )


def rows(ids: dict[str, int]) -> list[tuple[int, int, float]]:
    """A day at 10 kWh each quarter; a's device is exchanged in the 41st for one of three digits, b is silent from noon on."""
    a, b = ids["a/m/energy_import"], ids["b/m/energy_import"]
    told = [(a, START_US + step * BASE_US, 10.0 * step) for step in range(41)]
    # Half of the 41st quarter each: closing 405, opening 900; it passes 1000 on the way.
    told += [(a, START_US + step * BASE_US, (900.0 + 10.0 * (step - 40.5)) % 1000.0) for step in range(41, 97)]
    return told + [(b, START_US + step * BASE_US, 10.0 * step) for step in range(49)]


@pytest.fixture
async def site(kawasan_url: str) -> AsyncIterator[Api]:
    """The API over a computed day, before anybody said anything of the meters' life."""
    ids = apply_to(kawasan_url, file())
    with closing(ReadingSink(kawasan_url)) as sink:
        sink.write(batch_of(rows(ids)))
    cycles(kawasan_url, START_US + DAY_US + HOUR_US)
    with connect(kawasan_url, Role.AUTH) as conn:
        create_user(conn, "operator", UserRole.OPERATOR, parks=["p"])
        create_user(conn, "tenant", UserRole.TENANT, tenants=["p/a"])
        create_user(conn, "officer", UserRole.OFFICER, parks=["p"])
        for role, token in TOKENS.items():
            set_token(conn, role, token_hash(token), label="test")
    async with served(kawasan_url) as running:
        yield running


async def sent(api: Api, method: str, path: str, body: dict[str, Any], role: str = "operator") -> Answer:
    headers = {"Authorization": f"Bearer {TOKENS[role]}"}
    answer = await api.client.request(method, f"/api/v1/{path}", json=body, headers=headers)
    return Answer(status=answer.status_code, body=answer.json(), headers=answer.headers)


async def kwh(api: Api, subject: str = "meter:p/a/m") -> dict[str, Any]:
    answer = await api.api("kpis/electricity", subject=subject, level="day", **DAY)
    values: list[dict[str, Any]] = answer.body["values"]
    return values[0]


EXCHANGE: dict[str, Any] = {
    "at": moment(40.5),
    "registers": [{"quantity": "energy_import", "closing": 405.0, "opening": 900.0, "digits": 3, "max_rate": 300.0}],
    "serial": "N-2",
    "note": "display dead",
}


async def test_an_exchange_and_a_multiplier_entered_late_make_all_totals_right(site: Api) -> None:
    before = await kwh(site)
    assert before["value"] != pytest.approx(960.0)

    made = await sent(site, "POST", f"{LIFE}/exchanges", EXCHANGE)
    cycles(site.url)

    assert made.status == 201, made.body
    assert made.body["warnings"] == []
    assert [(fact["kind"], fact["recorded_by"], fact["note"]) for fact in made.body["facts"]] == [
        ("device", "operator", "display dead"),
        ("exchange", "operator", "display dead"),
    ]
    # 96 quarters of 10 kWh, the 41st half by each device.
    assert (await kwh(site))["value"] == pytest.approx(960.0, abs=1e-9)
    assert (await kwh(site, "tenant:p/a"))["value"] == pytest.approx(960.0, abs=1e-9)

    factor = {"from": moment(48), "quantity": "energy_import", "factor": 2.0}
    assert (await sent(site, "POST", f"{LIFE}/multipliers", factor)).status == 201
    cycles(site.url)

    # The second half of the day twice.
    assert (await kwh(site, "tenant:p/a"))["value"] == pytest.approx(480.0 + 2 * 480.0, abs=1e-9)


async def test_what_was_withdrawn_counts_no_more_and_stays_in_the_history(site: Api) -> None:
    before = await kwh(site)
    made = (await sent(site, "POST", f"{LIFE}/exchanges", EXCHANGE)).body
    number = next(fact["id"] for fact in made["facts"] if fact["kind"] == "exchange")
    cycles(site.url)

    gone = await sent(site, "DELETE", f"{LIFE}/life/exchange/{number}", {"why": "another meter"})
    cycles(site.url)

    assert (gone.status, gone.body["superseded_by"], gone.body["superseded_why"]) == (200, "operator", "another meter")
    assert (await kwh(site))["measured"] == before["measured"]
    assert [fact["kind"] for fact in (await site.api(f"{LIFE}/life")).body] == ["device"]
    history = (await site.api(f"{LIFE}/life", history=True)).body
    assert [fact["kind"] for fact in history] == ["device", "exchange"]
    again = await sent(site, "DELETE", f"{LIFE}/life/exchange/{number}", {"why": "again"})
    assert (again.status, "no longer in force" in again.body["detail"]) == (422, True)


async def test_nothing_is_expected_of_a_meter_out_of_service(site: Api) -> None:
    assert (await kwh(site, "meter:p/b/m"))["total_coverage"] == pytest.approx(0.5)

    made = await sent(
        site, "POST", "meters/p/b/m/outages", {"from": moment(48), "to": DAY["stop"], "reason": "rebuilt"}
    )
    cycles(site.url)

    assert made.status == 201, made.body
    found = await kwh(site, "meter:p/b/m")
    assert (found["value"], found["total_coverage"]) == (pytest.approx(480.0), pytest.approx(1.0))
    answer = await site.api("kpis/availability", subject="meter:p/b/m", level="day", **DAY)
    assert answer.body["values"][0]["value"] == pytest.approx(1.0)
    amounts = await site.api("amounts", channel="p/b/m/energy_import", level="hour", **DAY)
    coverages = [value["total_coverage"] for value in amounts.body[0]["values"]]
    assert coverages == [1.0] * 12 + [None] * 12


async def test_only_the_operator_changes_the_life_of_a_meter(site: Api) -> None:
    made = (await sent(site, "POST", f"{LIFE}/exchanges", EXCHANGE)).body
    number = made["facts"][0]["id"]
    outage = {"from": moment(48), "reason": "rebuilt"}

    for role, path, status in (
        ("tenant", LIFE, 403),
        ("tenant", "meters/p/b/m", 404),
        ("officer", LIFE, 404),
        ("operator", "meters/p/a/none", 404),
        ("operator", "meters/q/a/m", 404),
    ):
        assert (await sent(site, "POST", f"{path}/outages", outage, role)).status == status
        withdrawn = await sent(site, "DELETE", f"{path}/life/device/{number}", {"why": "no"}, role)
        assert withdrawn.status == status
    assert (await site.api(f"{LIFE}/life", "tenant")).status == 200
    assert (await site.api(f"{LIFE}/life", "officer")).status == 404
    assert (await site.api("meters/p/b/m/life", "tenant")).status == 404


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("exchanges", EXCHANGE | {"at": "2025-12-31T00:00:00+07:00"}, "is not within its life, 2026-01-01"),
        ("exchanges", EXCHANGE | {"at": "2199-01-01T00:00:00+07:00"}, "lies in the future"),
        (
            "exchanges",
            EXCHANGE | {"registers": [{"quantity": "power", "closing": 1.0, "opening": 0.0}]},
            "p/a/m/power is of kind gauge",
        ),
        (
            "exchanges",
            EXCHANGE | {"registers": [{"quantity": "water_in", "closing": 1.0, "opening": 0.0}]},
            "has no channel 'water_in'; it has energy_import, power",
        ),
        (
            "exchanges",
            EXCHANGE | {"registers": [EXCHANGE["registers"][0] | {"opening": 1000.0}]},
            "opening 1000 of the exchange at 2026-03-01T03:07:30",
        ),
        (
            "exchanges",
            EXCHANGE | {"registers": [EXCHANGE["registers"][0] | {"max_rate": None}]},
            "a rollover could not be told",
        ),
        ("multipliers", {"from": moment(1), "quantity": "energy_import", "factor": 0.0}, "multiplier 0 is not above 0"),
        ("units", {"from": moment(1), "quantity": "energy_import", "unit": "m3"}, "cannot be brought to kWh"),
        ("outages", {"from": moment(5), "to": moment(4), "reason": "x"}, "not after it begins"),
        ("outages", {"from": moment(5), "reason": " "}, "needs its reason"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_is_changed(
    site: Api, path: str, body: dict[str, Any], sentence: str
) -> None:
    found = await sent(site, "POST", f"{LIFE}/{path}", body)

    assert (found.status, sentence in found.body["detail"]) == (422, True), found.body
    assert (await site.api(f"{LIFE}/life", history=True)).body == []


async def test_a_moment_has_one_exchange_unless_it_is_replaced_and_outages_do_not_meet(site: Api) -> None:
    await sent(site, "POST", f"{LIFE}/exchanges", EXCHANGE)
    await sent(site, "POST", f"{LIFE}/outages", {"from": moment(0), "to": moment(9), "reason": "rebuilt"})
    other = {"at": EXCHANGE["at"], "registers": [EXCHANGE["registers"][0] | {"closing": 404.0}]}

    twice = await sent(site, "POST", f"{LIFE}/exchanges", other)
    met = await sent(site, "POST", f"{LIFE}/outages", {"from": moment(8), "reason": "again"})
    replaced = await sent(site, "POST", f"{LIFE}/exchanges", other | {"replace": True})

    assert (twice.status, "withdraw it first" in twice.body["detail"]) == (422, True)
    assert (met.status, "out of service from" in met.body["detail"]) == (422, True)
    assert replaced.status == 201
    in_force = (await site.api(f"{LIFE}/life")).body
    assert [fact["what"]["closing"] for fact in in_force if fact["kind"] == "exchange"] == [404.0]


async def test_text_that_no_column_can_hold_is_refused(site: Api) -> None:
    body = '{"from": "' + moment(1) + '", "reason": "rebuilt \\ud800"}'
    headers = {"Authorization": f"Bearer {TOKENS['operator']}", "Content-Type": "application/json"}

    answer = await site.client.post(f"/api/v1/{LIFE}/outages", content=body, headers=headers)

    assert (answer.status_code, answer.json()["detail"].startswith("body.reason")) == (422, True)


async def test_a_closing_below_the_last_reading_is_entered_with_a_warning(site: Api) -> None:
    odd = EXCHANGE | {"registers": [EXCHANGE["registers"][0] | {"closing": 390.0}]}

    made = await sent(site, "POST", f"{LIFE}/exchanges", odd)

    assert made.status == 201
    (warning,) = made.body["warnings"]
    assert "closing 390 is below the reading 400" in warning


def entered(url: str, *entries: LifeEntry, replace: bool = False) -> tuple[int, ...]:
    with connect(url, Role.MIGRATE) as conn:
        number = load_registry(conn, "p").channel_by_key["p/a/m/energy_import"].meter_id
        return enter_life(conn, number, entries, note="", by="test", replace=replace)


def test_a_park_file_leaves_alone_what_was_entered_until_it_says_otherwise_itself(kawasan_url: str) -> None:
    apply_to(kawasan_url, file())
    factor = MultiplierEntry(quantity="energy_import", from_us=START_US, factor=40.0)
    outage = OutageEntry(from_us=START_US, to_us=None, reason="rebuilt")
    entered(kawasan_url, factor, outage)
    entry = {"valid_from": START, "factor": 40.0}

    with connect(kawasan_url, Role.MIGRATE) as conn:
        same = apply_park(conn, file())
        said_too = apply_park(conn, file(multipliers=[entry]))
        otherwise = apply_park(conn, file(multipliers=[entry | {"factor": 60.0}]))
        meter_id = load_registry(conn, "p").channel_by_key["p/a/m/energy_import"].meter_id
        life = list_life(conn, meter_id)

    assert (same, said_too) == ((), ())
    (change,) = otherwise
    assert str(change) == (
        "channel p/a/m/energy_import: multiplier from 2026-02-28T17:00:00+00:00: factor changed from 40 to 60 "
        "(entered by test; the park file says otherwise)"
    )
    assert {(row.kind, row.origin) for row in life} == {("multiplier", "file"), ("outage", "entry")}


def test_what_the_park_file_says_is_changed_there(kawasan_url: str) -> None:
    apply_to(kawasan_url, file(multipliers=[{"valid_from": START, "factor": 40.0}]))
    with connect(kawasan_url, Role.MIGRATE) as conn:
        meter_id = load_registry(conn, "p").channel_by_key["p/a/m/energy_import"].meter_id
        (row,) = list_life(conn, meter_id)

    factor = MultiplierEntry(quantity="energy_import", from_us=START_US, factor=60.0)
    with pytest.raises(InputError, match="is in the park file already; change it there"):
        entered(kawasan_url, factor, replace=True)
    with connect(kawasan_url, Role.MIGRATE) as conn, pytest.raises(InputError, match="is the park file's"):
        withdraw_life(conn, meter_id, row.kind, row.id, why="no", by="test")


def test_facts_of_a_park_file_are_in_the_registry(kawasan_url: str) -> None:
    apply_to(
        kawasan_url,
        park_file(
            tenant(
                "a",
                meter(
                    "m",
                    channel(
                        "energy_import",
                        "register",
                        resolution=0.01,
                        units=[{"valid_from": START, "unit": "MWh"}],
                        exchanges=[{"at": START, "closing": 5.0, "opening": 1.0, "digits": 7, "max_rate": 900.0}],
                    ),
                    outages=[{"valid_from": START, "valid_to": DAY["stop"], "reason": "rebuilt"}],
                ),
            )
        ),
    )

    with connect(kawasan_url, Role.WRITE) as conn:
        registry = load_registry(conn, "p")

    line = registry.channel_by_key["p/a/m/energy_import"]
    assert line.exchanges == (Exchange(at_us=START_US, closing=5.0, opening=1.0, modulus=1e7, max_rate=900.0),)
    assert line.wire_units == (WireUnit(from_us=START_US, unit="MWh"),)
    assert registry.meters[0].outages == (Outage(from_us=START_US, to_us=START_US + DAY_US, reason="rebuilt"),)


def test_a_unit_counts_from_its_moment_on_and_raises_the_version(kawasan_url: str) -> None:
    apply_to(kawasan_url, file())
    with connect(kawasan_url, Role.WRITE) as conn:
        version = load_registry(conn, "p").park.version
        queued = conn.execute(b"SELECT count(*) FROM span_queue").fetchone()

    entered(kawasan_url, UnitEntry(quantity="energy_import", from_us=START_US, unit="MWh"))

    with connect(kawasan_url, Role.WRITE) as conn:
        registry = load_registry(conn, "p")
        assert conn.execute(b"SELECT count(*) FROM span_queue").fetchone() == queued, "what is stored stays"
        directory = Directory.of([registry])
    row = directory.meters[b"kawasan/v1/p/a/m"].rows["energy_import"]
    factors = directory.factors(np.array([row, row]), np.array([START_US - 1, START_US]))
    assert (registry.park.version, factors.tolist()) == (version + 1, [1.0, 1000.0])


def test_the_registry_of_a_moment_knows_what_was_known_then(kawasan_url: str) -> None:
    apply_to(kawasan_url, file(), now_us=START_US)
    (number,) = entered(kawasan_url, OutageEntry(from_us=START_US, to_us=None, reason="rebuilt"))
    with connect(kawasan_url, Role.MIGRATE) as conn:
        meter_id = load_registry(conn, "p").channel_by_key["p/a/m/energy_import"].meter_id
        withdraw_life(conn, meter_id, "outage", number, why="it was not", by="test")
        (row,) = list_life(conn, meter_id, history=True)
        assert row.superseded_at is not None
        known = [
            len(next(one for one in load_registry(conn, "p", as_of_us=at).meters if one.id == meter_id).outages)
            for at in (
                from_datetime(row.recorded_at) - 1,
                from_datetime(row.recorded_at),
                from_datetime(row.superseded_at) - 1,
                from_datetime(row.superseded_at),
            )
        ]

    assert known == [0, 1, 1, 0]


def test_the_commands_enter_show_and_withdraw(kawasan_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = apply_to(kawasan_url, file())
    with closing(ReadingSink(kawasan_url)) as sink:
        sink.write(batch_of(rows(ids)))
    monkeypatch.setenv("KAWASAN_DATABASE_URL", kawasan_url)
    place = "p/a/m"

    def run(*words: str) -> str:
        done = CliRunner().invoke(app, ["meter", *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    exchanged = run(
        "exchange", place, "--at", moment(40.5), "--channel", "energy_import:405:900", "--digits", "3",
        "--max-rate", "300", "--serial", "N-2",
    )  # fmt: skip
    run("multiplier", place, "--from", moment(48), "--channel", "energy_import", "--factor", "2", "--note", "new CT")
    late = run("unit", place, "--from", moment(50), "--channel", "energy_import", "--unit", "MWh")
    run("out-of-service", place, "--from", moment(90), "--to", moment(95), "--reason", "rebuilt")
    run("withdraw", place, "unit", "1", "--why", "it was not")
    shown, history = run("show", place), run("show", place, "--history")

    assert exchanged == "entered for p/a/m, as exchange 1, device 1; what it changes is computed again\n"
    assert "are stored already, by the unit that was known" in late
    assert [line.split("  ")[0] for line in shown.splitlines()] == [
        "device 1",
        "exchange 1 energy_import",
        "multiplier 1 energy_import",
        "outage 1",
    ]
    assert "(cli:" in shown
    assert ": new CT)" in shown
    assert "it was not" in history


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["show", "p/a"], "write PARK/TENANT/METER"),
        (["show", "p/a/x"], "there is no meter 'p/a/x'; tenant a has p/a/m"),
        (["exchange", "p/a/m", "--at", START, "--channel", "energy_import"], "is not QUANTITY:CLOSING:OPENING"),
        (["withdraw", "p/a/m", "outage", "7", "--why", "no"], "the meter has no outage of number 7"),
    ],
)
def test_commands_say_what_would_be_right(
    kawasan_url: str, monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
) -> None:
    apply_to(kawasan_url, file())
    monkeypatch.setenv("KAWASAN_DATABASE_URL", kawasan_url)

    with pytest.raises(InputError, match=sentence.replace("?", r"\?")):
        CliRunner().invoke(app, ["meter", *words], catch_exceptions=False)
