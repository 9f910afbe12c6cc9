"""Batches cut into parts, each a batch of its own that can be committed alone."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from domain.errors import DataError
from domain.readings import Batch, Outcome, ReadingBatch, Reason, Rejection
from ingest.columns import rejection

__all__ = ["part_of", "ranges", "refused_by_database", "sum_of"]


def ranges(batch: Batch, most_values: int) -> Iterator[tuple[int, int]]:
    """
    Ranges of messages that make up a batch, each with at most so many values where a single message has no more.

    Yields
    ------
    tuple of int
        First message, and the one after the last.
    """
    values = np.bincount(batch.readings.message, minlength=len(batch.messages))
    for one in batch.rejections:
        values[one.message] += one.values
    for entered in batch.contexts:
        values[entered.message] += 1
    begin, held = 0, 0
    for message, count in enumerate(values.tolist()):
        if message > begin and held + count > most_values:
            yield begin, message
            begin, held = message, 0
        held += count
    if begin < len(batch.messages):
        yield begin, len(batch.messages)


def part_of(batch: Batch, begin: int, end: int) -> Batch:
    """The messages from `begin` up to but not `end`, with their readings and rejections."""
    if (begin, end) == (0, len(batch.messages)):
        return batch
    # The decoder keeps the order of the messages.
    first, last = np.searchsorted(batch.readings.message, [begin, end])
    readings = batch.readings
    return Batch(
        messages=batch.messages[begin:end],
        sources=batch.sources[begin:end],
        readings=ReadingBatch(
            message=readings.message[first:last] - np.int32(begin),
            channel_id=readings.channel_id[first:last],
            ts_us=readings.ts_us[first:last],
            value=readings.value[first:last],
            quality=readings.quality[first:last],
        ),
        rejections=tuple(_moved(one, begin) for one in batch.rejections if begin <= one.message < end),
        contexts=tuple(
            replace(one, message=one.message - begin) for one in batch.contexts if begin <= one.message < end
        ),
    )


def refused_by_database(batch: Batch, error: DataError) -> Batch:
    """A batch of one message, in which all its values are one rejection."""
    whole = rejection(0, "", Reason.DATABASE, str(error), max(1, batch.received))
    nothing = batch.readings.message[:0]
    readings = ReadingBatch(
        message=nothing,
        channel_id=nothing,
        ts_us=batch.readings.ts_us[:0],
        value=batch.readings.value[:0],
        quality=nothing,
    )
    return Batch(messages=batch.messages, sources=batch.sources, readings=readings, rejections=(whole,))


def sum_of(one: Outcome, other: Outcome) -> Outcome:
    """What became of the values of both."""
    reasons = one.rejected.keys() | other.rejected.keys()
    return Outcome(
        stored=one.stored + other.stored,
        duplicate=one.duplicate + other.duplicate,
        conflict=one.conflict + other.conflict,
        rejected={reason: one.rejected.get(reason, 0) + other.rejected.get(reason, 0) for reason in reasons},
    )


def _moved(one: Rejection, begin: int) -> Rejection:
    return Rejection(
        message=one.message - begin, place=one.place, reason=one.reason, detail=one.detail, values=one.values
    )
