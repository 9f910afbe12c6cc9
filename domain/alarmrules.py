"""Alarm rules as the registry has them: an entry with its version, and who recorded it when."""

from dataclasses import dataclass
from typing import Literal

from domain.alarmentries import AlarmEntry

__all__ = ["AlarmRule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRule:
    """One dated version of one alarm rule, from the park file or from the API. Versions of one key never overlap."""

    id: int
    key: str
    version: int
    """Counts the versions of a key from 1 on."""
    entry: AlarmEntry
    origin: Literal["file", "entry"]
    """Whether the park file says it, or somebody entered it beside the file."""
    valid_from_us: int
    """[us UTC]"""
    valid_to_us: int | None
    """None: open. [us UTC]"""
    recorded_at_us: int
    """[us UTC]"""
    recorded_by: str
