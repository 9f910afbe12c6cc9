"""The page of the own account: keys for programs, and where one is logged in."""

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import ValidationError

from domain.errors import InputError
from service.api.access import identity_of_cookie
from service.api.identitymodels import KeyRequest
from service.api.services import Services, address_of
from service.identity import new_secret
from service.web.rendering import Working, form_identity, mark_of, rendered
from store.audit import Note
from store.connection import database_errors
from store.identity import Identity, add_key, drop_key, end_sessions, keys_of, sessions_of
from store.users import Scope, token_hash

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Form(max_length=200)]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get("/account")
async def show_account(request: Request, services: Working) -> Response:
    """The keys and logins of whoever is logged in."""
    found = await identity_of_cookie(request, services)
    if found is None:
        return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    if found.must_change:
        return RedirectResponse("/password", HTTPStatus.SEE_OTHER)
    return rendered(request, "account.html", await _of_account(request, services, found))


@router.post("/account/keys")
async def make_key(  # noqa: PLR0917 - the fields of the form
    request: Request,
    services: Working,
    scope: Annotated[list[str] | None, Form(max_length=len(Scope))] = None,
    mark: Text = "",
    label: Text = "",
    valid_days: Annotated[str, Form(max_length=10)] = "90",
) -> Response:
    """Make a key, and show its secret, which is shown nowhere else."""
    found = await _owner(request, services, mark)
    try:
        asked = KeyRequest.model_validate({"label": label.strip(), "scopes": scope or [], "valid_days": valid_days})
        secret = await _made(request, services, found, asked)
    except (ValidationError, InputError) as error:
        said = _sentence(error)
        context = await _of_account(request, services, found, mistake=said)
        return rendered(request, "account.html", context, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    context = await _of_account(request, services, found, secret=secret, label=asked.label)
    return rendered(request, "account.html", context)


@router.post("/account/keys/{key}/revoke")
async def revoke_key(request: Request, services: Working, key: Number, mark: Text = "") -> Response:
    """Revoke a key."""
    found = await _owner(request, services, mark)
    with database_errors("revoking a key"):
        async with services.auth.connection() as conn:
            await drop_key(conn, found.user.name, key, line=_line(request, found, "key revoked", key=key))
    return RedirectResponse("/account", HTTPStatus.SEE_OTHER)


@router.post("/account/sessions/{session}/end")
async def end_login(request: Request, services: Working, session: Number, mark: Text = "") -> Response:
    """End a login."""
    found = await _owner(request, services, mark)
    line = _line(request, found, "login ended", session=session)
    with database_errors("ending a login"):
        async with services.auth.connection() as conn:
            await end_sessions(conn, found.user.name, number=session, line=line)
    return RedirectResponse("/account", HTTPStatus.SEE_OTHER)


async def _owner(request: Request, services: Services, mark: str) -> Identity:
    found = await form_identity(request, services, mark)
    if found.must_change or Scope.WRITE not in found.scopes:
        raise InputError("this login may not change keys and logins; log in by name and password")
    return found


async def _made(request: Request, services: Services, found: Identity, asked: KeyRequest) -> str:
    if not set(asked.scopes) <= found.scopes:
        raise InputError("this login may not do as much as the key would")
    secret = new_secret()
    expires_at = datetime.now(UTC) + timedelta(days=asked.valid_days)
    if found.keys_until is not None:
        expires_at = min(expires_at, found.keys_until)
    scopes = sorted(asked.scopes)
    detail = {"label": asked.label, "scopes": scopes, "expires_at": expires_at.isoformat()}
    line = _line(request, found, "key made", **detail)
    with database_errors("making a key"):
        async with services.auth.connection() as conn:
            await add_key(
                conn, found.user.name, token_hash(secret), label=asked.label, scopes=scopes, expires_at=expires_at, line=line
            )  # fmt: skip
    return secret


async def _of_account(request: Request, services: Services, found: Identity, **more: Any) -> dict[str, Any]:
    with database_errors("reading an account"):
        async with services.auth.connection() as conn:
            keys, sessions = await keys_of(conn, found.user.name), await sessions_of(conn, found.user.name)
    known = {
        "user": found.user, "keys": keys, "sessions": sessions, "this": found.number, "mark": mark_of(request, services),
        "scopes": [scope.value for scope in Scope if scope in found.scopes], "mistake": "", "secret": "",
    }  # fmt: skip
    return {**known, **more}


def _sentence(error: ValidationError | InputError) -> str:
    if isinstance(error, InputError):
        said = str(error)
        return f"{said[:1].upper()}{said[1:]}."
    place = error.errors()[0]["loc"][0]
    hints = {
        "label": "Give the key a name of letters, digits, spaces, dots, dashes and underscores, 63 at most.",
        "scopes": "Choose what the key is for.",
        "valid_days": "A key holds for 1 to 366 days.",
    }
    return hints.get(str(place), "The key cannot be made like this.")


def _line(request: Request, found: Identity, act: str, **detail: object) -> Note:
    name = found.user.name
    return Note(act=act, who=name, target=name, concerns=name, address=address_of(request), via="page", detail=detail)
