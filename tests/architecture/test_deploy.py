"""The shipped deployment files: they name commands and settings that exist, and run nothing as root."""

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from service.cli import app
from service.settings import Settings

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
OURS = ("migrate", "ingest", "engine", "notify", "serve")


def settings() -> set[str]:
    names = {f"KAWASAN_{name.upper()}" for name in Settings.model_fields}
    return names | {
        f"KAWASAN_{name}_FILE"
        for name in ("DATABASE_URL", "SERVER_DATABASE_URL", "MQTT_URL", "SMTP_URL", "WEBHOOK_SECRET")
    }


def commands() -> set[str]:
    group = typer.main.get_command(app)
    names: dict[str, object] = getattr(group, "commands")  # noqa: B009 - click types it on Group only
    return set(names)


@pytest.fixture(scope="module")
def services() -> dict[str, dict[str, Any]]:
    composed = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    found: dict[str, dict[str, Any]] = composed["services"]
    return found


def unit(path: Path) -> configparser.ConfigParser:
    # Some keys of a unit may come more than once.
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(path.read_text(encoding="utf-8"))
    return parser


@pytest.mark.parametrize("name", OURS)
def test_a_container_runs_a_command_that_exists(services: dict[str, dict[str, Any]], name: str) -> None:
    assert services[name]["command"] == [name]
    assert name in commands()


@pytest.mark.parametrize("name", OURS)
def test_a_container_is_given_settings_that_exist(services: dict[str, dict[str, Any]], name: str) -> None:
    assert set(services[name]["environment"]) - settings() == set()


@pytest.mark.parametrize("name", [*OURS, "broker"])
def test_a_container_of_ours_is_not_root_and_cannot_write(services: dict[str, dict[str, Any]], name: str) -> None:
    service = services[name]

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]


def test_every_container_that_stays_says_whether_it_is_well(services: dict[str, dict[str, Any]]) -> None:
    assert [name for name, service in services.items() if "healthcheck" not in service] == ["migrate"]


def test_only_brokers_take_connections_from_elsewhere(services: dict[str, dict[str, Any]]) -> None:
    open_to_all = [
        name
        for name, service in services.items()
        for port in service.get("ports", [])
        if not str(port).startswith("127.0.0.1:")
    ]

    assert open_to_all == ["broker"]


def test_the_files_a_container_mounts_are_there(services: dict[str, dict[str, Any]]) -> None:
    mounted = [volume.split(":")[0] for one in services.values() for volume in one.get("volumes", [])]

    assert [path for path in mounted if path.startswith(".") and not (DEPLOY / path).is_file()] == []


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_runs_a_command_that_exists(path: Path) -> None:
    command = unit(path)["Service"]["ExecStart"].split()

    assert command[0].endswith("/kawasan")
    assert command[1] in commands()
    assert path.stem == f"kawasan-{command[1]}"


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.stem)
def test_a_unit_has_no_rights_it_does_not_need(path: Path) -> None:
    service = unit(path)["Service"]

    assert service["DynamicUser"] == "yes"
    assert service["NoNewPrivileges"] == "yes"
    assert service["ProtectSystem"] == "strict"
    assert service["CapabilityBoundingSet"] == ""


@pytest.mark.parametrize("path", [*UNITS, DEPLOY / "systemd" / "kawasan.env"], ids=lambda path: path.name)
def test_a_unit_names_settings_that_exist(path: Path) -> None:
    named = set(re.findall(r"KAWASAN_[A-Z_]+(?==)", path.read_text(encoding="utf-8")))

    assert named - settings() == set()


def test_the_server_has_a_login_of_its_own(services: dict[str, dict[str, Any]]) -> None:
    urls = {name: services[name]["environment"]["KAWASAN_DATABASE_URL"] for name in OURS}
    made = services["migrate"]["environment"]["KAWASAN_SERVER_DATABASE_URL"]
    credentials = {path.stem: unit(path)["Service"]["LoadCredential"] for path in UNITS}

    assert [name for name, url in urls.items() if url == made] == ["serve"]
    assert "server-database-url" in credentials["kawasan-serve"]
    assert [name for name, found in credentials.items() if "/server-database-url" in found] == [
        "kawasan-migrate",
        "kawasan-serve",
    ]


def test_there_is_a_unit_for_every_process() -> None:
    assert {path.stem for path in UNITS} == {f"kawasan-{name}" for name in OURS}
