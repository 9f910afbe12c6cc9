"""Pollutant loads: concentration times flow, over the time both are known."""

import numpy as np

from domain.quality import Flag
from domain.time import HOUR_US, IntArray
from kpi.cuts import Segments, selected
from kpi.ragged import bisect_groups, bounds_of, owners, within
from kpi.stored import Notes
from kpi.table import GAUGE, INTERVAL, ChannelTable

__all__ = ["product_segments", "rates"]

_KG_PER_GRAM = 1e-3

_UNKNOWN = int(Flag.ESTIMATED | Flag.STEP)


def rates(table: ChannelTable, rows: IntArray, flow: Segments) -> Segments:
    """Segments of flows or volumes, with the rate at which it flowed in place of the amount. [m3 per us]"""
    kind = np.repeat(table.kind[rows], np.diff(flow.bounds))
    length = np.maximum(flow.stop_us - flow.start_us, 1)
    interval = np.repeat(table.interval_us[rows], np.diff(flow.bounds))
    flow.amount[:] /= np.where(kind == GAUGE, HOUR_US, np.where(kind == INTERVAL, interval, length))
    return flow


def product_segments(table: ChannelTable, rows: IntArray, concentration: Segments, flow: Segments) -> Segments:
    """
    Loads of some products over the common hold of their inputs.

    A volume is taken as flowing evenly over its segment; gaps and steps of a register are left out.

    Parameters
    ----------
    rows : int64 (m,)
        The products, by row of the table.
    concentration : Segments
        Of m gauges, one for each product. [mg/L]
    flow : Segments
        Of m registers, gauges or interval channels, without overlap, as :func:`rates` makes them.

    Returns
    -------
    Segments
        `amount` is the load per time [kg/us], so that what falls into an interval depends on nothing beyond it;
        cut to the products' lives.
    """
    notes = Notes(
        group=np.concatenate([concentration.notes.group, flow.notes.group]),
        ts_us=np.concatenate([concentration.notes.ts_us, flow.notes.ts_us]),
        flag=np.concatenate([concentration.notes.flag, flow.notes.flag]),
    )
    flow = selected(flow, (flow.stop_us > flow.start_us) & ((flow.flags & _UNKNOWN) == 0))
    held = selected(concentration, concentration.stop_us > concentration.start_us)
    group = owners(np.diff(held.bounds))
    low, high = flow.bounds[group], flow.bounds[group + 1]
    first = bisect_groups(flow.stop_us, low, high, held.start_us, right=True)
    counts = np.maximum(bisect_groups(flow.start_us, low, high, held.stop_us) - first, 0)
    index = owners(counts)
    other = first[index] + within(counts)
    row = rows[group[index]]
    start = np.maximum(np.maximum(held.start_us[index], flow.start_us[other]), table.valid_from_us[row])
    stop = np.minimum(np.minimum(held.stop_us[index], flow.stop_us[other]), table.valid_to_us[row])
    per_group = np.bincount(group[index], minlength=len(rows))
    common = Segments(
        bounds=bounds_of(per_group),
        start_us=start,
        stop_us=stop,
        amount=held.amount[index] * flow.amount[other] * _KG_PER_GRAM,
        flags=held.flags[index] | flow.flags[other],
        notes=notes,
    )
    return selected(common, stop > start)
