"""Entered values of a batch of messages: into the database in the batch's own transaction."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from domain.readings import Batch, ContextValue, Reason, Rejection
from store.columns import DUPLICATE, STORED
from store.context import enter_context

__all__ = ["enter_batch"]

_LONGEST_DETAIL = 300


def enter_batch(conn: Connection[Any], batch: Batch) -> tuple[Batch, tuple[NDArray[np.int32], NDArray[np.int8]]]:
    """
    Enter the values of a batch, in the caller's transaction.

    Returns
    -------
    Batch
        The same, with what was refused among its rejections.
    (message, fate) : int32 (n,), int8 (n,)
        Of those that were taken, the index of the message and what became of it.
    """
    groups: dict[tuple[int, str], list[ContextValue]] = defaultdict(list)
    for value in batch.contexts:
        origin, source = batch.messages[value.message].origin, batch.sources[value.message]
        groups[value.park_id, source if source == origin else f"{origin}:{source}"].append(value)
    message: list[int] = []
    fate: list[int] = []
    refused: list[Rejection] = []
    for (park_id, by), values in groups.items():
        entered = enter_context(
            conn, park_id, [value.entry for value in values], [value.tenant_id for value in values], by
        )
        for one in entered:
            value = values[one.place]
            if one.outcome == "refused":
                refused.append(_rejection(value, one.detail))
            else:
                message.append(value.message)
                fate.append(DUPLICATE if one.outcome == "same" else STORED)
    if refused:
        rejections = sorted((*batch.rejections, *refused), key=lambda one: one.message)
        batch = replace(batch, rejections=tuple(rejections))
    return batch, (np.array(message, dtype=np.int32), np.array(fate, dtype=np.int8))


def _rejection(value: ContextValue, detail: str) -> Rejection:
    return Rejection(message=value.message, place=value.place, reason=Reason.CONTEXT, detail=detail[:_LONGEST_DETAIL])
