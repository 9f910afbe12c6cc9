"""The registry in the database: what a park is made of, read as frozen values."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from domain.alarms import Authority
from domain.errors import RegistryError, Unavailable
from domain.registry import (
    Channel,
    ComplianceRule,
    Exchange,
    Kind,
    Meter,
    MeterRole,
    Multiplier,
    Outage,
    Park,
    Registry,
    RuleStatistic,
    RuleWindow,
    Stamp,
    Statistic,
    Tenant,
    WireUnit,
)
from domain.time import from_datetime, to_datetime
from store.alarmrulerows import alarm_rule_of, contact_of_row
from store.apply import Change, apply_park
from store.connection import database_errors
from store.referencerows import references_of_rows
from store.statements import query

__all__ = [
    "REGISTRY_PARTS",
    "Change",
    "apply_park",
    "facts_of",
    "load_parks",
    "load_registries",
    "load_registry",
    "registries_of",
]

REGISTRY_PARTS = (
    "registry_tenants",
    "registry_meters",
    "registry_channels",
    "registry_multipliers",
    "registry_exchanges",
    "registry_units",
    "registry_outages",
    "registry_rules",
    "registry_references",
    "registry_alarm_rules",
    "registry_contacts",
)
"""The queries whose rows make a registry, beside its parks."""

_ATTEMPTS = 10

Fact = TypeVar("Fact")


def load_registry(conn: Connection[Any], park_key: str, *, as_of_us: int | None = None) -> Registry:
    """
    One park as the database knows it now. Role WRITE or MIGRATE.

    Parameters
    ----------
    as_of_us : int or None [us UTC]
        Its dated facts as they were known at that moment; None: now. The park, its tenants, meters and
        channels themselves are always those of now.

    Raises
    ------
    RegistryError
        There is no such park.
    Unavailable
        The database is away.
    """
    found = _load(conn, park_key, as_of_us)
    if not found:
        raise RegistryError(f"no park {park_key!r} in the database; `kawasan park apply FILE` brings one in")
    return found[0]


def load_parks(conn: Connection[Any], park_key: str | None = None) -> tuple[Park, ...]:
    """
    The parks alone, by key; their versions tell whether a registry that was loaded before still holds. Role WRITE or MIGRATE.

    Raises
    ------
    Unavailable
        The database is away.
    """
    with database_errors("reading the parks"):
        return tuple(_park(row) for row in _select(conn, "registry_parks", {"park": park_key}))


def load_registries(conn: Connection[Any]) -> tuple[Registry, ...]:
    """
    All parks, by key. Role WRITE or MIGRATE.

    Raises
    ------
    Unavailable
        The database is away.
    """
    return _load(conn, None, None)


def _load(conn: Connection[Any], park_key: str | None, as_of_us: int | None) -> tuple[Registry, ...]:
    with database_errors("reading the registry"):
        parks = _select(conn, "registry_parks", {"park": park_key})
        for _ in range(_ATTEMPTS):
            ids = facts_of(parks, as_of_us)
            parts = [_select(conn, name, ids) for name in REGISTRY_PARTS]
            before, parks = parks, _select(conn, "registry_parks", {"park": park_key})
            # A park file applied in between would mix two versions.
            if [(park["id"], park["version"]) for park in parks] == [(park["id"], park["version"]) for park in before]:
                return registries_of(parks, parts)
    raise Unavailable("reading the registry: it kept changing")


def facts_of(parks: Sequence[DictRow], as_of_us: int | None) -> dict[str, Any]:
    """Parameters of :data:`REGISTRY_PARTS`: of which parks, and as known when."""
    as_of = None if as_of_us is None else to_datetime(as_of_us)
    return {"park_id": [park["id"] for park in parks], "as_of": as_of}


def _select(conn: Connection[Any], name: str, parameters: Mapping[str, Any]) -> list[DictRow]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query(name), parameters).fetchall()


def registries_of(parks: Sequence[DictRow], parts: Sequence[Sequence[DictRow]]) -> tuple[Registry, ...]:
    """Put registries together from the rows of `registry_parks` and of :data:`REGISTRY_PARTS`, in their order."""
    tenants, meters, channels, multipliers, exchanges, units, outages, rules, references, alarm_rules, contacts = parts
    factors = _by_owner((row["channel_id"], _multiplier(row)) for row in multipliers)
    changes = _by_owner((row["channel_id"], _exchange(row)) for row in exchanges)
    spoken = _by_owner((row["channel_id"], _wire_unit(row)) for row in units)
    idle = _by_owner((row["meter_id"], _outage(row)) for row in outages)
    keys = {park["id"]: park["key"] for park in parks}
    places = {row["id"]: f"{keys[row['park_id']]}/{row['key']}" for row in tenants}
    points = {row["id"]: f"{places[row['tenant_id']]}/{row['key']}" for row in meters}
    return tuple(
        Registry(
            park=_park(park),
            tenants=tuple(_tenant(row) for row in tenants if row["park_id"] == park["id"]),
            meters=tuple(_meter(row, idle.get(row["id"], ())) for row in meters if row["park_id"] == park["id"]),
            channels=tuple(
                _channel(
                    row,
                    points[row["meter_id"]],
                    multipliers=factors.get(row["id"], ()),
                    exchanges=changes.get(row["id"], ()),
                    wire_units=spoken.get(row["id"], ()),
                )
                for row in channels
                if row["park_id"] == park["id"]
            ),
            rules=tuple(_rule(row) for row in rules if row["park_id"] == park["id"]),
            references=references_of_rows([row for row in references if row["park_id"] == park["id"]]),
            alarm_rules=tuple(alarm_rule_of(row) for row in alarm_rules if row["park_id"] == park["id"]),
            contacts=tuple(contact_of_row(row) for row in contacts if row["park_id"] == park["id"]),
        )
        for park in parks
    )


def _by_owner(facts: Iterable[tuple[int, Fact]]) -> dict[int, tuple[Fact, ...]]:
    found: dict[int, list[Fact]] = {}
    for owner, fact in facts:
        found.setdefault(owner, []).append(fact)
    return {owner: tuple(facts) for owner, facts in found.items()}


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else from_datetime(moment)


def _life(row: DictRow) -> dict[str, Any]:
    return {"valid_from_us": from_datetime(row["valid_from"]), "valid_to_us": _us(row["valid_to"])}


def _rest(row: DictRow, *names: str) -> dict[str, Any]:
    return {name: row[name] for name in names}


def _park(row: DictRow) -> Park:
    return Park(
        zone=ZoneInfo(row["timezone"]),
        ticked_to_us=_us(row["ticked_to"]),
        **_rest(row, "id", "key", "name", "base_s", "lateness_s", "version"),
    )


def _tenant(row: DictRow) -> Tenant:
    return Tenant(**_rest(row, "id", "key", "name", "sector"), **_life(row))


def _meter(row: DictRow, outages: tuple[Outage, ...]) -> Meter:
    rest = _rest(row, "id", "tenant_id", "key", "name", "parent_id", "demand_block_s", "error_share")
    return Meter(role=MeterRole(row["role"]), outages=outages, **rest, **_life(row))


def _channel(row: DictRow, meter: str, **facts: Any) -> Channel:
    inputs = (row["input_concentration"], row["input_flow"])
    return Channel(
        key=f"{meter}/{row['quantity']}",
        kind=Kind(row["kind"]),
        stamp=Stamp(row["stamp"]),
        statistic=Statistic(row["statistic"]),
        **facts,
        inputs=None if None in inputs else inputs,
        **_rest(
            row, "id", "meter_id", "quantity", "unit", "interval_s", "resolution", "modulus", "max_rate", "wire_unit"
        ),
        **_life(row),
    )


def _multiplier(row: DictRow) -> Multiplier:
    return Multiplier(from_us=from_datetime(row["valid_from"]), factor=row["factor"])


def _exchange(row: DictRow) -> Exchange:
    rest = _rest(row, "closing", "opening", "modulus", "resolution", "max_rate")
    return Exchange(at_us=from_datetime(row["at"]), **rest)


def _wire_unit(row: DictRow) -> WireUnit:
    return WireUnit(from_us=from_datetime(row["valid_from"]), unit=row["unit"])


def _outage(row: DictRow) -> Outage:
    return Outage(from_us=from_datetime(row["valid_from"]), to_us=_us(row["valid_to"]), reason=row["reason"])


def _rule(row: DictRow) -> ComplianceRule:
    return ComplianceRule(
        statistic=RuleStatistic(row["statistic"]),
        window=RuleWindow(row["time_window"]),
        authority=Authority(row["authority"]),
        **_rest(row, "id", "key", "channel_id", "least_valid", "lowest", "highest", "legal_basis", "confirmed"),
        **_life(row),
    )
