"""Logging in and out, and changing the password."""

import math
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from service.api.access import cookie_name, identity_of_cookie
from service.api.services import Services, address_of
from service.identity import (
    Login,
    Opened,
    Refused,
    TooOften,
    change_password,
    log_in,
    log_in_by_token,
)
from service.identity.passwords import LONGEST, SHORTEST
from service.web.rendering import Working, form_identity, mark_of, refuse_other_origins, rendered, secret_of
from store.audit import Note
from store.connection import database_errors
from store.identity import Identity, end_session
from store.users import token_hash

__all__ = ["login_of", "router"]

router = APIRouter(include_in_schema=False)

_MIN_S = 60.0
_DAY_S = 86_400.0

Text = Annotated[str, Form(max_length=200)]


def login_of(request: Request, services: Services) -> Login:
    """What logging in works with, for this request."""
    return Login(
        auth=services.auth,
        hashing=services.hashing,
        idle_s=services.settings.session_idle_min * _MIN_S,
        longest_s=services.settings.session_days * _DAY_S,
        address=address_of(request),
    )


@router.get("/login")
async def show_login(request: Request) -> Response:
    """The form that asks for name and password, or for a token."""
    return rendered(request, "login.html", {"mistake": "", "name": ""})


@router.post("/login")
async def enter(
    request: Request, services: Working, name: Text = "", password: Text = "", token: Text = ""
) -> Response:
    """Open a session; its cookie cannot be read by scripts nor sent by other sites."""
    refuse_other_origins(request)
    by, token = login_of(request, services), token.strip()
    outcome = await log_in_by_token(by, token) if token else await log_in(by, name, password)
    if isinstance(outcome, Opened):
        return _welcomed(services, outcome)
    return _again(request, "login.html", outcome, {"name": name})


@router.post("/logout")
async def leave(request: Request, services: Working) -> Response:
    """End the session, and forget the cookie."""
    refuse_other_origins(request)
    line = Note(act="logout", address=address_of(request), via="page")
    with database_errors("logging out"):
        async with services.auth.connection() as conn:
            await end_session(conn, token_hash(secret_of(request, services)), line=line)
    answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    secure = services.settings.cookie_secure
    answer.delete_cookie(cookie_name(services.settings), httponly=True, samesite="strict", secure=secure)
    return answer


@router.get("/password")
async def show_password(request: Request, services: Working) -> Response:
    """The form that changes the password."""
    found = await identity_of_cookie(request, services)
    if found is None:
        return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    return rendered(request, "password.html", _of_password(request, services, found, ""))


@router.post("/password")
async def choose_password(  # noqa: PLR0917 - the fields of the form
    request: Request, services: Working, mark: Text = "", current: Text = "", new: Text = "", again: Text = ""
) -> Response:
    """Change the password; all other sessions end."""
    found = await form_identity(request, services, mark)
    context = _of_password(request, services, found, "")
    if new != again:
        return _again(request, "password.html", Refused("The new password is not the same in both fields."), context)
    outcome = await change_password(login_of(request, services), found.user.name, current, new)
    if isinstance(outcome, Opened):
        return _welcomed(services, outcome)
    return _again(request, "password.html", outcome, context)


def _of_password(request: Request, services: Services, found: Identity, mistake: str) -> dict[str, Any]:
    return {
        "user": found.user, "must_change": found.must_change, "mark": mark_of(request, services), "shortest": SHORTEST,
        "longest": LONGEST, "mistake": mistake,
    }  # fmt: skip


def _welcomed(services: Services, opened: Opened) -> Response:
    answer = RedirectResponse("/password" if opened.must_change else "/", HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        cookie_name(services.settings),
        opened.secret,
        max_age=round(services.settings.session_days * _DAY_S),
        httponly=True,
        samesite="strict",
        secure=services.settings.cookie_secure,
    )
    return answer


def _again(request: Request, template: str, outcome: Refused | TooOften, context: dict[str, Any]) -> Response:
    """The form once more, with what was wrong."""
    if isinstance(outcome, Refused):
        return rendered(request, template, {**context, "mistake": outcome.why}, status=HTTPStatus.FORBIDDEN)
    minutes = math.ceil(outcome.wait_s / _MIN_S)
    said = f"This was tried too often. Try again in {minutes} {'minute' if minutes == 1 else 'minutes'}."
    answer = rendered(request, template, {**context, "mistake": said}, status=HTTPStatus.TOO_MANY_REQUESTS)
    answer.headers["Retry-After"] = str(math.ceil(outcome.wait_s))
    return answer
