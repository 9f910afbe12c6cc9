"""`kawasan check`: one line each whether what a park needs is right, and what to do if not."""

import secrets
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import paho.mqtt.client as mqtt
import typer
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from domain.broker import BrokerAddress
from domain.errors import NotAllowed, ParkError, Unavailable
from service.cli.parks import checked_park
from service.isolation import Look, look_at_isolation
from service.settings import Settings, load_settings, masked
from store import Role, connect, load_registries, pending

__all__ = ["check"]

_BROKER_S = 5.0


def check(
    park: Annotated[
        Path | None, typer.Option(help="A park file to check too.", exists=True, dir_okay=False, readable=True)
    ] = None,
    isolation: Annotated[
        bool,
        typer.Option("--isolation", help="Look through the API's views as each kind of user too; changes nothing."),
    ] = False,
) -> None:
    """Say in one line each whether settings, database, migrations, broker and registry are right, and what to do if not."""
    settings: list[Settings] = []

    def read_settings() -> str:
        settings.append(load_settings())
        return "right"

    results = [_line("settings", read_settings)]
    if settings:
        found = settings[0]
        results.append(_line("database", lambda: _database(found)))
        results.append(_line("migrations", lambda: _migrations(found)))
        results.append(_line("broker", lambda: _broker(found)))
        results.append(_line("registry", lambda: _registry(found)))
        if isolation:
            results += _isolation(found)
    if park is not None:
        results.append(_line("park file", lambda: f"{checked_park(park).park.key} is right"))
    if not all(results):
        raise typer.Exit(1)


def _line(what: str, look: Callable[[], str]) -> bool:
    try:
        said, right = look(), True
    except ParkError as error:
        said, right = str(error), False
    print(f"{'ok ' if right else 'NO '} {what}: {said}", flush=True)
    return right


def _isolation(settings: Settings) -> list[bool]:
    looks: list[Look] = []

    def look() -> str:
        looks.extend(look_at_isolation(settings.need_database()))
        return "looked through the views as each kind of user"

    return [_line("isolation", look), *(_line(f"isolation, {one.what}", partial(_found, one)) for one in looks)]


def _found(look: Look) -> str:
    if look.faults:
        raise NotAllowed("; ".join(look.faults))
    return look.said


def _database(settings: Settings) -> str:
    url = settings.need_database()
    with connect(url, None, application="kawasan-check") as conn:
        major, minor = divmod(conn.info.server_version, 10_000)
    return f"PostgreSQL {major}.{minor} at {masked(url)}"


def _migrations(settings: Settings) -> str:
    missing = pending(settings.need_database())
    if missing:
        raise Unavailable(f"{len(missing)} files of the schema are missing or differ; run `kawasan migrate`")
    return "the schema is at this version"


def _broker(settings: Settings) -> str:
    url = settings.need_broker()
    address = BrokerAddress.parse(url)
    answered = threading.Event()
    codes: list[Any] = []

    def on_connect(client: mqtt.Client, _data: Any, _flags: Any, code: Any, _properties: Any) -> None:
        codes.append(code)
        answered.set()
        client.disconnect()

    modern = settings.mqtt_version == "5"
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        # Not the ingest's own name: a broker ends the older of two sessions of one name.
        client_id=f"kawasan-check-{secrets.token_hex(4)}",
        protocol=MQTTProtocolVersion.MQTTv5 if modern else MQTTProtocolVersion.MQTTv311,
        reconnect_on_failure=False,
    )
    client.on_connect = on_connect
    client.connect_timeout = _BROKER_S
    if address.user is not None:
        client.username_pw_set(address.user, address.password)
    if address.tls:
        client.tls_set()
    try:
        client.connect(address.host, address.port)
    except OSError as error:
        raise Unavailable(
            f"{masked(url)} cannot be reached ({error.strerror or error}); start it, or mend KAWASAN_MQTT_URL"
        ) from error
    client.loop_start()
    answered.wait(_BROKER_S)
    client.loop_stop()
    if not codes:
        raise Unavailable(
            f"{masked(url)} does not answer as an MQTT {settings.mqtt_version} broker; try KAWASAN_MQTT_VERSION=3.1.1"
        )
    if codes[0].is_failure:
        raise Unavailable(f"{masked(url)} refuses us: {codes[0]}; mend user and password in KAWASAN_MQTT_URL")
    return f"MQTT {settings.mqtt_version} at {masked(url)}"


def _registry(settings: Settings) -> str:
    with connect(settings.need_database(), Role.WRITE, application="kawasan-check") as conn:
        registries = load_registries(conn)
    if not registries:
        raise Unavailable("no park is applied yet; run `kawasan park apply FILE`")
    unknown = set(settings.parks) - {registry.park.key for registry in registries}
    if unknown:
        raise Unavailable(f"KAWASAN_PARKS names {', '.join(sorted(unknown))}, which no park file has brought in")
    return "; ".join(
        f"park {one.park.key} with {len(one.tenants)} tenants, {len(one.meters)} meters, {len(one.channels)} channels"
        for one in registries
    )
