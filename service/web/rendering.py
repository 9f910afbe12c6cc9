"""Pages from their templates, and what every form that changes something is checked by."""

from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.responses import Response
from fastapi.templating import Jinja2Templates

from service.api.access import cookie_name, identity_of_cookie, is_from_elsewhere
from service.api.problem import Problem
from service.api.services import Services, services_of
from service.identity import form_mark, is_form_mark
from service.version import installed_version
from store.identity import Identity

__all__ = ["Working", "form_identity", "mark_of", "refuse_other_origins", "rendered", "secret_of"]

Working = Annotated[Services, Depends(services_of)]


@cache
def _templates() -> Jinja2Templates:
    return Jinja2Templates(directory=Path(__file__).parent / "templates")


def rendered(
    request: Request, name: str, context: Mapping[str, Any], *, status: HTTPStatus = HTTPStatus.OK
) -> Response:
    """A page of a template."""
    known = {"version": installed_version(), **context}
    return _templates().TemplateResponse(request, name, known, status_code=status)


def secret_of(request: Request, services: Services) -> str:
    """What the cookie holds; empty: there is none."""
    return request.cookies.get(cookie_name(services.settings), "")


def mark_of(request: Request, services: Services) -> str:
    """What forms of this session carry."""
    return form_mark(secret_of(request, services))


def refuse_other_origins(request: Request) -> None:
    """
    Refuse a form that another site sent; old browsers, which say nothing of where it comes from, may send it.

    Raises
    ------
    Problem
        403: it comes from another site.
    """
    if is_from_elsewhere(request, silent_is_ours=True):
        raise Problem(HTTPStatus.FORBIDDEN, "this form may only be sent from its own page")


async def form_identity(request: Request, services: Services, mark: str) -> Identity:
    """
    Who sent a form that changes something: it comes from our own page, of this very session.

    Raises
    ------
    Problem
        401: nobody is logged in. 403: it comes from elsewhere.
    """
    refuse_other_origins(request)
    found = await identity_of_cookie(request, services)
    if found is None:
        raise Problem(HTTPStatus.UNAUTHORIZED, "the login is not valid any more; log in again")
    if not is_form_mark(secret_of(request, services), mark):
        raise Problem(HTTPStatus.FORBIDDEN, "this form is of another login; load its page again")
    return found
