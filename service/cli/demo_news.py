"""The demo's line per minute: what came in, how far the engine is, and the newest number."""

import json
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from domain.errors import Unavailable
from store import Role, connect, load_registries
from store.connection import database_errors
from store.spans import pending_spans

__all__ = ["News", "is_ready"]

_ANSWER_S = 5.0
_FATES = ("stored", "duplicate", "conflict", "rejected")
_WORDS = ("stored", "duplicates", "conflicts", "rejected")

# A proxy of the environment is not asked for what is on this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def is_ready(address: str) -> bool:
    """Whether the server answers and can work."""
    try:
        with _opener.open(f"{address}/readyz", timeout=_ANSWER_S) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (OSError, urllib.error.URLError):
        return False


class News:
    """Asks the demo's own server and queue, and tells what is new since it was asked last."""

    def __init__(self, address: str, token: str, database_url: str) -> None:
        """Ask as the user of `token`."""
        self._address, self._token, self._url = address, token, database_url
        self._counted: dict[tuple[str, str, str], int] = {}
        self._counts()

    def line(self) -> str:
        """
        One line for a person.

        Raises
        ------
        Unavailable
            The server or the database does not answer now.
        """
        counts = self._counts()
        said = ", ".join(f"{counts[fate]} {word}" for fate, word in zip(_FATES, _WORDS, strict=True))
        return (
            f"{datetime.now().astimezone():%H:%M:%S}  last minute: {said}; engine: {self._engine()}; {self._number()}"
        )

    def _counts(self) -> dict[str, int]:
        now = datetime.now(UTC)
        hour = now.replace(minute=0, second=0, microsecond=0)
        span = {"start": (hour - timedelta(hours=1)).isoformat(), "stop": (hour + timedelta(hours=1)).isoformat()}
        rows = self._ask("ingest/ledger", **span)
        counted = {(row["source"], row["hour"], fate): row[fate] for row in rows for fate in _FATES}
        new = dict.fromkeys(_FATES, 0)
        for key, count in counted.items():
            new[key[2]] += count - self._counted.get(key, 0)
        self._counted = counted
        return new

    def _engine(self) -> str:
        with (
            connect(self._url, Role.WRITE, application="kawasan-demo") as conn,
            database_errors("reading the engine's queue"),
        ):
            waiting = [pending_spans(conn, registry.park.id) for registry in load_registries(conn)]
        rows, oldest_s = sum(one[0] for one in waiting), max((one[1] for one in waiting), default=0.0)
        return f"{rows} spans wait, {oldest_s:.0f} s behind" if rows else "up to date"

    def _number(self) -> str:
        parks = self._ask("parks")
        if not parks:
            return "no park yet"
        now = datetime.now(UTC)
        span = {"start": (now - timedelta(days=1)).isoformat(), "stop": now.isoformat()}
        series = self._ask("kpis/electricity", subject=f"park:{parks[0]['key']}", level="day", **span)
        known = [value for value in series["values"] if value["measured"] is not None]
        if not known:
            return "no electricity counted yet"
        newest = known[-1]
        return f"electricity of {newest['start'][:10]}: {newest['measured']:,.0f} {newest['unit']} measured so far"

    def _ask(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters)
        request = urllib.request.Request(  # noqa: S310 - our own http address
            f"{self._address}/api/v1/{path}?{query}", headers={"Authorization": f"Bearer {self._token}"}
        )
        try:
            with _opener.open(request, timeout=_ANSWER_S) as answer:
                return json.load(answer)
        except (OSError, ValueError) as error:
            raise Unavailable(f"the server does not answer as it should ({error})") from error
