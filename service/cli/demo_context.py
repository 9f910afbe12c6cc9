"""What people would enter in the demo's park: production of yesterday and today, employees, area; made up, and marked so."""

from itertools import pairwise
from zlib import crc32

from domain.contextentries import ContextEntry
from domain.registry import OPERATOR, Registry, Tenant
from domain.time import DAY_US, Level, level_edges
from store import Role, connect, load_registry
from store.context import enter_context

__all__ = ["enter_example_values"]

_NOTE = "simulated"
_BY = "demo"


def enter_example_values(url: str, park_key: str, now_us: int) -> int:
    """Enter values for every firm of a park; answers how many were not there before."""
    with connect(url, Role.WRITE, application="kawasan-demo") as conn:
        registry = load_registry(conn, park_key)
        firms = [tenant for tenant in registry.tenants if tenant.key != OPERATOR]
        entries = [(tenant.id, entry) for tenant in firms for entry in _values(registry, tenant, now_us)]
        entered = enter_context(
            conn, registry.park.id, [entry for _, entry in entries], [tenant for tenant, _ in entries], _BY
        )
    return sum(one.outcome == "stored" for one in entered)


def _values(registry: Registry, tenant: Tenant, now_us: int) -> list[ContextEntry]:
    park = registry.park
    days = level_edges(park.zone, park.base_s, Level.DAY, now_us - DAY_US, now_us + 1).tolist()
    begin, end = level_edges(park.zone, park.base_s, Level.YEAR, now_us, now_us + 1).tolist()
    tonnes = [
        _entry("production_t", start, stop, 4.0 + _draw(tenant.key, f"t{start}", 8.0) + _draw(tenant.key, "t", 40.0))
        for start, stop in pairwise(days)
    ]
    people = _entry("employees", begin, end, float(round(60 + _draw(tenant.key, "people", 700))))
    return [*tonnes, people, _entry("area", begin, end, 0.5 + _draw(tenant.key, "area", 6.0))]


def _entry(series: str, start_us: int, stop_us: int, value: float) -> ContextEntry:
    return ContextEntry(series=series, start_us=start_us, stop_us=stop_us, value=round(value, 1), note=_NOTE)


def _draw(firm: str, what: str, highest: float) -> float:
    """The same at every start: from 0 up to `highest`."""
    return highest * (crc32(f"{firm} {what}".encode()) / 2**32)
