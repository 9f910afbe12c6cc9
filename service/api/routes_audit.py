"""The route about who did what."""

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Query

from domain.time import to_datetime
from service.api.access import Asker
from service.api.cursors import Pager, paged
from service.api.identitymodels import AuditAnswer, AuditPage
from service.api.problem import Problem
from service.api.ranges import DATE_TIME, instant
from service.api.services import Database
from store.audit import read_audit
from store.users import UserRole

__all__ = ["router"]

router = APIRouter(tags=["identity"])

_READERS = frozenset({UserRole.ADMIN, UserRole.AUDITOR})

Start = Annotated[
    str | None,
    Query(max_length=40, description="First instant, RFC 3339 with an offset.", json_schema_extra=DATE_TIME),
]
Stop = Annotated[
    str | None, Query(max_length=40, description="End of the range, not included.", json_schema_extra=DATE_TIME)
]
Who = Annotated[
    str | None, Query(max_length=200, pattern=r"^[^\x00]*$", description="Only what this user did, or tried to.")
]
Word = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$", description="Only acts of this name.")]


@router.get("/audit")
async def list_audit(
    conn: Database,
    user: Asker,
    *,
    start: Start = None,
    stop: Stop = None,
    who: Who = None,
    act: Word = None,
    outcome: Annotated[Literal["done", "refused"] | None, Query(description="Only what had this outcome.")] = None,
    pager: Annotated[Pager, paged(int)],
) -> AuditPage:
    """
    Who did what, when and from where, newest first: logins, and every change of users, keys, rules, corrections and inputs.

    For admins; for auditors, what is about their parks.
    """
    if user.role not in _READERS:
        raise Problem(HTTPStatus.FORBIDDEN, "the audit log is for admins and auditors")
    found = await read_audit(
        conn,
        user.name,
        start=None if start is None else to_datetime(instant("start", start)),
        stop=None if stop is None else to_datetime(instant("stop", stop)),
        who=who,
        act=act,
        outcome=outcome,
        before=pager.after[0] if pager.after else None,
        limit=pager.wanted,
    )
    page, following = pager.page(found, lambda one: (one.id,))
    return AuditPage(
        entries=[AuditAnswer.model_validate(one, from_attributes=True) for one in page],
        next=following,
    )
