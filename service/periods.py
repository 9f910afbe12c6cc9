"""Periods that can be closed: months, by name."""

import re

from pydantic.config import JsonDict

from domain.errors import InputError
from domain.registry import Park
from domain.time import Level, level_edges, parse_instant

__all__ = ["MONTH", "month_of"]

_PATTERN = "(19[789][0-9]|20[0-9][0-9]|21[0-9][0-9])-(0[1-9]|1[0-2])"
_MONTH = re.compile(_PATTERN)

MONTH: JsonDict = {"pattern": f"^{_PATTERN}$"}
"""What the description of the API says of a text that :func:`month_of` reads."""


def month_of(park: Park, text: str) -> tuple[int, int]:
    """
    A park-local month, written 2026-10, as `[start, stop)`. [us UTC]

    Raises
    ------
    InputError
        It is not written so, or not between 1970 and 2199, beyond which calendars and zones end.
    """
    if _MONTH.fullmatch(text) is None:
        raise InputError(f"month {text[:40]!r} is not one from 1970 to 2199, written as 2026-10")
    middle = parse_instant(f"{text}-15T12:00:00Z")
    edges = level_edges(park.zone, park.base_s, Level.MONTH, middle, middle + 1)
    return int(edges[0]), int(edges[1])
