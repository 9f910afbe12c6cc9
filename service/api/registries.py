"""What there is, as each user sees it, kept while nothing of it changes: a request for one number need not read it all anew."""

from typing import Any

from psycopg import AsyncConnection

from domain.registry import Registry
from service.api.freshness import IDENTITY, INPUTS, Freshness
from service.api.kept import Kept
from store.queries import read_registries, read_registry
from store.users import User

__all__ = ["Registries"]

_CHANGED_BY = (INPUTS, IDENTITY)
_MOST = 1_000
_MOST_BYTES = 128 * 2**20
_EACH_BYTES = 2_000
"""About what a channel, a meter or another row takes. [bytes]"""


class Registries:
    """The registries of users, as the database shows them to each."""

    def __init__(self, freshness: Freshness) -> None:
        """Kept while `freshness` hears of no change."""
        self._freshness = freshness
        self._kept: Kept[tuple[User, str | None], tuple[Registry, ...]] = Kept(
            freshness, most=_MOST, most_bytes=_MOST_BYTES
        )

    async def all(self, conn: AsyncConnection[Any], user: User) -> tuple[Registry, ...]:
        """As :func:`store.queries.read_registries`."""
        found = self._kept.get((user, None))
        if found is None:
            stamp = self._freshness.stamp(_CHANGED_BY)
            found = await read_registries(conn, user.name)
            self._kept.put((user, None), found, stamp, _CHANGED_BY, size=sum(map(_size, found)))
        return found

    def known(self, user: User, park: str) -> Registry | None:
        """As :meth:`one`, without a look at the database; None also where it has to be asked."""
        found = self._kept.get((user, park))
        return found[0] if found else None

    async def one(self, conn: AsyncConnection[Any], user: User, park: str) -> Registry | None:
        """As :func:`store.queries.read_registry`."""
        known = self.known(user, park)
        if known is not None:
            return known
        stamp = self._freshness.stamp(_CHANGED_BY)
        found = await read_registry(conn, user.name, park)
        if found is not None:
            self._kept.put((user, park), (found,), stamp, _CHANGED_BY, size=_size(found))
        return found


def _size(registry: Registry) -> int:
    rows = (registry.tenants, registry.meters, registry.channels, registry.rules, registry.alarm_rules)
    return _EACH_BYTES * (1 + sum(map(len, rows)))
