"""Files without MQTT: rows become messages, and take the same way through decoder, ledger and queue."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from domain.mapping import TableMapping, TableMessage, table_messages
from domain.readings import Batch, Message, Outcome
from ingest.writer import Writer

__all__ = ["Imported", "Told", "import_rows"]

_EARLIEST_US = -62_135_596_800_000_000
_MESSAGES_AT_ONCE = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """How far an import has come."""

    messages: int
    outcome: Outcome


class Told(Protocol):
    """Who is told what became of messages."""

    def __call__(self, batch: Batch, made: Sequence[TableMessage]) -> None:
        """Take a batch that was committed, and what its messages were made of, in the same order."""
        ...


def import_rows(
    writer: Writer,
    mapping: TableMapping,
    rows: Iterable[Mapping[str, str | None]],
    *,
    name: str,
    now_us: Callable[[], int],
    told: Told | None = None,
) -> Iterator[Imported]:
    """
    Import the rows of a table; yields the outcome of each committed part.

    Old times are taken: an import says itself how far back it goes. A row whose time cannot be read is set aside like any
    other value that is wrong, unless it is the first or a column is cumulative.

    Parameters
    ----------
    name : str
        Of the import, for the ledger (`import:<name>`).
    told : Told, optional
        Is told of every batch that was committed, before its outcome is yielded.

    Raises
    ------
    InputError
        The table does not fit the mapping.
    Unavailable
        The database is away; importing the whole file again is safe.
    """
    made = table_messages(mapping, rows, past_bad_times=True)
    while part := list(itertools.islice(made, _MESSAGES_AT_ONCE)):
        messages = [_message(one, name, now_us()) for one in part]
        # Two lines that are alike make messages that are equal, so they are told apart by what they are, not what they say.
        origin = {id(message): one for message, one in zip(messages, part, strict=True)}

        def tell(batch: Batch, origin: dict[int, TableMessage] = origin) -> None:
            if told is not None:
                told(batch, [origin[id(message)] for message in batch.messages])

        yield Imported(messages=len(part), outcome=writer.write(messages, tell))


def _message(one: TableMessage, name: str, now_us: int) -> Message:
    return Message(
        topic=one.topic.encode(),
        payload=one.payload,
        received_us=now_us,
        origin=f"import:{name}",
        oldest_us=_EARLIEST_US,
    )
