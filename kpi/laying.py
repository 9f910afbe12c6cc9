"""Rows of an amount frame laid on the rows of some members."""

from dataclasses import fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from domain.errors import InputError
from domain.frames import FloatArray, SmallArray
from domain.quality import Flag
from domain.time import SECOND_US, IntArray, to_datetime
from kpi.block import Block
from kpi.ragged import owners, runs_of
from kpi.scene import Scene, always
from kpi.tree import Rows, overlap

__all__ = ["lay"]

Scalar = TypeVar("Scalar", bound=np.generic)


def lay(scene: Scene, rows: Rows, channel: IntArray | None = None) -> Block:
    """
    The amounts of some member rows, in their lives.

    Parameters
    ----------
    scene : Scene
    rows : Rows
    channel : int64 (r,), optional
        Positions of other channels to take in place of the rows' own (the reactive energy beside the active); -1: none.

    Raises
    ------
    InputError
        An amount inside the range does not begin on an edge of its level.
    """
    columns = (rows.channel, rows.from_us, rows.to_us, *(() if channel is None else (channel,)))
    key = tuple(column.tobytes() for column in columns)
    if key not in scene.laid:
        block = _lay(scene, rows, channel)
        for column in fields(block):
            if isinstance(values := getattr(block, column.name), np.ndarray) and values is not scene.cells:
                # Many KPIs have it, none may change it.
                values.flags.writeable = False
        scene.laid[key] = block
    return scene.laid[key]


def _lay(scene: Scene, rows: Rows, channel: IntArray | None) -> Block:
    tree, frame, cells = scene.tree, scene.frame, scene.cells
    place = rows.channel if channel is None else channel
    channel_id = np.where(place >= 0, tree.channel_id[place], -1)
    gridded = _gridded(scene, rows, channel_id)
    if gridded is not None:
        return gridded
    first = np.searchsorted(frame.channel_id, channel_id, side="left")
    count = np.searchsorted(frame.channel_id, channel_id, side="right") - first
    row, source = owners(count), runs_of(first, count)
    start_us = frame.start_us[source]
    inside = (start_us >= cells[0]) & (start_us < cells[-1])
    if not inside.all():
        row, source, start_us = row[inside], source[inside], start_us[inside]
    cell = _cells_of(cells, start_us)
    astray = cells[cell] != start_us
    if astray.any():
        place_us = int(start_us[astray][0])
        raise InputError(
            f"channel {frame.channel_id[source[astray][0]]} has an amount from {to_datetime(place_us)}, "
            f"which is no edge of level {frame.level.key}; make the amounts with the park's zone and base interval"
        )
    stop_us = cells[1:][cell]
    if always(rows, cells) and not len(tree.outages):
        expected_s = (overlap(cells[:-1], cells[1:], cells[:1], np.array([scene.ticked_us])) / SECOND_US)[cell]
    else:
        lives = overlap(rows.from_us[row], rows.to_us[row], start_us, stop_us) > 0
        row, source, start_us, stop_us, cell = (part[lives] for part in (row, source, start_us, stop_us, cell))
        expected_s = scene.served_between(rows, row, start_us, stop_us) / SECOND_US
    amount, measured_s, estimated = frame.amount[source], frame.measured_s[source], frame.estimated[source]
    flags = frame.flags[source].astype(np.int64)
    _take_out_nothing(amount, measured_s, estimated, flags)
    return Block(
        shape=(len(rows), len(cells) - 1),
        edges=cells,
        row=row,
        cell=cell,
        start_us=start_us,
        stop_us=stop_us,
        source=source,
        amount=amount,
        estimated=estimated,
        measured_s=measured_s,
        covered_s=np.minimum(measured_s, expected_s),
        expected_s=expected_s,
        flags=flags,
    )


def _take_out_nothing(amount: FloatArray, measured_s: FloatArray, estimated: FloatArray, flags: IntArray) -> None:
    # A row may stand there only for its flag or its slot; what it says of the amount is then nothing, not zero.
    nothing = np.flatnonzero(measured_s <= 0)
    if not len(nothing):
        return
    nothing = nothing[(estimated[nothing] == 0) & (flags[nothing] & Flag.ESTIMATED == 0)]
    amount[nothing], estimated[nothing] = np.nan, 0.0


def _gridded(scene: Scene, rows: Rows, channel_id: SmallArray) -> Block | None:
    """The same block, where the frame has a row for every cell of each channel; None where it is not so."""
    grid = scene.grid
    if grid is None or len(scene.tree.outages) or not always(rows, scene.cells) or len(rows) > len(grid.channel_id):
        return None
    line = np.minimum(np.searchsorted(grid.channel_id, channel_id), len(grid.channel_id) - 1)
    if not len(line) or (grid.channel_id[line] != channel_id).any():
        return None
    frame, count, cells = scene.frame, len(scene.cells) - 1, len(rows) * (len(scene.cells) - 1)
    is_frame = len(line) == len(grid.channel_id) and bool((line == np.arange(len(line))).all())

    def lines(column: NDArray[Scalar]) -> NDArray[Scalar]:
        return column[:] if is_frame else column.reshape(-1, count)[line].ravel()

    amount, measured_s, expected_s = lines(frame.amount), lines(frame.measured_s), grid.expected_s[:cells]
    # Where nothing is estimated, or flagged, zeros cost no memory until they are written to.
    estimated = lines(frame.estimated) if grid.has_estimates else np.zeros(cells)
    flags = lines(frame.flags).astype(np.int64) if grid.has_flags else np.zeros(cells, dtype=np.int64)
    if is_frame and (measured_s <= 0).any():
        amount, estimated = amount.copy(), estimated.copy()
    _take_out_nothing(amount, measured_s, estimated, flags)
    is_due = bool((measured_s <= expected_s).all())
    return Block(
        shape=(len(rows), count),
        edges=scene.cells,
        row=grid.row[:cells],
        cell=grid.cell[:cells],
        start_us=grid.start_us[:cells],
        stop_us=grid.stop_us[:cells],
        source=(line[:, None] * count + np.arange(count)).ravel(),
        amount=amount,
        estimated=estimated,
        measured_s=measured_s,
        covered_s=measured_s if is_due else np.minimum(measured_s, expected_s),
        expected_s=expected_s,
        flags=flags,
    )


def _cells_of(cells: IntArray, start_us: IntArray) -> IntArray:
    """The cell in which each instant lies; all lie in one."""
    length = int(cells[1] - cells[0])
    if int(cells[-1] - cells[0]) == length * (len(cells) - 1) and (np.diff(cells) == length).all():
        cell: IntArray = (start_us - cells[0]) // length
        return cell
    return np.searchsorted(cells, start_us, side="right") - 1
