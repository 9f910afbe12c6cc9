"""Files without MQTT: rows become messages, and take the same way through decoder, ledger and queue."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from domain.mapping import TableMapping, TableMessage, table_messages
from domain.readings import Message, Outcome
from ingest.writer import Writer

__all__ = ["Imported", "import_rows"]

_EARLIEST_US = -62_135_596_800_000_000
_MESSAGES_AT_ONCE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """How far an import has come."""

    messages: int
    outcome: Outcome


def import_rows(
    writer: Writer,
    mapping: TableMapping,
    rows: Iterable[Mapping[str, str | None]],
    *,
    name: str,
    now_us: Callable[[], int],
) -> Iterator[Imported]:
    """
    Import the rows of a table; yields the outcome of each committed part.

    Old times are taken: an import says itself how far back it goes.

    Parameters
    ----------
    name : str
        Of the import, for the ledger (`import:<name>`).

    Raises
    ------
    InputError
        The table does not fit the mapping.
    Unavailable
        The database is away; importing the whole file again is safe.
    """
    made = table_messages(mapping, rows)
    while part := list(itertools.islice(made, _MESSAGES_AT_ONCE)):
        outcome = writer.write([_message(one, name, now_us()) for one in part])
        yield Imported(messages=len(part), outcome=outcome)


def _message(one: TableMessage, name: str, now_us: int) -> Message:
    return Message(
        topic=one.topic.encode(),
        payload=one.payload,
        received_us=now_us,
        origin=f"import:{name}",
        oldest_us=_EARLIEST_US,
    )
