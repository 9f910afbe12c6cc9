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
                own = {name for name, _ in message["headers"]}
                caching = b"no-cache" if scope["path"].startswith(_SHOWN_TO_ALL) else b"no-store"
                rate = rate_headers(scope.get("state", {}).get(RATE))
                message["headers"] = [
                    *message["headers"],
                    *(one for one in (*_ENCODED, (b"cache-control", caching)) if one[0] not in own),
                    *((name.lower().encode(), value.encode()) for name, value in rate.items()),
                ]
            await send(message)

        await self._app(scope, receive, with_headers)
