"""A park file into the registry: what changes, what is said of it, and which numbers it touches."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from domain.errors import RegistryError
from domain.parkfile import ParkFile
from domain.registry import Exchange, Kind, MeterRole, Multiplier
from domain.time import DAY_US, parse_instant
from store.connection import Role, connect
from store.readings import ReadingSink
from store.registry import apply_park, load_registries, load_registry
from store.spans import append_tick, set_ticked_to, take_spans
from tests.support.databases import NOON_US, batch_of, channel, meter, park_file, tenant

START_US = parse_instant("2026-01-01T00:00:00+07:00")


@pytest.fixture
def conn(kawasan_url: str) -> Iterator[Connection[Any]]:
    with connect(kawasan_url, Role.MIGRATE) as conn:
        yield conn


def applied(conn: Connection[Any], file: ParkFile, now_us: int = NOON_US) -> list[str]:
    return [str(change) for change in apply_park(conn, file, now_us=now_us)]


def plant(*, channels: list[dict[str, Any]] | None = None, **rest: Any) -> ParkFile:
    """A park with one meter."""
    own = channels or [channel("energy_import", "register", unit="MWh", resolution=0.1, digit_value=0.1)]
    return park_file(tenant("a", meter("m", *own, **rest)))


def store(url: str, channel_id: int, *times_us: int) -> None:
    sink = ReadingSink(url)
    sink.write(batch_of([(channel_id, ts_us, 1.0) for ts_us in times_us]))
    sink.close()


def queue(url: str) -> list[tuple[Any, ...]]:
    """Take everything there is to compute."""
    with connect(url, Role.WRITE) as conn:
        taken = take_spans(conn, 1, 10**6)
    return list(zip(taken.channel_id.tolist(), taken.from_us.tolist(), taken.to_us.tolist(), strict=True))


def test_a_park_is_read_back_as_it_was_applied(conn: Connection[Any]) -> None:
    apply_park(conn, plant(demand_block_s=1800, devices=[{"serial": "S1", "valid_from": "2026-01-01T00:00:00+07:00"}]))

    registry = load_registry(conn, "p")

    park, (own,), (point,), (line,) = registry.park, registry.tenants, registry.meters, registry.channels
    assert (park.key, park.zone.key, park.base_s, park.lateness_s, park.version) == ("p", "Asia/Jakarta", 900, 600, 1)
    assert (own.key, own.name, own.sector, own.valid_from_us, own.valid_to_us) == (
        "a",
        "Tenant a",
        None,
        START_US,
        None,
    )
    assert (point.tenant_id, point.role, point.parent_id, point.demand_block_s) == (own.id, MeterRole.USE, None, 1800)
    assert (line.key, line.kind, line.unit, line.wire_unit) == ("p/a/m/energy_import", Kind.REGISTER, "kWh", "MWh")
    assert (line.modulus, line.resolution, line.max_rate, line.meter_id) == (100_000.0, 0.1, 1000.0, point.id)
    assert (line.multipliers, line.exchanges, line.inputs) == ((), (), None)


def test_applying_twice_changes_nothing(conn: Connection[Any]) -> None:
    file = plant(devices=[{"serial": "S1", "valid_from": "2026-01-01T00:00:00+07:00"}])
    first = applied(conn, file)

    second = applied(conn, file, NOON_US + DAY_US)

    assert first == [
        "park p: added",
        "tenant p/a: added",
        "meter p/a/m: added",
        "channel p/a/m/energy_import: added",
        "meter p/a/m: device S1 from 2025-12-31T17:00:00+00:00 added",
    ]
    assert second == []
    assert load_registry(conn, "p").park.version == 1


def test_a_change_raises_the_version_and_wakes_who_listens(conn: Connection[Any], kawasan_url: str) -> None:
    apply_park(conn, plant())
    with connect(kawasan_url, None, autocommit=True) as listening:
        listening.execute("LISTEN kawasan_registry")

        changes = applied(conn, plant(name="Other"))

        notes = [note.payload for note in listening.notifies(timeout=10, stop_after=1)]
    assert changes == ['meter p/a/m: name changed from "Meter m" to "Other"']
    assert notes == ["p"]
    assert load_registry(conn, "p").park.version == 2


def test_what_only_people_read_touches_no_number(conn: Connection[Any], kawasan_url: str) -> None:
    apply_park(conn, plant())
    store(kawasan_url, 1, NOON_US)
    queue(kawasan_url)
    queue_forget(kawasan_url)

    applied(conn, plant(name="Other", channels=[channel("energy_import", "register", resolution=0.1, digit_value=0.1)]))

    assert queue(kawasan_url) == []


def queue_forget(url: str) -> None:
    with psycopg.connect(url) as conn:
        conn.execute("DELETE FROM span_queue")


def register(**rest: Any) -> dict[str, Any]:
    return channel("energy_import", "register", **{"resolution": 0.1, "digit_value": 0.1, "unit": "MWh", **rest})


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"max_rate": 5.0}, "max_rate changed from 1000 to 5"),
        ({"resolution": 0.2}, "resolution changed from 0.1 to 0.2"),
        ({"interval_s": 30}, "interval_s changed from 60 to 30"),
        ({"digits": 7}, "modulus changed from 100000 to 1000000"),
    ],
)
def test_what_a_channel_is_touches_all_its_readings(
    conn: Connection[Any], kawasan_url: str, changed: dict[str, Any], sentence: str
) -> None:
    apply_park(conn, plant())
    months = [NOON_US, NOON_US + 40 * DAY_US, NOON_US + 41 * DAY_US]
    store(kawasan_url, 1, *months)
    queue_forget(kawasan_url)

    changes = applied(conn, plant(channels=[register(**changed)]))

    assert changes == [f"channel p/a/m/energy_import: {sentence}"]
    assert queue(kawasan_url) == [(1, NOON_US, NOON_US), (1, months[1], months[2])]


def test_a_role_touches_the_readings_of_all_channels_of_the_meter(conn: Connection[Any], kawasan_url: str) -> None:
    apply_park(conn, plant())
    store(kawasan_url, 1, NOON_US)
    queue_forget(kawasan_url)

    changes = applied(conn, plant(role="supply"))

    assert changes == ['meter p/a/m: role changed from "use" to "supply"']
    assert queue(kawasan_url) == [(1, NOON_US, NOON_US)]


def test_a_multiplier_is_superseded_and_touches_what_comes_after_it(conn: Connection[Any], kawasan_url: str) -> None:
    old = [{"valid_from": "2026-01-01T00:00:00Z", "factor": 10}, {"valid_from": "2026-03-02T00:00:00Z", "factor": 40}]
    new = [old[0], {"valid_from": "2026-03-02T00:00:00Z", "factor": 60}]
    apply_park(conn, plant(channels=[register(multipliers=old)]))
    from_us = parse_instant("2026-03-02T00:00:00Z")
    store(kawasan_url, 1, NOON_US, from_us + 5, from_us + 9)
    queue_forget(kawasan_url)

    changes = applied(conn, plant(channels=[register(multipliers=new)]))

    assert len(changes) == 1
    assert changes[0].startswith(
        "channel p/a/m/energy_import: multiplier from 2026-03-02T00:00:00+00:00: factor changed from 40 to 60"
    )
    assert queue(kawasan_url) == [(1, from_us, from_us), (1, from_us + 5, from_us + 9)]
    assert load_registry(conn, "p").channels[0].multipliers == (
        Multiplier(from_us=parse_instant("2026-01-01T00:00:00Z"), factor=10.0),
        Multiplier(from_us=from_us, factor=60.0),
    )
    facts = conn.execute("SELECT factor, superseded_at IS NULL FROM multiplier ORDER BY id").fetchall()
    assert facts == [(10.0, True), (40.0, False), (60.0, True)]


def test_an_exchange_touches_its_moment_though_nothing_came_after(conn: Connection[Any], kawasan_url: str) -> None:
    apply_park(conn, plant())
    store(kawasan_url, 1, NOON_US)
    queue_forget(kawasan_url)
    at_us = NOON_US + 60_000_000
    exchange = {"at": "2026-03-01T12:01:00Z", "closing": 900.0, "opening": 1.0}

    changes = applied(conn, plant(channels=[register(exchanges=[exchange])]))

    assert changes == [
        "channel p/a/m/energy_import: exchange from 2026-03-01T12:01:00+00:00 added (closing 900, opening 1)"
    ]
    assert queue(kawasan_url) == [(1, at_us, at_us)]
    assert load_registry(conn, "p").channels[0].exchanges == (Exchange(at_us=at_us, closing=900.0, opening=1.0),)


def test_a_fact_the_file_no_longer_has_is_withdrawn(conn: Connection[Any]) -> None:
    apply_park(conn, plant(channels=[register(multipliers=[{"valid_from": "2026-01-01T00:00:00Z", "factor": 10}])]))

    changes = applied(conn, plant())

    assert changes == ["channel p/a/m/energy_import: multiplier from 2026-01-01T00:00:00+00:00 withdrawn (factor 10)"]
    assert load_registry(conn, "p").channels[0].multipliers == ()


def two_tenants() -> ParkFile:
    return park_file(
        tenant("a", meter("m", register(multipliers=[{"valid_from": "2026-01-01T00:00:00Z", "factor": 10}]))),
        tenant("b", meter("m", register())),
    )


def test_what_is_removed_is_closed_and_keeps_its_facts(conn: Connection[Any]) -> None:
    apply_park(conn, two_tenants())

    changes = applied(conn, park_file(tenant("b", meter("m", register()))))
    again = applied(conn, park_file(tenant("b", meter("m", register()))), NOON_US + DAY_US)

    registry = load_registry(conn, "p")
    assert len(changes) == 3
    assert all(change.endswith("valid_to changed from none to 2026-03-01T12:00:00+00:00") for change in changes)
    assert again == []
    assert [one.valid_to_us for one in registry.tenants] == [NOON_US, None]
    assert [one.valid_to_us for one in registry.meters] == [NOON_US, None]
    assert [one.valid_to_us for one in registry.channels] == [NOON_US, None]
    assert len(registry.channels[0].multipliers) == 1


def test_what_comes_back_is_open_again_and_its_silence_counts(conn: Connection[Any], kawasan_url: str) -> None:
    apply_park(conn, two_tenants())
    applied(conn, park_file(tenant("b", meter("m", register()))))

    applied(conn, two_tenants(), NOON_US + DAY_US)

    registry = load_registry(conn, "p")
    assert [one.valid_to_us for one in registry.channels] == [None, None]
    assert queue(kawasan_url) == [(1, NOON_US, NOON_US + DAY_US)]


def test_an_earlier_beginning_touches_the_time_that_is_expected_now(conn: Connection[Any], kawasan_url: str) -> None:
    apply_park(conn, plant(channels=[register(valid_from="2026-02-10T00:00:00Z")]))

    applied(conn, plant(channels=[register(valid_from="2026-01-20T00:00:00Z")]))

    edges = (parse_instant("2026-01-20T00:00:00Z"), parse_instant("2026-02-10T00:00:00Z"))
    assert queue(kawasan_url) == [(1, *edges)]


def test_a_channel_that_is_added_later_was_expected_in_the_final_past(conn: Connection[Any], kawasan_url: str) -> None:
    apply_park(conn, plant())
    with connect(kawasan_url, Role.WRITE) as engine:
        append_tick(engine, 1, NOON_US)
        take_spans(engine, 1, 1)
        set_ticked_to(engine, 1, NOON_US)

    applied(conn, plant(channels=[register(), channel("power", valid_from="2026-02-27T00:00:00Z")]))

    assert queue(kawasan_url) == [(2, parse_instant("2026-02-27T00:00:00Z"), NOON_US)]


def outlet(*quantities: str, **rest: Any) -> ParkFile:
    kinds = {"effluent_volume": "register"}
    lines = [channel(quantity, kinds.get(quantity, "gauge")) for quantity in quantities]
    return park_file(tenant("a", meter("m", *lines, role="discharge")), **rest)


def test_a_load_is_made_of_concentration_and_volume_or_else_flow(conn: Connection[Any]) -> None:
    apply_park(conn, outlet("cod", "effluent_flow", "ph"))
    by_flow = {line.quantity: line for line in load_registry(conn, "p").channels}

    changes = applied(conn, outlet("cod", "effluent_flow", "ph", "effluent_volume"))
    registry = load_registry(conn, "p")
    by_volume = {line.quantity: line for line in registry.channels}

    assert (by_flow["load_cod"].kind, by_flow["load_cod"].unit) == (Kind.PRODUCT, "kg")
    assert by_flow["load_cod"].inputs == (by_flow["cod"].id, by_flow["effluent_flow"].id)
    assert by_volume["load_cod"].inputs == (by_volume["cod"].id, by_volume["effluent_volume"].id)
    assert 'channel p/a/m/load_cod: flow changed from "effluent_flow" to "effluent_volume"' in changes
    assert registry.channels[-1].quantity == "load_cod"


def test_a_load_without_its_concentration_is_closed(conn: Connection[Any]) -> None:
    apply_park(conn, outlet("cod", "effluent_flow"))

    applied(conn, outlet("effluent_flow"))

    closed = {line.quantity: line.valid_to_us for line in load_registry(conn, "p").channels}
    assert closed == {"cod": NOON_US, "effluent_flow": None, "load_cod": NOON_US}


RULE = {
    "key": "ph_out",
    "meter": "a/m",
    "quantity": "ph",
    "statistic": "range",
    "window": "day",
    "lowest": 6.0,
    "highest": 9.0,
    "legal_basis": "Permit 1",
}


def test_a_rule_is_superseded_and_touches_what_it_judged(conn: Connection[Any], kawasan_url: str) -> None:
    apply_park(conn, outlet("ph", rules=[RULE]))
    store(kawasan_url, 1, NOON_US)
    queue_forget(kawasan_url)

    changes = applied(conn, outlet("ph", rules=[{**RULE, "highest": 8.5}]))

    assert len(changes) == 1
    assert changes[0].endswith("highest changed from 9 to 8.5")
    assert queue(kawasan_url) == [(1, NOON_US, NOON_US)]
    rules = load_registry(conn, "p").rules
    assert [(rule.key, rule.lowest, rule.highest, rule.valid_from_us) for rule in rules] == [
        ("ph_out", 6.0, 8.5, START_US)
    ]


def test_a_rule_that_is_removed_ends_now(conn: Connection[Any]) -> None:
    apply_park(conn, outlet("ph", rules=[RULE]))

    changes = applied(conn, outlet("ph"))
    again = applied(conn, outlet("ph"), NOON_US + DAY_US)

    assert changes[0].endswith("valid_to changed from none to 2026-03-01T12:00:00+00:00")
    assert again == []
    assert [rule.valid_to_us for rule in load_registry(conn, "p").rules] == [NOON_US]


def test_a_rule_may_move_to_another_meter(conn: Connection[Any]) -> None:
    def file(of: str) -> ParkFile:
        points = [meter(key, channel("ph"), role="outlet") for key in ("m", "n")]
        return park_file(tenant("a", *points), rules=[{**RULE, "meter": of}])

    apply_park(conn, file("a/m"))

    applied(conn, file("a/n"))

    registry = load_registry(conn, "p")
    assert [registry.channel_by_id[rule.channel_id].key for rule in registry.rules] == ["p/a/n/ph"]


def test_a_meter_may_hang_below_one_that_stands_later_in_the_file(conn: Connection[Any]) -> None:
    bulk = meter("bulk", register(), role="supply")
    apply_park(conn, park_file(tenant("a", meter("m", register(), parent="z/bulk")), tenant("z", bulk)))

    meters = {point.key: point for point in load_registry(conn, "p").meters}
    assert meters["m"].parent_id == meters["bulk"].id

    changes = applied(conn, park_file(tenant("a", meter("m", register())), tenant("z", bulk)))
    assert changes == ['meter p/a/m: parent changed from "z/bulk" to none']
    assert load_registry(conn, "p").meters[0].parent_id is None


def test_another_time_zone_makes_all_numbers_anew(conn: Connection[Any], kawasan_url: str) -> None:
    apply_park(conn, plant(valid_from="2026-02-27T00:00:00Z"))
    conn.execute(
        "INSERT INTO amount (channel_id, level, start, measured_s, estimated, inner_gap_s, gap_s, slots, flags, revision, computed_at)"
        " VALUES (1, 0, now(), 0, 0, 0, 0, 0, 0, 0, now())"
    )
    conn.commit()
    file = plant(valid_from="2026-02-27T00:00:00Z")
    moved = file.model_copy(update={"park": file.park.model_copy(update={"timezone": "Asia/Makassar"})})

    changes = applied(conn, moved)

    assert changes == ['park p: timezone changed from "Asia/Jakarta" to "Asia/Makassar"']
    assert conn.execute("SELECT count(*) FROM amount").fetchone() == (0,)
    assert queue(kawasan_url) == [(1, parse_instant("2026-02-27T00:00:00Z"), NOON_US)]


def test_a_park_that_is_not_there_is_named(conn: Connection[Any]) -> None:
    with pytest.raises(RegistryError, match="no park 'nowhere'"):
        load_registry(conn, "nowhere")


def test_a_file_that_was_not_checked_changes_nothing(conn: Connection[Any]) -> None:
    with pytest.raises(RegistryError, match="parent 'x/y' is no meter"):
        apply_park(conn, plant(parent="x/y"))

    assert load_registries(conn) == ()


def test_all_parks_are_loaded_by_key(conn: Connection[Any]) -> None:
    for key in ("z", "b"):
        apply_park(conn, park_file(tenant("a", meter("m", register())), key=key))

    registries = load_registries(conn)

    assert [registry.park.key for registry in registries] == ["b", "z"]
    assert [line.key for registry in registries for line in registry.channels] == [
        "b/a/m/energy_import",
        "z/a/m/energy_import",
    ]
