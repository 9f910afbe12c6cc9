"""Entered values from tables: lines of a file become entries, or a reason each."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TextIO

from domain.context import PARK_WIDE
from domain.contextentries import FIELDS, ContextEntry, ContextMistake, context_entry
from domain.errors import InputError
from domain.registry import OPERATOR, Registry

__all__ = ["WITHDRAW", "ContextLine", "context_lines", "tenant_id_of"]

WITHDRAW = "withdraw"
"""Written in place of a value: what was entered for that time is withdrawn."""

_NEEDED = ("tenant", "series", "start", "value")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextLine:
    """A line of a table: an entry, or what is wrong with it."""

    number: int
    """In the file, from 1; the heading is line 1."""
    tenant_id: int
    entry: ContextEntry | None
    mistake: str


def tenant_id_of(registry: Registry, tenant: str) -> int:
    """
    Whom an entered value is of; `_park` is the park as a whole.

    Raises
    ------
    InputError
        There is no such tenant.
    """
    if tenant == OPERATOR:
        return PARK_WIDE
    found = next((one.id for one in registry.tenants if one.key == tenant), None)
    if found is None:
        raise InputError(
            f"park {registry.park.key} has no tenant {tenant[:60]!r}; {OPERATOR} stands for the whole park"
        )
    return found


def context_lines(file: TextIO, registry: Registry) -> Iterator[ContextLine]:
    """
    The lines of a table with columns tenant, series, start, stop, value and note.

    Raises
    ------
    InputError
        The table lacks a column, or has one that is not known.
    """
    try:
        reader = csv.DictReader(file, strict=True)
        columns = [name.strip() for name in reader.fieldnames or ()]
        _check_columns(columns)
        reader.fieldnames = columns
        for row in reader:
            if any(cell for cell in row.values()):
                yield _line(reader.line_num, row, registry)
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"the table cannot be read: {error}; it must be comma-separated UTF-8") from error


def _check_columns(columns: Iterable[str]) -> None:
    found = list(columns)
    missing = [name for name in _NEEDED if name not in found]
    unknown = [name for name in found if name not in FIELDS]
    if missing or unknown:
        wrong = f"lacks {', '.join(missing)}" if missing else f"has the unknown column {unknown[0][:60]!r}"
        raise InputError(f"the table {wrong}; its columns are {','.join(FIELDS)} (stop and note may be left out)")


def _line(number: int, row: Mapping[str | None, str | list[str] | None], registry: Registry) -> ContextLine:
    wrong: list[str] = []
    if None in row:
        wrong.append("there are more cells than columns")
    cells = {name: cell.strip() for name, cell in row.items() if name is not None and isinstance(cell, str)}
    tenant_id = PARK_WIDE
    try:
        tenant_id = tenant_id_of(registry, cells.pop("tenant", ""))
    except InputError as error:
        wrong.append(str(error))
    entry = None
    try:
        withdraws = cells.get("value") == WITHDRAW
        entry = context_entry(
            {**cells, "value": _number(cells.get("value", ""))}, registry.park.zone, may_withdraw=withdraws
        )
    except ContextMistake as mistake:
        wrong.append(str(mistake))
    return ContextLine(number=number, tenant_id=tenant_id, entry=None if wrong else entry, mistake="; ".join(wrong))


def _number(text: str) -> object:
    """The number that a cell holds; else its text, for the sentence about it."""
    if text in {"", WITHDRAW}:
        return None
    try:
        # Python reads 1_000 and  １２; a table is written by people, who may mean something else.
        return float(text) if text.isascii() and "_" not in text else text
    except ValueError:
        return text
