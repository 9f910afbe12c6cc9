"""Pollutant loads: concentration times flow, over the time both are known."""

import numpy as np

from domain.quality import Flag
from domain.time import HOUR_US, IntArray
from kpi.cuts import Segments, selected
from kpi.ragged import bisect_groups, bounds_of, owners, within
from kpi.stored import Notes
from kpi.table import ChannelTable

__all__ = ["product_segments", "volumes"]

_KG_PER_GRAM = 1e-3

_UNKNOWN = int(Flag.ESTIMATED | Flag.STEP)


def volumes(flow: Segments) -> Segments:
    """Segments of a gauge of a rate, with what flowed in each in place of the rate."""
    flow.amount[:] *= (flow.stop_us - flow.start_us) / HOUR_US
    return flow


def product_segments(table: ChannelTable, rows: IntArray, concentration: Segments, volume: Segments) -> Segments:
    """
    Loads of some products over the common hold of their inputs.

    The volume of a segment is taken as flowing evenly; gaps and steps of a register are left out.

    Parameters
    ----------
    rows : int64 (m,)
        The products, by row of the table.
    concentration : Segments
        Of m gauges, one for each product. [mg/L]
    volume : Segments
        Of m registers, interval channels or (see :func:`volumes`) gauges, without overlap. [m3]

    Returns
    -------
    Segments
        Loads [kg], cut to the products' lives.
    """
    notes = Notes(
        group=np.concatenate([concentration.notes.group, volume.notes.group]),
        ts_us=np.concatenate([concentration.notes.ts_us, volume.notes.ts_us]),
        flag=np.concatenate([concentration.notes.flag, volume.notes.flag]),
    )
    volume = selected(volume, (volume.stop_us > volume.start_us) & ((volume.flags & _UNKNOWN) == 0))
    held = selected(concentration, concentration.stop_us > concentration.start_us)
    group = owners(np.diff(held.bounds))
    low, high = volume.bounds[group], volume.bounds[group + 1]
    first = bisect_groups(volume.stop_us, low, high, held.start_us, right=True)
    counts = np.maximum(bisect_groups(volume.start_us, low, high, held.stop_us) - first, 0)
    index = owners(counts)
    other = first[index] + within(counts)
    row = rows[group[index]]
    start = np.maximum(np.maximum(held.start_us[index], volume.start_us[other]), table.valid_from_us[row])
    stop = np.minimum(np.minimum(held.stop_us[index], volume.stop_us[other]), table.valid_to_us[row])
    flowed = volume.amount[other] * (stop - start) / (volume.stop_us[other] - volume.start_us[other])
    per_group = np.bincount(group[index], minlength=len(rows))
    common = Segments(
        bounds=bounds_of(per_group),
        start_us=start,
        stop_us=stop,
        amount=held.amount[index] * flowed * _KG_PER_GRAM,
        flags=volume.flags[other],
        notes=notes,
    )
    return selected(common, stop > start)
