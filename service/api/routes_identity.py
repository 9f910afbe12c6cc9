"""Routes about oneself: who one is, one's keys, and one's logins."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from service.api.access import Owner
from service.api.identitymodels import KeyAnswer, KeyRequest, MeAnswer, NewKeyAnswer, SessionAnswer
from service.api.problem import Problem, not_found
from service.api.repeats import REPEATABLE_ONCE_TOLD, RepeatableRoute, claim_of
from service.api.services import Serving, address_of
from service.identity import new_secret
from store.audit import Note
from store.connection import database_errors
from store.identity import Identity, add_key, drop_key, end_sessions, keys_of, sessions_of
from store.users import Scope, token_hash

__all__ = ["router"]

router = APIRouter(tags=["identity"], route_class=RepeatableRoute)

Number = Annotated[int, Path(description="Its id, as the list shows it.", ge=1, le=2**31 - 1)]


@router.get("/me")
async def show_me(me: Owner) -> MeAnswer:
    """Who you are, what you are granted, and what this token or login may be used for."""
    return MeAnswer(
        name=me.user.name,
        role=me.user.role,
        parks=list(me.user.parks),
        tenants=list(me.user.tenants),
        scopes=sorted(me.scopes),
        via=me.via,
        expires_at=me.expires_at,
    )


@router.get("/keys")
async def list_keys(me: Owner, services: Serving) -> list[KeyAnswer]:
    """Your keys, by label, without their secrets."""
    with database_errors("listing keys"):
        async with services.auth.connection() as conn:
            found = await keys_of(conn, me.user.name)
    return [
        KeyAnswer(
            id=one.number,
            label=one.label,
            scopes=[Scope(scope) for scope in one.scopes],
            created_at=one.created_at,
            expires_at=one.expires_at,
            last_used_at=one.last_used_at,
            is_this=me.via == "token" and one.number == me.number,
        )
        for one in found
    ]


@router.post("/keys", status_code=HTTPStatus.CREATED, dependencies=[REPEATABLE_ONCE_TOLD])
async def create_key(request: Request, me: Owner, services: Serving, asked: KeyRequest) -> NewKeyAnswer:
    """Make a key for a program of yours; its secret is in this answer and nowhere else. It may do no more than what asks for it."""
    scopes = frozenset(asked.scopes)
    if not scopes <= me.scopes:
        raise Problem(
            HTTPStatus.FORBIDDEN, f"this key is for {', '.join(sorted(me.scopes))}; it cannot make one for more"
        )
    expires_at = datetime.now(UTC) + timedelta(days=asked.valid_days)
    if me.keys_until is not None:
        expires_at = min(expires_at, me.keys_until)
    secret = new_secret()
    detail = {"label": asked.label, "scopes": sorted(scopes), "expires_at": expires_at.isoformat()}
    line = _line(request, me, "key made", **detail)
    with database_errors("making a key"):
        async with services.auth.connection() as conn:
            number = await add_key(
                conn,
                me.user.name,
                token_hash(secret),
                label=asked.label,
                scopes=scopes,
                expires_at=expires_at,
                line=line,
                claim=claim_of(request),
            )
    return NewKeyAnswer(id=number, label=asked.label, scopes=sorted(scopes), expires_at=expires_at, secret=secret)


@router.delete("/keys/{key}", status_code=HTTPStatus.NO_CONTENT)
async def revoke_key(request: Request, me: Owner, services: Serving, key: Number) -> Response:
    """Revoke a key of yours, at once; logins that were opened with it end too."""
    if me.via == "token" and me.number != key and me.scopes < frozenset(Scope):
        raise Problem(HTTPStatus.FORBIDDEN, "a key that is not for everything may revoke no other than itself")
    with database_errors("revoking a key"):
        async with services.auth.connection() as conn:
            dropped = await drop_key(conn, me.user.name, key, line=_line(request, me, "key revoked", key=key))
    if not dropped:
        raise not_found(f"key {key}")
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/sessions")
async def list_sessions(me: Owner, services: Serving) -> list[SessionAnswer]:
    """Your logins of the pages that have not ended, the last used first."""
    with database_errors("listing logins"):
        async with services.auth.connection() as conn:
            found = await sessions_of(conn, me.user.name)
    return [
        SessionAnswer(
            id=one.number,
            address=one.address,
            created_at=one.created_at,
            seen_at=one.seen_at,
            expires_at=one.expires_at,
            by_token=one.by_token,
            is_this=me.via == "session" and one.number == me.number,
        )
        for one in found
    ]


@router.delete("/sessions/{session}", status_code=HTTPStatus.NO_CONTENT)
async def end_login(request: Request, me: Owner, services: Serving, session: Number) -> Response:
    """End a login of yours, as on a computer that you left."""
    line = _line(request, me, "login ended", session=session)
    with database_errors("ending a login"):
        async with services.auth.connection() as conn:
            ended = await end_sessions(conn, me.user.name, number=session, line=line)
    if not ended:
        raise not_found(f"login {session}")
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _line(request: Request, me: Identity, act: str, **detail: object) -> Note:
    via = "page" if me.via == "session" else "api"
    name = me.user.name
    return Note(act=act, who=name, target=name, concerns=name, address=address_of(request), via=via, detail=detail)
