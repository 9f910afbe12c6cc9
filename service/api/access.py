"""Who is asking: a bearer token, or the cookie that the login page set, becomes a user; and what that token may be used for."""

import math
from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from fastapi.security.http import HTTPAuthorizationCredentials
from fastapi.security.utils import get_authorization_scheme_param

from service.api.freshness import IDENTITY, INPUTS
from service.api.problem import Problem
from service.api.rates import RATE
from service.api.requests import ASKER
from service.api.services import Services, services_of
from service.identity.limits import Rate
from service.settings import Settings
from store.connection import database_errors
from store.identity import Identity, resolve, touch
from store.users import Scope, User, UserRole, token_hash

__all__ = [
    "COOKIE",
    "PAGE_HEADER",
    "Actor",
    "Asker",
    "Owner",
    "acting_user",
    "asking_user",
    "cookie_name",
    "identity_of",
    "identity_of_cookie",
    "is_from_elsewhere",
    "known_reader",
    "owning_identity",
    "user_of_token",
]

COOKIE = "kawasan_session"
"""Name of the cookie that carries a session; it is accepted for reading, and for what :data:`Actor` lets the page do."""

PAGE_HEADER = "X-Kawasan-Page"
"""Header that the page sends with what it does. Scripts of other sites cannot set it: no answer ever allows them to."""

_LONGEST_TOKEN = 200
_CHANGED_BY = (IDENTITY, INPUTS)
_KEPT_S = 30.0
"""Less than the minute after which a token in use is marked as used again. [s]"""
_READING = frozenset({"GET", "HEAD"})
_OF_ALARMS = ("/api/v1/alarms/", "/api/v1/episodes/")

_bearer = HTTPBearer(auto_error=False, description="The token that `kawasan user add` printed.")


def cookie_name(settings: Settings) -> str:
    """The cookie's name; over HTTPS only with the prefix that lets no other host of the domain, and no path, set one like it."""
    return f"__Host-{COOKIE}" if settings.cookie_secure else COOKIE


async def identity_of(services: Services, secret: str, *, of_cookie: bool = False) -> Identity | None:
    """
    Whose a token is; None where it is unknown, expired, or its user is disabled. It is marked as used, at most once a minute.

    Parameters
    ----------
    of_cookie : bool
        Whether it may be a session's too.
    """
    if not secret or len(secret) > _LONGEST_TOKEN:
        return None
    hash_ = token_hash(secret)
    known = services.identities.get((hash_, of_cookie))
    if known is not None:
        return known
    stamp = services.freshness.stamp(_CHANGED_BY)
    with database_errors("looking up a token"):
        async with services.auth.connection() as conn:
            found = await resolve(conn, hash_, of_cookie=of_cookie)
            if found is not None and found.is_stale:
                await touch(conn, found, idle_s=services.settings.session_idle_min * 60.0)
    if found is not None:
        lasts_s = min(found.lasts_s, _KEPT_S)
        services.identities.put((hash_, of_cookie), found, stamp, _CHANGED_BY, lasts_s=lasts_s)
    return found


def known_reader(request: Request, services: Services) -> User | None:
    """
    The user of a request that only reads, without a look at the database; None also where it has to be asked, or refuses.

    The request is counted against the user's rate, once.
    """
    scheme, credentials = get_authorization_scheme_param(request.headers.get("authorization"))
    of_cookie = scheme.lower() != "bearer" or not credentials
    secret = request.cookies.get(cookie_name(services.settings), "") if of_cookie else credentials
    if not secret or len(secret) > _LONGEST_TOKEN:
        return None
    identity = services.identities.get((token_hash(secret), of_cookie))
    if identity is None:
        return None
    try:
        return _admitted(request, services, identity)
    except Problem:
        return None


async def identity_of_cookie(request: Request, services: Services) -> Identity | None:
    """Who is logged in on the page that sent a request; None: nobody. Also one who has yet to change a one-time password."""
    secret = request.cookies.get(cookie_name(services.settings), "")
    return await identity_of(services, secret, of_cookie=True)


async def user_of_token(services: Services, token: str) -> User | None:
    """Whose token it is; None where it is unknown, expired, or its user is disabled."""
    found = await identity_of(services, token)
    return None if found is None else found.user


def _needed(request: Request) -> Scope:
    if request.method in _READING:
        return Scope.READ
    return Scope.ALARMS if request.scope["path"].startswith(_OF_ALARMS) else Scope.WRITE


def _admitted(request: Request, services: Services, identity: Identity, *, of_self: bool = False) -> User:
    """
    The user, where the request is one that this token, this role and this rate allow.

    Parameters
    ----------
    of_self : bool
        It is about the user's own keys and sessions, which an auditor may change too.
    """
    user, needed = identity.user, _needed(request)
    setattr(request.state, ASKER, user.name)
    if not hasattr(request.state, RATE):
        setattr(request.state, RATE, services.rates.take(user.name))
    rate: Rate | None = getattr(request.state, RATE)
    if rate is not None and rate.wait_s:
        seconds = math.ceil(rate.wait_s)
        detail = f"more than {rate.limit} requests came within a minute; go on in {seconds} s"
        raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers={"Retry-After": str(seconds)})
    if identity.must_change:
        raise Problem(HTTPStatus.FORBIDDEN, "the one-time password has to be changed first, at /password")
    if needed not in identity.scopes:
        detail = f"this key is for {', '.join(sorted(identity.scopes))}, and this needs {needed.value}; use another key"
        challenge = f'Bearer realm="kawasan", error="insufficient_scope", scope="{needed.value}"'
        raise Problem(HTTPStatus.FORBIDDEN, detail, headers={"WWW-Authenticate": challenge})
    if user.role is UserRole.AUDITOR and needed is not Scope.READ and not of_self:
        raise Problem(HTTPStatus.FORBIDDEN, "an auditor reads everything and changes nothing")
    return user


async def _identified(
    request: Request, services: Services, credentials: HTTPAuthorizationCredentials | None, *, may_act: bool
) -> Identity:
    """Who sent a request: by bearer, or by the cookie where that is enough."""
    cookie = request.cookies.get(cookie_name(services.settings), "")
    if may_act and credentials is None and cookie and PAGE_HEADER in request.headers:
        if is_from_elsewhere(request, silent_is_ours=False):
            raise Problem(HTTPStatus.FORBIDDEN, "with the login of the page this may only be sent from the page itself")
        found = await identity_of(services, cookie, of_cookie=True)
        if found is None:
            raise Problem(HTTPStatus.UNAUTHORIZED, "the login is not valid any more; log in again")
        return found
    by_cookie = credentials is None and request.method in _READING
    token = credentials.credentials if credentials else cookie if by_cookie else ""
    found = await identity_of(services, token, of_cookie=by_cookie)
    if found is None:
        detail = "the token is not valid, or has expired" if token else "send a token, as `Authorization: Bearer ...`"
        raise Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": 'Bearer realm="kawasan"'})
    return found


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
        401: there is no token, or it is not valid. 403: it is not for this. 429: too many requests.
    """
    return _admitted(request, services, await _identified(request, services, credentials, may_act=False))


Asker = Annotated[User, Depends(asking_user)]
"""The user of a request, for routes."""


def is_from_elsewhere(request: Request, *, silent_is_ours: bool) -> bool:
    """
    Whether another site sent a request, by what its browser says.

    Parameters
    ----------
    silent_is_ours : bool
        How to take a request that says nothing of where it comes from, as old browsers and scripts send them.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site:
        return site not in {"same-origin", "none"}
    if origin is not None:
        return urlsplit(origin).netloc != request.headers.get("host")
    return not silent_is_ours


async def acting_user(
    request: Request,
    services: Annotated[Services, Depends(services_of)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> User:
    """
    The user of a request that changes something and that the page may send too.

    The cookie counts only together with the page's header and a browser that says that it is on our own page; `SameSite`
    keeps it from other sites anyhow. Everybody else sends a token, as for all that changes something.

    Raises
    ------
    Problem
        401: there is no token, or it is not valid. 403: it is not for this, or the cookie comes from another site. 429.
    """
    return _admitted(request, services, await _identified(request, services, credentials, may_act=True))


Actor = Annotated[User, Depends(acting_user)]
"""The user of a request by which somebody deals with an alarm, for routes."""


async def owning_identity(
    request: Request,
    services: Annotated[Services, Depends(services_of)],
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Identity:
    """
    Who asks about the own keys and sessions, or changes them, which everybody may; as :func:`acting_user`.

    Raises
    ------
    Problem
        401: there is no token, or it is not valid. 403: it is not for this, or the cookie comes from another site. 429.
    """
    found = await _identified(request, services, credentials, may_act=True)
    _admitted(request, services, found, of_self=True)
    return found


Owner = Annotated[Identity, Depends(owning_identity)]
"""Who asks about what belongs to the user alone, for routes."""
