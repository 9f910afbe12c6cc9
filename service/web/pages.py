"""The pages: one to log in, one that lives. Both load from this server only."""

from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import RedirectResponse, Response
from fastapi.templating import Jinja2Templates

from service.api.access import COOKIE, user_of_token
from service.api.metrics import installed_version
from service.api.problem import Problem
from service.api.services import Services, services_of

__all__ = ["router"]

router = APIRouter(include_in_schema=False)

Working = Annotated[Services, Depends(services_of)]

_COOKIE_S = 30 * 86_400


@cache
def _templates() -> Jinja2Templates:
    return Jinja2Templates(directory=Path(__file__).parent / "templates")


@router.get("/")
async def show_page(request: Request, services: Working) -> Response:
    """The live page, or the login where nobody is logged in."""
    user = await user_of_token(services, request.cookies.get(COOKIE, ""))
    if user is None:
        return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    context = {"user": user, "version": installed_version()}
    return _templates().TemplateResponse(request, "live.html", context)


@router.get("/login")
async def show_login(request: Request) -> Response:
    """The form that asks for a token."""
    return _templates().TemplateResponse(request, "login.html", {"mistake": "", "version": installed_version()})


@router.post("/login")
async def log_in(request: Request, services: Working, token: Annotated[str, Form(max_length=200)] = "") -> Response:
    """Take a token, and keep it in a cookie that scripts cannot read and other sites cannot send."""
    _refuse_other_origins(request)
    token = token.strip()
    if await user_of_token(services, token) is None:
        context = {"mistake": "This token is not known, or has expired.", "version": installed_version()}
        return _templates().TemplateResponse(request, "login.html", context, status_code=HTTPStatus.FORBIDDEN)
    answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    answer.set_cookie(
        COOKIE, token, max_age=_COOKIE_S, httponly=True, samesite="strict", secure=services.settings.cookie_secure
    )
    return answer


@router.post("/logout")
async def log_out(request: Request, services: Working) -> Response:
    """Forget the cookie."""
    _refuse_other_origins(request)
    answer = RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=services.settings.cookie_secure)
    return answer


def _refuse_other_origins(request: Request) -> None:
    """Refuse a form that another site sent; old browsers, which say nothing of where it comes from, may send it."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    foreign = site not in {"same-origin", "none"} if site else origin is not None and not _is_ours(request, origin)
    if foreign:
        raise Problem(HTTPStatus.FORBIDDEN, "this form may only be sent from its own page")


def _is_ours(request: Request, origin: str) -> bool:
    return urlsplit(origin).netloc == request.headers.get("host")
