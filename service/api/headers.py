"""Headers that every answer carries: nothing is loaded from elsewhere, framed, guessed, or kept by others."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.rates import RATE, rate_headers

__all__ = ["HeadersMiddleware"]

_ALWAYS = {
    "Content-Security-Policy": (
        "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_ENCODED = tuple((name.lower().encode(), value.encode()) for name, value in _ALWAYS.items())
_NAMES = frozenset(name for name, _ in _ENCODED)
_NOT_STORED = (b"cache-control", b"no-store")
_ASKED_AGAIN = (b"cache-control", b"no-cache")
_SHOWN_TO_ALL = "/static/"


class HeadersMiddleware:
    """Adds the headers; what is not a static file is not stored by caches."""

    def __init__(self, app: ASGIApp) -> None:
        """Around any application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = dict(message["headers"])
                headers = [*message["headers"], *rate_headers(scope.get("state", {}).get(RATE))]
                headers += _ENCODED if _NAMES.isdisjoint(own) else [one for one in _ENCODED if one[0] not in own]
                if b"cache-control" not in own:
                    headers.append(_ASKED_AGAIN if scope["path"].startswith(_SHOWN_TO_ALL) else _NOT_STORED)
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, with_headers)
