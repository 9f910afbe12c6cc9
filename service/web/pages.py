"""The live page. It loads from this server only."""

from http import HTTPStatus

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from service.api.access import identity_of_cookie
from service.web.rendering import Working, rendered

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.get("/")
async def show_page(request: Request, services: Working) -> Response:
    """The live page, or the login where nobody is logged in."""
    found = await identity_of_cookie(request, services)
    if found is None:
        return RedirectResponse("/login", HTTPStatus.SEE_OTHER)
    if found.must_change:
        return RedirectResponse("/password", HTTPStatus.SEE_OTHER)
    return rendered(request, "live.html", {"user": found.user})
