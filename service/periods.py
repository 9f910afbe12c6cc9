"""Periods that can be closed: months, by name."""

import re

from domain.errors import InputError
from domain.registry import Park
from domain.time import Level, level_edges, parse_instant

__all__ = ["month_of"]

_MONTH = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


def month_of(park: Park, text: str) -> tuple[int, int]:
    """
    A park-local month, written 2026-10, as `[start, stop)`. [us UTC]

    Raises
    ------
    InputError
        It is not written so.
    """
    if _MONTH.fullmatch(text) is None:
        raise InputError(f"month {text[:40]!r} is not written as 2026-10")
    middle = parse_instant(f"{text}-15T12:00:00Z")
    edges = level_edges(park.zone, park.base_s, Level.MONTH, middle, middle + 1)
    return int(edges[0]), int(edges[1])
