"""Whether a server can answer, and what it knows of the processes beside it: each as a sentence."""

from collections.abc import Mapping, Sequence

from psycopg_pool import PoolTimeout

from domain.errors import ParkError
from service.api.services import Services
from store.connection import database_errors
from store.health import SystemHealth, system_health
from store.migrate import pending_for

__all__ = ["OK", "health_words", "looked"]

OK = "ok"

_ANSWER_S = 2.0
_LAGS = {"ingest_lag": "ingest", "engine_lag": "engine"}


async def looked(services: Services) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """What the server needs, `ok` where it has it; and how the rest is, in words. Nothing of it names the database or a park."""
    checks = {"live": OK if services.live.is_running else "the live stream has failed; start the server anew"}
    words: Mapping[str, str] = {}
    try:
        with database_errors("looking whether the database is ready"):
            async with services.api.connection(timeout=_ANSWER_S) as conn:
                missing = await pending_for(conn)
                checks["database"] = OK
                checks["migrations"] = f"{len(missing)} are missing; run `kawasan migrate`" if missing else OK
                if not missing:
                    found = await system_health(conn)
                    words = health_words(found)
                    checks |= _too_late(found, services.settings.ready_lag_s)
    except (ParkError, PoolTimeout):
        checks["database"] = "cannot be reached, or its schema is not of this version"
    return checks, words


def _too_late(found: Sequence[SystemHealth], most_s: float) -> dict[str, str]:
    """What is further behind than it may be; nothing where there is no bound."""
    return {
        _LAGS[one.name]: f"is {one.value:.0f} s behind, and {most_s:.0f} s are allowed"
        for one in found
        if most_s and one.name in _LAGS and one.value > most_s
    }


def health_words(found: Sequence[SystemHealth]) -> dict[str, str]:
    """
    How the system is, in words.

    Examples
    --------
    >>> health_words(())["broker"]
    'not reported lately; is ingest running?'
    """
    known = {one.name: one for one in found}
    engine, ingest, broker = (known.get(name) for name in ("engine_lag", "ingest_lag", "broker_connected"))
    queue = known.get("queue_rows")
    of_queue = f", {queue.value:.0f} rows wait" if queue is not None else ""
    return {
        "engine": "not reported lately; is the engine running?"
        if engine is None
        else f"{engine.value:.0f} s behind{of_queue}",
        "ingest": "no park has a reading" if ingest is None else f"newest reading {ingest.value:.0f} s old",
        "broker": "not reported lately; is ingest running?" if broker is None else _of_broker(broker),
    }


def _of_broker(broker: SystemHealth) -> str:
    state = "connected" if broker.value else "not connected"
    return f"{state}, as ingest said {broker.age_s:.0f} s ago"
