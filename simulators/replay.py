"""Recorded files over MQTT, as if the meters were there: the rows of a table by a mapping."""

import threading
from collections.abc import Iterable, Iterator, Mapping

from domain.mapping import TableMapping, table_messages
from simulators.publisher import Publisher
from simulators.reports import Outgoing

__all__ = ["replay", "replayed_messages"]

_SETTLE_S = 60.0


def replayed_messages(mapping: TableMapping, rows: Iterable[Mapping[str, str | None]]) -> Iterator[Outgoing]:
    """The messages of a table, each due at the time of its last reading. Errors as :func:`domain.mapping.table_messages`."""
    for made in table_messages(mapping, rows):
        yield Outgoing(topic=made.topic, payload=made.payload, due_us=made.ts_us, read_us=made.ts_us)


def replay(
    publisher: Publisher,
    mapping: TableMapping,
    rows: Iterable[Mapping[str, str | None]],
    *,
    speed: float | None = None,
    stop: threading.Event | None = None,
) -> int:
    """
    Publish the rows of a table, and wait until the broker acknowledged all.

    Parameters
    ----------
    publisher : Publisher
        Entered, so connecting or connected.
    mapping : TableMapping
    rows : iterable of mapping
        Columns by heading, as :class:`csv.DictReader` gives them; taken one by one.
    speed : float or None
        How many seconds of the table pass in one second; None: as fast as the broker acknowledges.
    stop : threading.Event or None
        Ends it between two messages.

    Returns
    -------
    int
        How many messages were published.

    Raises
    ------
    InputError
        A row cannot be read by the mapping.
    Unavailable
        The broker stopped acknowledging, or not all was acknowledged a minute after the last message.
    """
    published = publisher.publish(replayed_messages(mapping, rows), speed=speed, stop=stop)
    publisher.settle(_SETTLE_S, stop)
    return published
