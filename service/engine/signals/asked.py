"""What samples are asked for: of which watches, from when to when; and what all signals share."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

from domain.alarms import SampleFrame, Signal, Status, Watch
from domain.frames import FloatArray, SmallArray
from domain.time import SECOND_US, IntArray
from kpi.scene import ticked_edge
from kpi.table import FAR_US, PRODUCT, REGISTER
from service.engine.known import Known
from store.signalreads import newest, oldest

__all__ = ["Asked", "finite", "joined_samples", "made_samples", "no_samples", "seconds", "statuses"]

_LONG_AGO = -FAR_US


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Samples with `from <= at < to` of some watches; (w,) each."""

    conn: Connection[Any]
    known: Known
    watches: tuple[Watch, ...]
    from_us: IntArray
    """[us UTC]"""
    to_us: IntArray
    """[us UTC]"""
    seen: dict[int, tuple[int, int]] = field(init=False, default_factory=dict, repr=False)
    """First and newest stored reading of channels that were asked for, by id. [us UTC]"""

    @property
    def ticked_us(self) -> int:
        """Every base interval that ended by then is final; before all time where there was no tick. [us UTC]"""
        return ticked_edge(self.known.plan.park)

    def places(self, signal: Signal, chosen: Callable[[Watch], bool] = lambda _: True) -> list[int]:
        """Places of the watches of one signal of which something is asked."""
        some = (self.from_us < self.to_us).tolist()
        return [
            place
            for place, watch in enumerate(self.watches)
            if some[place] and watch.source.signal is signal and chosen(watch)
        ]

    def valid_from(self, places: Iterable[int]) -> IntArray:
        """From when each of some watches holds. [us UTC]"""
        return np.array([self.watches[place].valid_from_us for place in places], dtype=np.int64)

    def valid_to(self, places: Iterable[int]) -> IntArray:
        """Until when each of some watches holds. [us UTC]"""
        return np.array([min(self.watches[place].valid_to_us, FAR_US) for place in places], dtype=np.int64)

    def known_from(self, channel_ids: SmallArray) -> IntArray:
        """
        From when on anything is known of each of some channels: its first reading, far ahead where none came; (n,). [us UTC]

        Of a product, from when on both that it is made of are known.
        """
        first, second = self._inputs(channel_ids)
        return np.maximum(self._seen(first)[0], self._seen(second)[0])

    def known_to(self, channel_ids: SmallArray) -> IntArray:
        """
        Up to when what each of some channels did is known, as far as readings say: (n,), long ago where none came. [us UTC]

        A register is known up to its newest reading, others as long as it stands for; a product as far as both it is made of.
        """
        table = self.known.plan.table
        first, second = (
            self._seen(rows)[1] + np.where(table.kind[rows] == REGISTER, 0, table.interval_us[rows])
            for rows in self._inputs(channel_ids)
        )
        return np.minimum(first, second)

    def _inputs(self, channel_ids: SmallArray) -> tuple[IntArray, IntArray]:
        """The two channels that each product is made of, by row of the table; for others twice the channel itself."""
        table = self.known.plan.table
        rows = table.rows(channel_ids)
        product = table.kind[rows] == PRODUCT
        first, second = (np.where(product, side[rows], rows) for side in (table.concentration, table.flow))
        return first.astype(np.int64), second.astype(np.int64)

    def _seen(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        ids = self.known.plan.table.channel_id[rows].tolist()
        unasked = np.array(sorted({one for one in ids if one not in self.seen}), dtype=np.int32)
        if len(unasked):
            found = [
                dict(zip(*(column.tolist() for column in read(self.conn, unasked)), strict=True))
                for read in (oldest, newest)
            ]
            for one in unasked.tolist():
                self.seen[one] = found[0].get(one, FAR_US), found[1].get(one, _LONG_AGO)
        seen = np.array([self.seen[one] for one in ids], dtype=np.int64).reshape(-1, 2)
        return seen[:, 0], seen[:, 1]


def finite(bound: float | None, none: float) -> float:
    """A bound, or infinity where there is none."""
    return none if bound is None else bound


def made_samples(  # noqa: PLR0917 - the columns of a sample
    asked: Asked,
    watch: NDArray[Any],
    start_us: IntArray,
    stop_us: IntArray,
    at_us: IntArray,
    values: tuple[FloatArray, FloatArray],
    *,
    status: NDArray[np.int8],
    known_s: FloatArray,
    bounds: tuple[FloatArray, FloatArray] | None = None,
    excess_kg: FloatArray | None = None,
) -> SampleFrame:
    """
    Samples in any order; bounds are those of their watches where none are given.

    Parameters
    ----------
    values : (least, greatest)
        (n,) each. [unit]
    bounds : (lowest, highest), optional
        (n,) each. [unit]
    """
    if bounds is None:
        lowest = np.array([finite(one.lowest, -np.inf) for one in asked.watches])
        highest = np.array([finite(one.highest, np.inf) for one in asked.watches])
        bounds = lowest[watch], highest[watch]
    return SampleFrame(
        watch=watch.astype(np.int32),
        start_us=start_us,
        stop_us=stop_us,
        at_us=at_us,
        least=values[0],
        greatest=values[1],
        lowest=bounds[0],
        highest=bounds[1],
        status=status,
        known_s=known_s,
        excess_kg=np.full(len(at_us), np.nan) if excess_kg is None else excess_kg,
        final=at_us <= asked.ticked_us,
    )


def no_samples() -> SampleFrame:
    """A frame without rows."""
    none, real = np.empty(0, dtype=np.int64), np.empty(0)
    return SampleFrame(
        watch=np.empty(0, dtype=np.int32),
        start_us=none,
        stop_us=none,
        at_us=none,
        least=real,
        greatest=real,
        lowest=real,
        highest=real,
        status=np.empty(0, dtype=np.int8),
        known_s=real,
        excess_kg=real,
        final=np.empty(0, dtype=np.bool_),
    )


def joined_samples(*parts: SampleFrame) -> SampleFrame:
    """Several frames as one, sorted; no two of them have a watch and time in common."""
    columns = {
        column.name: np.concatenate([getattr(part, column.name) for part in (no_samples(), *parts)])
        for column in fields(SampleFrame)
    }
    order = np.lexsort((columns["start_us"], columns["at_us"], columns["watch"]))
    return SampleFrame(**{name: column[order] for name, column in columns.items()})


def statuses(valid: NDArray[np.bool_], idle: NDArray[np.bool_] | None = None) -> NDArray[np.int8]:
    """Code of VALID where it is so, else of MISSING, or of IDLE."""
    status = np.where(valid, Status.VALID, Status.MISSING)
    if idle is not None:
        status = np.where(idle, Status.IDLE, status)
    return status.astype(np.int8)


def seconds(length_us: IntArray) -> FloatArray:
    """Lengths in seconds. [s]"""
    made: FloatArray = length_us / SECOND_US
    return made
