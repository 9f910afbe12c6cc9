"""
Requests that may be sent again without being done again: a key of the client's is claimed, used, and keeps the answer.

::

    claim_key ──claimed──> changing(...) marks it done ──> keep_answer
        │                        │
        │                        └─ it changed nothing: free_claim
        └─ busy, other, lost, changed: told; kept: the answer

The mark is set by the very transaction that makes the change, so that there is no moment at which one of the two is there without the other,
whatever crashes. Connections of role API.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from domain.errors import Overtaken
from store.queries import writing
from store.statements import query

__all__ = ["CLAIM_S", "KEPT_S", "Claimed", "claim_key", "free_claim", "keep_answer", "use_claim_of_key"]

CLAIM_S = 120.0
"""After this long a request that neither did its work nor failed has died, and the next may take over. [s]"""
KEPT_S = 86_400.0
"""How long a key is remembered. [s]"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What became of taking a key."""

    outcome: Literal["claimed", "busy", "other", "lost", "changed", "kept"]
    """
    `claimed`: go on. `busy`: another request with it is at work. `other`: it was of a request that was not the same. `lost`: it was done,
    and its answer is not kept. `changed`: it was done, and the user's grants are not those that its answer was made by. `kept`: the
    answer is here.
    """
    claim: UUID | None
    """Where it was claimed."""
    status: int | None
    headers: dict[str, str] | None
    body: bytes | None


async def claim_key(conn: AsyncConnection[Any], user: str, key: str, operation: str, fingerprint: bytes) -> Claimed:
    """
    Take a key for a request; where it is claimed, the next change over this connection uses it. Commits.

    Keys that are over are forgotten with it.

    Parameters
    ----------
    operation : str
        Method and path.
    fingerprint : bytes
        SHA-256 of all that makes it the same request.
    """
    asked = {"key": key, "operation": operation, "print": fingerprint, "claim_s": CLAIM_S, "kept_s": KEPT_S}
    async with writing(conn, user), conn.cursor(row_factory=class_row(Claimed)) as cursor:
        await cursor.execute(query("claim_key"), asked)
        claimed = await cursor.fetchone()
        if claimed is None:
            raise Overtaken(f"Idempotency-Key {key!r} could not be taken; send the request again")
        await conn.execute(query("hold_claim"), {"claim": "" if claimed.claim is None else str(claimed.claim)})
    return claimed


async def use_claim_of_key(conn: AsyncConnection[Any], claim: UUID) -> None:
    """
    Mark what a claim is for as done, in the caller's transaction, which does it. Role AUTH; in role API every change does this itself.

    Raises
    ------
    Overtaken
        Another request took over; the transaction must not be committed.
    """
    used = await conn.execute(query("use_claim_of_key"), {"claim": claim})
    if used.rowcount != 1:
        raise Overtaken("this took so long that the same request was taken up again; nothing was changed by this one")


async def keep_answer(
    conn: AsyncConnection[Any], user: str, claim: UUID, *, status: int, headers: Mapping[str, str], body: bytes
) -> None:
    """Keep what was answered, to be said again; commits."""
    kept = {"claim": claim, "status": status, "headers": Jsonb(dict(headers)), "body": body}
    async with writing(conn, user):
        await conn.execute(query("keep_answer"), kept)


async def free_claim(conn: AsyncConnection[Any], user: str, claim: UUID) -> None:
    """Let the key be used again at once, where nothing was done with it; commits."""
    async with writing(conn, user):
        await conn.execute(query("free_claim"), {"claim": claim})
