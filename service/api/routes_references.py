"""Routes about references: the factors, tariffs, holidays, contracts, formulas and limits that numbers are made with."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from service.api.access import Asker
from service.api.problem import not_found, refused
from service.api.services import Database
from store.queries import read_registry
from store.referencerows import KINDS
from store.references import read_references

__all__ = ["router"]

router = APIRouter(tags=["inputs"])

ParkKey = Annotated[str, Query(description="Key of a park.", max_length=63)]
Kind = Annotated[
    str | None,
    Query(description="Only of this kind; without it, all.", max_length=20, json_schema_extra={"enum": [*KINDS]}),
]
History = Annotated[bool, Query(description="Also what newer versions took the place of.")]


class ReferenceAnswer(BaseModel):
    """A reference, from when to when it holds, and where it is from."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    id: int
    kind: str
    key: str
    valid_from: datetime
    valid_to: datetime | None
    body: dict[str, Any]
    """What is said: a factor's value, unit and region; a tariff's blocks and prices; ..."""
    source: str
    confirmed: bool
    """Whether somebody read it in the document that `source` names."""
    recorded_at: datetime
    recorded_by: str
    superseded_at: datetime | None
    """When a newer version took its place; null: it is in force."""


@router.get("/references")
async def list_references(
    conn: Database, user: Asker, park: ParkKey, *, kind: Kind = None, history: History = False
) -> list[ReferenceAnswer]:
    """The references of a park. Contracts are seen by the tenant and the operator only."""
    registry = await read_registry(conn, user.name, park)
    if registry is None:
        raise not_found(f"park {park}")
    if kind is not None and kind not in KINDS:
        raise refused(f"kind {kind!r} is not one; kinds are {', '.join(KINDS)}")
    zone = registry.park.zone
    return [
        ReferenceAnswer(
            id=row.id,
            kind=row.kind,
            key=row.key,
            valid_from=row.valid_from.astimezone(zone),
            valid_to=None if row.valid_to is None else row.valid_to.astimezone(zone),
            body=row.body,
            source=row.source,
            confirmed=row.confirmed,
            recorded_at=row.recorded_at,
            recorded_by=row.recorded_by,
            superseded_at=row.superseded_at,
        )
        for row in await read_references(conn, user.name, park, kind=kind, history=history)
    ]
