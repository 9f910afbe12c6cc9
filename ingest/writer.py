"""The writing loop: take what is there, decode, commit, and only then acknowledge."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import structlog

from domain.errors import DataError, Unavailable
from domain.readings import Batch, Message, Outcome, ReadingBatch, Reason, Rejection
from ingest.directory import Directory
from ingest.metrics import IngestMetrics
from ingest.receiver import Receiver
from ingest.wire import Limits, decode

__all__ = ["Sink", "Writer"]

_log = structlog.get_logger("kawasan.ingest")
_MOST_MESSAGES = 5000
_WAIT_S = 0.2
_REFRESH_S = 2.0
_BACK_OFF_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
_UNKNOWN = frozenset({Reason.UNKNOWN_METER, Reason.UNKNOWN_CHANNEL})


class Sink(Protocol):
    """Where batches are committed."""

    def write(self, batch: Batch) -> Outcome:
        """
        Commit a batch whole.

        Raises
        ------
        Unavailable
            Nothing may have been written; writing it again is safe.
        DataError
            Nothing was written, and writing it again fails again.
        """
        ...


class Writer:
    """Moves messages from a receiver into a sink. One thread runs it."""

    def __init__(
        self,
        sink: Sink,
        load_directory: Callable[[], Directory],
        limits: Limits,
        metrics: IngestMetrics,
        *,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """Prepare; `load_directory` is asked at first use, and again when something unknown arrives."""
        self._sink = sink
        self._load_directory = load_directory
        self._limits = limits
        self._metrics = metrics
        self._now_us = now_us
        self._directory: Directory | None = None
        self._loaded_at = 0.0

    def run(self, receiver: Receiver, stop: threading.Event) -> None:
        """
        Take, write and acknowledge until `stop` is set.

        While the database is away nothing is acknowledged and nothing is lost: the broker keeps it.

        Raises
        ------
        Unavailable
            The broker refuses us.
        """
        while not stop.is_set():
            deliveries = receiver.take(_MOST_MESSAGES, _WAIT_S)
            if not deliveries:
                continue
            messages = [delivery.message for delivery in deliveries]
            if self._write_whatever_it_takes(messages, stop):
                told = receiver.acknowledge(deliveries)
                self._metrics.acknowledged(told, len(deliveries) - told)

    def write(self, messages: Sequence[Message]) -> Outcome:
        """
        Decode and commit messages; halves them until the one that the database refuses is a rejection.

        Raises
        ------
        Unavailable
            The database is away; writing the same again is safe.
        DataError
            The database refuses even the rejection of a message.
        """
        batch = self._decoded(messages)
        begun = time.perf_counter()
        try:
            outcome = self._sink.write(batch)
        except DataError as error:
            if len(messages) == 1:
                return self._sink.write(_refused(batch, error))
            middle = len(messages) // 2
            return _sum(self.write(messages[:middle]), self.write(messages[middle:]))
        self._metrics.written(outcome, len(messages), time.perf_counter() - begun)
        return outcome

    def refresh(self) -> None:
        """Load the directory again before the next batch: the registry has changed."""
        self._directory = None

    def _decoded(self, messages: Sequence[Message]) -> Batch:
        batch = decode(messages, self._known_directory(), self._now_us(), self._limits)
        unknown = any(rejection.reason in _UNKNOWN for rejection in batch.rejections)
        if unknown and time.monotonic() - self._loaded_at > _REFRESH_S:
            # Perhaps the meter was added since we last looked.
            self._directory = None
            batch = decode(messages, self._known_directory(), self._now_us(), self._limits)
        return batch

    def _known_directory(self) -> Directory:
        if self._directory is None:
            self._directory = self._load_directory()
            self._loaded_at = time.monotonic()
        return self._directory

    def _write_whatever_it_takes(self, messages: Sequence[Message], stop: threading.Event) -> bool:
        failures = 0
        while True:
            try:
                self.write(messages)
            except Unavailable as error:
                wait_s = _BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)]
                failures += 1
                self._metrics.retried()
                _log.warning("database away, trying again", error=str(error), wait_s=wait_s)
                if stop.wait(wait_s):
                    return False
            else:
                return True


def _refused(batch: Batch, error: DataError) -> Batch:
    nothing = np.zeros(0, dtype=np.int32)
    text = "".join(sign if " " <= sign <= "~" else "?" for sign in str(error))
    rejection = Rejection(message=0, place="", reason=Reason.DATABASE, detail=text[:300], values=max(1, batch.received))
    readings = ReadingBatch(
        message=nothing,
        channel_id=nothing,
        ts_us=nothing.astype(np.int64),
        value=nothing.astype(np.float64),
        quality=nothing,
    )
    return Batch(messages=batch.messages, sources=batch.sources, readings=readings, rejections=(rejection,))


def _sum(one: Outcome, other: Outcome) -> Outcome:
    reasons = one.rejected.keys() | other.rejected.keys()
    return Outcome(
        stored=one.stored + other.stored,
        duplicate=one.duplicate + other.duplicate,
        conflict=one.conflict + other.conflict,
        rejected={reason: one.rejected.get(reason, 0) + other.rejected.get(reason, 0) for reason in reasons},
    )
