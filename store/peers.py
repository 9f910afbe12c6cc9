"""Where a tenant stands among its peers; nothing else of them leaves the database."""

from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import class_row

from domain.time import Level, to_datetime
from store.queries import asking
from store.statements import query

__all__ = ["PeerRank", "read_peer_rank"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRank:
    """A percentile, or why there is none."""

    percentile: float | None
    """Share of the peers that are below; of equals one half. [0..1]"""
    peers: int | None
    """How many there are; None where there is no percentile."""
    reason: str | None
    """`no_sector`, `not_closed`, `no_value`, `too_few_peers` or `dominant_peer`; None: there is a percentile."""


async def read_peer_rank(
    conn: AsyncConnection[Any], user: str, tenant_id: int, kpi: str, *, level: Level, start_us: int
) -> PeerRank | None:
    """
    Where a tenant stands in a closed period among those of its sector. Role API.

    Returns
    -------
    PeerRank or None
        None: the user may not see the tenant.
    """
    parameters = {"tenant_id": tenant_id, "kpi": kpi, "level": int(level), "start": to_datetime(start_us)}
    async with asking(conn, user), conn.cursor(row_factory=class_row(PeerRank)) as cursor:
        await cursor.execute(query("peer_rank"), parameters)
        return await cursor.fetchone()
