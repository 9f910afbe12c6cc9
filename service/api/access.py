"""Who is asking: a bearer token, or the cookie that the login page set, becomes a user."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials

from service.api.problem import Problem
from service.api.services import Services, services_of
from store.connection import database_errors
from store.users import User, resolve_token, token_hash

__all__ = ["COOKIE", "Asker", "asking_user", "user_of_token"]

COOKIE = "kawasan_token"
"""Name of the cookie that carries the token; it is accepted for reading only."""

_LONGEST_TOKEN = 200
_READING = frozenset({"GET", "HEAD"})

_bearer = HTTPBearer(auto_error=False, description="The token that `kawasan user add` printed.")


async def user_of_token(services: Services, token: str) -> User | None:
    """Whose token it is; None where it is unknown, expired, or its user is disabled."""
    if not token or len(token) > _LONGEST_TOKEN:
        return None
    with database_errors("looking up a token"):
        async with services.auth.connection() as conn:
            return await resolve_token(conn, token_hash(token))


async def asking_user(
    request: Request,
    services: Annotated[Services, Depends(services_of)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> User:
    """
    The user of this request.

    Raises
    ------
    Problem
        401: there is no token, or it is not valid.
    """
    token = credentials.credentials if credentials else ""
    if not credentials and request.method in _READING:
        token = request.cookies.get(COOKIE, "")
    user = await user_of_token(services, token)
    if user is None:
        detail = "the token is not valid, or has expired" if token else "send a token, as `Authorization: Bearer ...`"
        raise Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": 'Bearer realm="kawasan"'})
    return user


Asker = Annotated[User, Depends(asking_user)]
"""The user of a request, for routes."""
