"""The rows a park file asks for."""

from domain.parkfile import ParkFile
from domain.time import parse_instant, to_datetime
from store.dated import written
from store.texts import clean
from store.wanted import differences, wanted_rows
from tests.support.databases import channel, meter, park_file, tenant


def file_of(*channels: dict[str, object], **tenant_life: object) -> ParkFile:
    return park_file(tenant("a", meter("m", *channels, role="discharge"), **tenant_life))


def test_what_says_no_dates_has_those_of_what_it_belongs_to() -> None:
    wanted = wanted_rows(file_of(channel("ph"), valid_from="2026-02-01T00:00:00Z", valid_to="2026-03-01T00:00:00Z"))

    edges = (to_datetime(parse_instant("2026-02-01T00:00:00Z")), to_datetime(parse_instant("2026-03-01T00:00:00Z")))
    rows = [row.columns for part in (wanted.tenants, wanted.meters, wanted.channels) for row in part]
    assert [(row["valid_from"], row["valid_to"]) for row in rows] == [edges] * 3


def test_a_load_is_there_as_long_as_both_its_inputs_are() -> None:
    wanted = wanted_rows(
        file_of(
            channel("effluent_flow", valid_from="2026-02-01T00:00:00Z", valid_to="2026-06-01T00:00:00Z"),
            channel("cod", valid_from="2026-03-01T00:00:00Z"),
            channel("tss", valid_from="2026-07-01T00:00:00Z"),
        )
    )

    loads = {row.place: row.columns for row in wanted.channels if row.columns["kind"] == "product"}
    cod, tss = loads["a/m/load_cod"], loads["a/m/load_tss"]
    assert (cod["valid_from"].isoformat(), cod["valid_to"].isoformat()) == (
        "2026-03-01T00:00:00+00:00",
        "2026-06-01T00:00:00+00:00",
    )
    assert tss["valid_from"] == tss["valid_to"]


def test_loads_come_after_the_channels_they_are_made_of() -> None:
    wanted = wanted_rows(
        park_file(*(tenant(key, meter("m", channel("cod"), channel("effluent_flow"))) for key in "ab"))
    )

    kinds = [row.columns["kind"] for row in wanted.channels]
    assert kinds == ["gauge"] * 4 + ["product"] * 2


def test_a_meter_without_flow_makes_no_load() -> None:
    assert [row.place for row in wanted_rows(file_of(channel("cod"))).channels] == ["a/m/cod"]


def test_a_demand_block_that_is_not_said_is_the_parks_base_interval() -> None:
    (row,) = wanted_rows(park_file(tenant("a", meter("m", channel("power"))), base_minutes=30)).meters

    assert row.columns["demand_block_s"] == 1800


def test_only_what_differs_is_a_difference() -> None:
    assert differences({"a": 1, "b": None, "c": 2}, {"a": 1, "b": 3}) == {"b": 3}


def test_values_stand_in_sentences_without_losing_digits() -> None:
    values = (None, True, "x", 0.1, 40.0, 99_999_999.5, 123_456.789)

    assert [written(value) for value in values] == ["none", "yes", '"x"', "0.1", "40", "99999999.5", "123456.789"]


def test_text_without_nul_or_surrogates_stays_as_it_is() -> None:
    assert [clean(text) for text in ("m³ ü", "a\0b", "\ud800")] == ["m³ ü", "a\\x00b", "\\ud800"]
