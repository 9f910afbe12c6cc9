"""Bring the registry of a park to its park file, and say in words what changed."""

from dataclasses import dataclass
from typing import Any

from psycopg import Connection

from domain.parkfile import ParkFile

__all__ = ["Change", "apply_park"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that applying a park file changed."""

    subject: str
    """`park x`, `tenant x/y`, `meter x/y/z`, `channel x/y/z/quantity` or `rule x/key`."""
    what: str
    """For people: `name changed from "A" to "B"`, `added`, `closed` ..."""

    def __str__(self) -> str:
        return f"{self.subject}: {self.what}"


def apply_park(conn: Connection[Any], park_file: ParkFile, *, now_us: int | None = None) -> tuple[Change, ...]:
    """
    Make a park's registry what its (checked) park file says; commits. Role MIGRATE.

    Idempotent: applied twice, the second time changes nothing. Nothing is deleted: what the file no
    longer names is closed at `now_us`. Dated facts are superseded, never updated. Whatever changes
    numbers puts the spans it changes into the queue, in the same transaction; if anything changed, the
    park's version is raised and `kawasan_registry` notified.

    Parameters
    ----------
    now_us : int or None
        When it happens; None: the database's clock. [us UTC]

    Raises
    ------
    RegistryError
        The file contradicts what is stored in a way that cannot be applied (a channel of another quantity's unit ...).
    """
    raise NotImplementedError
