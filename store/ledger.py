"""The ledger: what became of every value of a batch, by source and hour of reception."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from domain.readings import Batch, Outcome, Reason
from domain.time import HOUR_US, IntArray
from store.arrays import instants, integers
from store.columns import CONFLICT, DUPLICATE, STORED
from store.statements import query
from store.texts import clean

__all__ = ["outcome_of", "write_ledger"]


def outcome_of(batch: Batch, fate: NDArray[np.int8]) -> Outcome:
    """What became of the values of a batch, in total."""
    rejected: Counter[Reason] = Counter()
    for rejection in batch.rejections:
        rejected[rejection.reason] += rejection.values
    counts = np.bincount(fate, minlength=3)
    return Outcome(
        stored=int(counts[STORED]),
        duplicate=int(counts[DUPLICATE]),
        conflict=int(counts[CONFLICT]),
        rejected=dict(rejected),
    )


def write_ledger(
    conn: Connection[Any],
    batch: Batch,
    received_us: IntArray,
    readings: tuple[NDArray[np.int32], NDArray[np.int8]],
) -> None:
    """
    Add a batch to the ledger.

    Parameters
    ----------
    received_us : int64 (messages,) [us UTC]
    readings : (message, fate)
        Per reading, the index of its message and what became of it.
    """
    if not batch.messages:
        return
    texts = {name: clean(name) for name in set(batch.sources)}
    numbers: dict[str, int] = {}
    numbered = (numbers.setdefault(texts[name], len(numbers)) for name in batch.sources)
    source = np.fromiter(numbered, np.int64, len(received_us))
    lines, line = np.unique(np.stack([source, received_us // HOUR_US]), axis=1, return_inverse=True)
    names = list(numbers)
    message, fate = readings
    counts = [
        np.bincount(line[message[fate == what]], minlength=lines.shape[1]) for what in (STORED, DUPLICATE, CONFLICT)
    ]
    reasons: Counter[tuple[int, Reason]] = Counter()
    rejected = np.zeros(lines.shape[1], dtype=np.int64)
    for rejection in batch.rejections:
        reasons[int(line[rejection.message]), rejection.reason] += rejection.values
        rejected[line[rejection.message]] += rejection.values
    conn.execute(
        query("ledger_add"),
        {
            "source": [names[number] for number in lines[0]],
            "hour": instants(lines[1] * HOUR_US),
            "messages": integers(np.bincount(line, minlength=lines.shape[1])),
            "stored": integers(counts[0]),
            "duplicate": integers(counts[1]),
            "conflict": integers(counts[2]),
            "rejected": integers(rejected),
        },
    )
    if reasons:
        at = np.array([place for place, _ in reasons])
        conn.execute(
            query("ledger_rejected_add"),
            {
                "source": [names[number] for number in lines[0][at]],
                "hour": instants(lines[1][at] * HOUR_US),
                "reason": [reason.value for _, reason in reasons],
                "n": integers(np.array(list(reasons.values()))),
            },
        )
