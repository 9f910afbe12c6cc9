"""Amounts of one channel as the API answers them: folded where no such level is stored, with their coverage."""

from dataclasses import dataclass

import numpy as np

from domain.frames import AmountFrame, FloatArray, SmallArray
from domain.quantities import QUANTITIES
from domain.registry import Channel, Outage, Park
from domain.time import SECOND_US, IntArray, Level, base_edges
from kpi.fold import fold_amounts
from kpi.outages import Outages
from service.api.models import AmountValue
from service.api.ranges import local_time
from service.api.values import flag_words, number, optional_time
from store.queries import StoredAmounts

__all__ = ["Folded", "amount_values", "expected_s", "folded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """Amounts of the level that was asked for, and the amounts of the stored level that they are made of."""

    frame: AmountFrame
    source: StoredAmounts

    def origin(self, edges: IntArray) -> tuple[SmallArray, IntArray]:
        """Per interval, the greatest revision and the newest time among the amounts it is made of; 0: none."""
        revision = np.zeros(len(edges), dtype=np.int32)
        computed_at_us = np.zeros(len(edges), dtype=np.int64)
        place = np.searchsorted(edges, self.source.frame.start_us, side="right") - 1
        np.maximum.at(revision, place, self.source.revision)
        np.maximum.at(computed_at_us, place, self.source.computed_at_us)
        return revision, computed_at_us


def folded(stored: StoredAmounts, level: Level, park: Park) -> Folded:
    """Stored amounts as those of a level, which is theirs, or a calendar level above days."""
    frame = stored.frame
    if frame.level is not level:
        frame = fold_amounts(frame, level, park.zone, park.base_s)
    return Folded(frame=frame, source=stored)


def expected_s(channel: Channel, park: Park, edges: IntArray, outages: tuple[Outage, ...]) -> FloatArray:
    """How much of each interval a channel was expected to be measured: its life in service, as far as the park is ticked. [s]"""
    if park.ticked_to_us is None:
        return np.zeros(len(edges) - 1)
    ticked_us = int(base_edges(park.zone, park.base_s, park.ticked_to_us, park.ticked_to_us + 1)[0])
    until_us = ticked_us if channel.valid_to_us is None else min(ticked_us, channel.valid_to_us)
    first, last = np.maximum(edges[:-1], channel.valid_from_us), np.minimum(edges[1:], until_us)
    lost = Outages.of([outages]).length(np.zeros(len(first), dtype=np.int64), first, last)
    expected: FloatArray = (np.maximum(last - first, 0) - lost) / SECOND_US
    return expected


def amount_values(
    amounts: Folded, edges: IntArray, park: Park, channel: Channel, outages: tuple[Outage, ...] = ()
) -> list[AmountValue]:
    """
    One value per interval, in order of time; where nothing is known, nulls with coverage 0.

    Coverage is null where no reading was expected: outside the channel's life, in `outages` of its meter, and after
    the park's last tick.

    Parameters
    ----------
    edges : int64 (n + 1,) [us UTC]
    """
    row_at = {int(start): row for row, start in enumerate(amounts.frame.start_us)}
    lasting_s = expected_s(channel, park, edges, outages)
    revision, computed_at_us = amounts.origin(edges)
    quantity = QUANTITIES.get(channel.quantity)
    adds_up = quantity is None or quantity.stock
    amount_unit = channel.unit if adds_up else quantity.integral if quantity else None
    values = []
    for place in range(len(edges) - 1):
        times = local_time(park.zone, int(edges[place])), local_time(park.zone, int(edges[place + 1]))
        row = row_at.get(int(edges[place]))
        expected = float(lasting_s[place])
        common = {"start": times[0], "stop": times[1], "amount_unit": amount_unit, "unit": channel.unit}
        made = _nothing(expected) if row is None else _known(amounts.frame, row, expected, park)
        values.append(
            AmountValue(
                **common,
                **made,
                revision=int(revision[place]),
                computed_at=optional_time(park.zone, int(computed_at_us[place])),
            )
        )
    return values


def _nothing(expected_s: float) -> dict[str, object]:
    coverage = 0.0 if expected_s > 0 else None
    names = ("amount", "measured", "mean", "low", "high", "last", "peak", "peak_at", "estimated_share")
    return {**dict.fromkeys(names), "profile_coverage": coverage, "total_coverage": coverage, "flags": []}


def _known(frame: AmountFrame, row: int, expected_s: float, park: Park) -> dict[str, object]:
    amount, estimated = number(frame.amount[row]), float(frame.estimated[row])
    measured_s = float(frame.measured_s[row])
    covered_s = measured_s + float(frame.inner_gap_s[row])
    return {
        "amount": amount,
        "measured": None if amount is None else amount - estimated,
        "mean": number(frame.mean[row]),
        "low": number(frame.low[row]),
        "high": number(frame.high[row]),
        "last": number(frame.last[row]),
        "peak": number(frame.peak[row]),
        "peak_at": optional_time(park.zone, int(frame.peak_at_us[row])),
        "profile_coverage": min(measured_s / expected_s, 1.0) if expected_s > 0 else None,
        "total_coverage": min(covered_s / expected_s, 1.0) if expected_s > 0 else None,
        "estimated_share": _share(estimated, amount),
        "flags": flag_words(int(frame.flags[row])),
    }


def _share(estimated: float, amount: float | None) -> float | None:
    if amount is None:
        return None
    if estimated == 0:
        return 0.0
    return min(max(estimated / amount, 0.0), 1.0) if amount else None
