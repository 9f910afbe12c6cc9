"""References as rows of the table: what differs by kind stands in a JSON body."""

from collections.abc import Callable, Mapping
from datetime import date
from types import MappingProxyType
from typing import Any, TypeAlias

from psycopg.rows import DictRow

from domain.references import (
    Block,
    CheckLimits,
    Contract,
    Factor,
    Formula,
    Holidays,
    Origin,
    References,
    Tariff,
    TariffWindow,
)
from domain.time import from_datetime

__all__ = ["KINDS", "AnyReference", "body_of", "entries_of", "entry_of", "references_of_rows"]

AnyReference: TypeAlias = Factor | Tariff | Holidays | Contract | Formula | CheckLimits

KINDS: Mapping[str, str] = MappingProxyType(
    {
        "factor": "factors",
        "tariff": "tariffs",
        "holidays": "holidays",
        "contract": "contracts",
        "formula": "formulas",
        "check": "checks",
    }
)
"""Kinds of rows, with the field of :class:`domain.references.References` that holds them."""


def entries_of(references: References) -> dict[tuple[str, str, int], AnyReference]:
    """All references by kind, key and begin. [us UTC]"""
    return {
        (kind, entry.origin.key, entry.origin.valid_from_us): entry
        for kind, field in KINDS.items()
        for entry in getattr(references, field)
    }


def references_of_rows(rows: list[DictRow]) -> References:
    """References from rows of the table, in order of key and time."""
    ordered = sorted(rows, key=lambda row: (row["key"], row["valid_from"]))
    found: dict[str, Any] = {
        field: tuple(entry_of(row) for row in ordered if row["kind"] == kind) for kind, field in KINDS.items()
    }
    return References(**found)


def entry_of(row: DictRow) -> AnyReference:
    """The reference that a row holds."""
    return _READ[row["kind"]](_origin(row), row["body"])


def body_of(entry: AnyReference) -> dict[str, Any]:
    """What of a reference stands in the body of its row."""
    body = {name: getattr(entry, name) for name in entry.__dataclass_fields__ if name != "origin"}
    if isinstance(entry, Tariff):
        return {**body, "blocks": [_block_body(block) for block in entry.blocks]}
    if isinstance(entry, Holidays):
        return {"dates": sorted(day.isoformat() for day in entry.dates)}
    if isinstance(entry, CheckLimits):
        return {"limits": dict(entry.limits)}
    return body


def _block_body(block: Block) -> dict[str, Any]:
    windows = [
        {"days": sorted(window.days), "start_min": window.start_min, "stop_min": window.stop_min}
        for window in block.windows
    ]
    return {"key": block.key, "price": block.price, "windows": windows}


def _origin(row: DictRow) -> Origin:
    stop = row["valid_to"]
    return Origin(
        id=row["id"],
        key=row["key"],
        valid_from_us=from_datetime(row["valid_from"]),
        valid_to_us=None if stop is None else from_datetime(stop),
        source=row["source"],
        confirmed=row["confirmed"],
    )


def _factor(origin: Origin, body: dict[str, Any]) -> Factor:
    return Factor(origin=origin, value=float(body["value"]), unit=body["unit"], region=body["region"])


def _tariff(origin: Origin, body: dict[str, Any]) -> Tariff:
    return Tariff(
        origin=origin,
        currency=body["currency"],
        blocks=tuple(_block(block) for block in body["blocks"]),
        reactive_price=float(body["reactive_price"]),
        pf_min=float(body["pf_min"]),
        fixed_per_month=float(body["fixed_per_month"]),
        holidays=body["holidays"],
    )


def _block(body: dict[str, Any]) -> Block:
    return Block(
        key=body["key"],
        price=float(body["price"]),
        windows=tuple(
            TariffWindow(
                days=frozenset(window["days"]), start_min=int(window["start_min"]), stop_min=int(window["stop_min"])
            )
            for window in body["windows"]
        ),
    )


def _holidays(origin: Origin, body: dict[str, Any]) -> Holidays:
    return Holidays(origin=origin, dates=frozenset(date.fromisoformat(day) for day in body["dates"]))


def _contract(origin: Origin, body: dict[str, Any]) -> Contract:
    kva = body["contracted_kva"]
    return Contract(origin=origin, tariff=body["tariff"], contracted_kva=None if kva is None else float(kva))


def _formula(origin: Origin, body: dict[str, Any]) -> Formula:
    return Formula(
        origin=origin,
        title=body["title"],
        unit=body["unit"],
        expression=body["expression"],
        subjects=tuple(body["subjects"]),
        levels=tuple(body["levels"]),
        version=int(body["version"]),
    )


def _check(origin: Origin, body: dict[str, Any]) -> CheckLimits:
    return CheckLimits(
        origin=origin, limits=tuple(sorted((name, float(limit)) for name, limit in body["limits"].items()))
    )


_READ: Mapping[str, Callable[[Origin, dict[str, Any]], AnyReference]] = {
    "factor": _factor,
    "tariff": _tariff,
    "holidays": _holidays,
    "contract": _contract,
    "formula": _formula,
    "check": _check,
}
