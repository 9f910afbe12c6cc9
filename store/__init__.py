"""Everything SQL: connections, migrations, named queries, bulk reads and writes of columns."""

from store.connection import AsyncPool, Role, connect, open_pool
from store.migrate import migrate, pending
from store.readings import ReadingSink
from store.registry import apply_park, load_registries, load_registry

__all__ = [
    "AsyncPool",
    "ReadingSink",
    "Role",
    "apply_park",
    "connect",
    "load_registries",
    "load_registry",
    "migrate",
    "open_pool",
    "pending",
]
