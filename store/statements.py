"""Named queries: the text of every statement lives in `store/sql/*.sql`, under `-- name: ...`."""

import re
from functools import cache
from importlib.resources import files

from domain.errors import InputError

__all__ = ["queries", "query"]

_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)[ \t]*$", re.MULTILINE)


@cache
def queries() -> dict[str, bytes]:
    """Every named query, read once from the package."""
    found: dict[str, bytes] = {}
    for file in sorted((files("store") / "sql").iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".sql"):
            continue
        parts = _NAME.split(file.read_text(encoding="utf-8"))
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            if name in found:
                raise InputError(f"query {name!r} is in store/sql twice, the second time in {file.name}")
            found[name] = text.strip().encode()
    return found


def query(name: str) -> bytes:
    """
    The text of a named query.

    Raises
    ------
    InputError
        No file in store/sql has it.
    """
    try:
        return queries()[name]
    except KeyError:
        raise InputError(f"no query {name!r} in store/sql") from None
