"""The example park is right, and of the size and mix it claims."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from domain.parkfile import ChannelEntry, MeterEntry, ParkFile, json_schema, mistakes, networks, parse
from domain.registry import OPERATOR, MeterRole
from tests.support.example_park import EXAMPLE, example_park
from tests.support.park_texts import RIGHT

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "park-file.md"
SCHEMA = Path(__file__).resolve().parents[3] / "docs" / "schemas" / "park.json"


@pytest.fixture(scope="module")
def park() -> ParkFile:
    return example_park()


def meters(park: ParkFile) -> list[MeterEntry]:
    return [meter for tenant in park.tenants for meter in tenant.meters]


def channels(park: ParkFile) -> list[ChannelEntry]:
    return [channel for meter in meters(park) for channel in meter.channels]


def plain(text: str) -> Any:
    """As an editor sees it: times are text in JSON."""
    return json.loads(json.dumps(yaml.safe_load(text), default=lambda moment: moment.isoformat()))


def test_the_example_park_has_no_mistakes(park: ParkFile) -> None:
    assert mistakes(park) == ()


def test_the_example_park_has_about_40_tenants_and_400_channels(park: ParkFile) -> None:
    assert 35 <= len(park.tenants) <= 45
    assert 350 <= len(channels(park)) <= 450


def test_the_example_park_mixes_sectors(park: ParkFile) -> None:
    sectors = Counter(tenant.sector for tenant in park.tenants if tenant.key != OPERATOR)

    assert len(sectors) >= 8
    assert None not in sectors


def test_the_example_park_measures_every_stage_from_bulk_supply_to_the_river(park: ParkFile) -> None:
    quantities = {channel.quantity for channel in channels(park)}

    assert {meter.role for meter in meters(park)} >= set(MeterRole) - {MeterRole.EXPORT}
    assert {
        "energy_import",
        "energy_reactive_lagging",
        "energy_generation",
        "water_in",
        "effluent_volume",
    } <= quantities
    assert {"effluent_flow", "ph", "cod", "tss", "nh3n"} <= quantities
    assert {"gas", "diesel", "steam", "water_ground", "water_rain", "water_reclaimed", "water_reuse"} <= quantities


def test_every_use_of_electricity_and_water_in_the_example_park_lies_below_a_bulk_meter(park: ParkFile) -> None:
    by_place = {f"{tenant.key}/{meter.key}": meter for tenant in park.tenants for meter in tenant.meters}

    for meter in meters(park):
        own_source = {channel.quantity for channel in meter.channels} & {
            "water_ground",
            "water_rain",
            "water_reclaimed",
        }
        if meter.role is MeterRole.USE and networks(meter) & {"electricity", "water"} and not own_source:
            top = meter
            while top.parent is not None:
                top = by_place[top.parent]
            assert top.role is MeterRole.SUPPLY, meter.key


def test_no_limit_of_the_example_park_is_shipped_as_confirmed(park: ParkFile) -> None:
    assert {rule.quantity for rule in park.rules} == {"ph", "cod", "tss", "nh3n"}
    assert not any(rule.confirmed for rule in park.rules)
    assert all("to be confirmed" in rule.legal_basis for rule in park.rules)


def test_the_published_schema_equals_the_code() -> None:
    expected = json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"

    assert SCHEMA.read_text(encoding="utf-8") == expected


@pytest.mark.parametrize("text", [RIGHT, EXAMPLE.read_text(encoding="utf-8")], ids=["small", "example"])
def test_a_right_park_file_meets_the_schema(text: str) -> None:
    jsonschema.validate(plain(text), json_schema())


def test_the_schema_refuses_a_field_that_the_code_does_not_know() -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain(RIGHT.replace("timezone:", "time_zone:")), json_schema())


def test_the_park_in_the_documentation_is_right() -> None:
    written = DOCUMENT.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]

    assert mistakes(parse(written, "yaml")) == ()
