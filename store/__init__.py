"""Everything SQL: connections, migrations, named queries, bulk reads and writes of columns."""

__all__: list[str] = []
