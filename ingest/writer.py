"""The writing loop: take what is there, decode, commit, and only then acknowledge."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import structlog

from domain.errors import DataError, Unavailable
from domain.readings import Batch, Message, Outcome, Reason
from ingest.directory import Directory
from ingest.metrics import IngestMetrics
from ingest.parts import part_of, ranges, refused_by_database, sum_of
from ingest.reception import Receiver
from ingest.wire import Limits, decode

__all__ = ["Sink", "Writer"]

_T = TypeVar("_T")
_log = structlog.get_logger("kawasan.ingest")
_MOST_MESSAGES = 5000
_MOST_VALUES = 100_000
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
    """Moves messages from a receiver into a sink. One thread runs it; any may call `refresh`."""

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
        self._is_stale = threading.Event()
        self._loaded_at = 0.0

    def run(self, receiver: Receiver, stop: threading.Event) -> None:
        """
        Take, write and acknowledge until `stop` is set; the batch under way is finished.

        While the database is away nothing is acknowledged and nothing is lost: the broker keeps it.

        Raises
        ------
        Unavailable
            The broker refuses us.
        DataError
            The database refuses even the rejection of a message; it is not acknowledged.
        """
        while not stop.is_set():
            deliveries = receiver.take(_MOST_MESSAGES, _WAIT_S)
            if not deliveries:
                continue
            batch = self._until_available(lambda: self._decoded([one.message for one in deliveries]), stop)  # noqa: B023
            if batch is None:
                return
            for begin, end in ranges(batch, _MOST_VALUES):
                outcome = self._until_available(lambda: self._committed(part_of(batch, begin, end)), stop)  # noqa: B023
                if outcome is None:
                    return
                told = receiver.acknowledge(deliveries[begin:end])
                self._metrics.acknowledged(told, end - begin - told)

    def write(self, messages: Sequence[Message], tell: Callable[[Batch], None] = lambda _: None) -> Outcome:
        """
        Decode and commit messages; halves them until the one that the database refuses is a rejection.

        Parameters
        ----------
        messages : sequence of Message
        tell : callable
            Called with each part after it is committed.

        Raises
        ------
        Unavailable
            The database is away; writing the same again is safe.
        DataError
            The database refuses even the rejection of a message.
        """
        batch = self._decoded(messages)
        total = Outcome()
        for begin, end in ranges(batch, _MOST_VALUES):
            total = sum_of(total, self._committed(part_of(batch, begin, end), tell))
        return total

    def refresh(self) -> None:
        """Load the directory again before the next batch: the registry has changed."""
        self._is_stale.set()

    def _committed(self, batch: Batch, tell: Callable[[Batch], None] = lambda _: None) -> Outcome:
        begun = time.perf_counter()
        try:
            outcome = self._sink.write(batch)
        except DataError as error:
            messages = len(batch.messages)
            if messages > 1:
                _log.warning("the database refuses a batch, halving it", messages=messages)
                halves = part_of(batch, 0, messages // 2), part_of(batch, messages // 2, messages)
                return sum_of(self._committed(halves[0], tell), self._committed(halves[1], tell))
            _log.error("the database refuses a message, setting it aside", source=batch.sources[0])
            batch = refused_by_database(batch, error)
            outcome = self._sink.write(batch)
        tell(batch)
        self._metrics.written(outcome, len(batch.messages), time.perf_counter() - begun)
        return outcome

    def _decoded(self, messages: Sequence[Message]) -> Batch:
        batch = decode(messages, self._known_directory(), self._now_us(), self._limits)
        unknown = any(rejection.reason in _UNKNOWN for rejection in batch.rejections)
        if unknown and time.monotonic() - self._loaded_at > _REFRESH_S:
            # Perhaps the meter was added since we last looked.
            self.refresh()
            batch = decode(messages, self._known_directory(), self._now_us(), self._limits)
        return batch

    def _known_directory(self) -> Directory:
        if self._directory is None or self._is_stale.is_set():
            # Cleared first: a change while loading asks for another load.
            self._is_stale.clear()
            try:
                self._directory = self._load_directory()
            except Unavailable:
                self._is_stale.set()
                raise
            self._loaded_at = time.monotonic()
        return self._directory

    def _until_available(self, work: Callable[[], _T], stop: threading.Event) -> _T | None:
        """What `work` answers, tried again while the database is away; None if told to stop before."""
        failures = 0
        while True:
            try:
                return work()
            except Unavailable as error:
                wait_s = _BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)]
                failures += 1
                self._metrics.retried()
                _log.warning("database away, trying again", error=str(error), wait_s=wait_s)
                if stop.wait(wait_s):
                    return None
