"""The readings that samples are made of: corrected, as the amounts see them."""

from functools import partial

import numpy as np

from domain.frames import Readings, SmallArray
from domain.time import IntArray
from kpi.corrections import correcting
from kpi.gather import gather_ranges
from kpi.grid import Grid
from kpi.judge import BoolArray
from kpi.ranges import Ranges
from service.engine.signals.asked import Asked
from store.corrections import corrections_of
from store.readings import readings_around

__all__ = ["asked_spans", "readings_over"]


def readings_over(asked: Asked, wanted: Ranges) -> Readings:
    """
    Corrected readings of channels: all in some stretches, the one that holds at their beginning, and the one before each.

    Parameters
    ----------
    wanted : Ranges
        In any order; they may overlap.
    """
    table, grid = asked.known.plan.table, Grid.of(asked.known.plan.park)

    def load(windows: Ranges, margin: int) -> tuple[Readings, BoolArray, BoolArray]:
        step_us = table.interval_us[table.rows(windows.channel_id)]
        return readings_around(asked.conn, windows.channel_id, windows.from_us, windows.to_us, margin, step_us)

    begin, end = grid.floor(wanted.from_us), grid.ceil(np.maximum(wanted.to_us, wanted.from_us) + 1)
    whole = Ranges(channel_id=wanted.channel_id, from_us=begin, to_us=end).merged()
    return gather_ranges(table, grid, whole, correcting(load, partial(corrections_of, asked.conn))).readings


def asked_spans(asked: Asked, places: list[int], channel_id: SmallArray) -> tuple[IntArray, IntArray]:
    """
    Where samples of the channels of some watches may lie, by what is asked for, the watches' validity and what is known.

    Returns
    -------
    begin, end : int64 (n,) [us UTC]
        `[begin, end)`; empty where the end is not after the beginning.
    """
    known_us = np.maximum(asked.known_to(channel_id), asked.ticked_us)
    begin = np.maximum(np.maximum(asked.from_us[places], asked.valid_from(places)), asked.known_from(channel_id))
    end = np.minimum(np.minimum(asked.to_us[places], asked.valid_to(places) + 1), known_us + 1)
    return begin, end
