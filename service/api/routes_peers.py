"""The route by which a tenant compares itself with others of its sector, of whom it learns nothing else."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict

from domain.frames import SubjectKind
from domain.time import Level
from kpi.catalogue import for_registry
from service.api.access import Asker
from service.api.problem import not_found, refused
from service.api.services import Database
from service.api.subjects import SUBJECT, find_subject, may_see_kpi, park_of
from service.periods import MONTH, month_of
from store.peers import read_peer_rank
from store.queries import read_registry

__all__ = ["router"]

router = APIRouter(tags=["numbers"])

KpiKey = Annotated[str, Path(description="Key in the catalogue.", max_length=200)]
SubjectQuery = Annotated[
    str, Query(description="A tenant, `tenant:PARK/TENANT`.", max_length=300, json_schema_extra=SUBJECT)
]
Month = Annotated[str, Query(description="Park-local month that was closed.", max_length=7, json_schema_extra=MONTH)]


class PeerAnswer(BaseModel):
    """Where a tenant stands, or why that is not told."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    kpi: str
    subject: str
    month: str
    percentile: float | None
    """Share of the peers whose value is lower; of equals one half. [0..1]"""
    peers: int | None
    """How many there are, without the tenant itself; null where there is no percentile."""
    reason: str | None
    """
    Why there is no percentile: `no_sector` (the tenant has none), `not_closed` (the month is not closed), `no_value` (the tenant has
    none of its own), `too_few_peers` (fewer than 5), `dominant_peer` (one has more than half of their sum). Null: there is one.
    """


@router.get("/peers/{key}")
async def compare_with_peers(
    conn: Database, user: Asker, key: KpiKey, *, subject: SubjectQuery, month: Month
) -> PeerAnswer:
    """
    Where a tenant stands among those of its sector in the park, in a month that was closed: a percentile, never their values.

    There is one only with at least 5 peers, none of whom has more than half of their sum. It is of the snapshot of the closed month:
    there are no ranges whose answers could be subtracted from each other, the same question always has the same answer, and who enters
    other values of its own (tonnes, to move an intensity) does not move its place, by which the values of others could be narrowed down.
    Tenants that you are granted too are not counted as peers: what you know of them would say more of the rest.
    """
    registry = await read_registry(conn, user.name, park_of(subject))
    if registry is None:
        raise not_found(f"subject {subject}")
    named = find_subject(registry, user, subject)
    kpi = next((one for one in for_registry(registry) if one.key == key and may_see_kpi(user, key, subject)), None)
    if kpi is None:
        raise not_found(f"KPI {key}")
    if named.subject.kind is not SubjectKind.TENANT:
        raise refused(f"subject {subject} is no tenant; only tenants are compared, as tenant:PARK/TENANT")
    if SubjectKind.TENANT not in kpi.subjects or Level.MONTH not in kpi.levels:
        raise refused(f"{key} is not made for tenants and months; `/kpis` lists what is")
    start_us, _ = month_of(registry.park, month)
    rank = await read_peer_rank(conn, user.name, named.subject.id, key, level=Level.MONTH, start_us=start_us)
    if rank is None:
        raise not_found(f"subject {subject}")
    return PeerAnswer(
        kpi=key, subject=subject, month=month, percentile=rank.percentile, peers=rank.peers, reason=rank.reason
    )
