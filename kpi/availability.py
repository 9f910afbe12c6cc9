"""Availability: slots in which readings are expected, and those that have one."""

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, Subject
from domain.registry import Kind, Registry
from domain.time import DAY_US, SECOND_US, IntArray, Level, day_number, level_edges
from kpi.block import Block, Scene
from kpi.definition import Family, Kpi, Made, Term, padded
from kpi.measures import ALONE, SUMMED, by_owner, without_peak
from kpi.members import Members, claimed
from kpi.outages import Outages
from kpi.ragged import owners, runs_of, same_rows
from kpi.tree import Rows, Tree, rows_where

__all__ = ["AVAILABILITY", "SLOT_TERMS"]

FEW_TARGETS = 8
"""Up to so many, summing one after another, row by row, is faster than all at once, column by column."""


def _published(_: Registry, tree: Tree, subjects: tuple[Subject, ...], __: tuple[Kpi, ...]) -> Members | None:
    """Every channel from which readings are expected at fixed intervals."""
    rows = rows_where(tree, (tree.kind != Kind.PRODUCT.value) & (tree.kind != Kind.EVENT.value))
    return claimed(tree, rows, by_owner(tree, rows, SUMMED + ALONE), subjects)


def _slot_terms(scene: Scene, block: Block, members: Members) -> Made:
    """What :data:`SLOT_TERMS` says; of the channel's life before the tick."""
    rows, atoms = members.rows, scene.atoms
    until = np.minimum(rows.to_us, scene.ticked_us)
    interval_us = scene.tree.interval_s[rows.channel] * SECOND_US
    due = _slots_between(scene, rows, interval_us, until, atoms)
    due_here = _slots_between(scene, rows, interval_us, until, scene.cells)
    due_here = due_here if block.is_dense else due_here[block.row, block.cell]
    outages = scene.tree.outages.taken(members.meter)
    lost = np.zeros((len(members.kpi), due.shape[1]))
    if len(outages):
        down = _slots_down(scene, members, outages, until, interval_us)
        due_here = due_here - _slots_down_here(scene, block, members, outages, until).reshape(due_here.shape)
        due, lost = due - down, _counted(members, down)
    expected = _counted(members, due)
    final = scene.cells[1:] <= scene.ticked_us
    received, unusable = block.taken(scene.frame.received), block.taken(scene.frame.unusable)
    if not final.all():
        received, unusable = (np.where(final[block.cell], counts, 0) for counts in (received, unusable))
    columns = (np.minimum(block.taken(scene.frame.slots).reshape(due_here.shape), due_here), received, unusable)
    filled, came, bad = (_counted(members, block.counted(values.ravel(), atoms)) for values in columns)
    terms = padded(filled, expected, lost, came - bad, came)
    return without_peak(terms, members.joined(block.joined(atoms)))


def _counted(members: Members, counts: NDArray[np.integer]) -> FloatArray:
    """(t, a) sum of whole numbers (r, a) over the rows of each target, which is the same in any order."""
    if not counts.any():
        return np.zeros((len(members.kpi), counts.shape[1]))
    if same_rows(counts):
        sizes = np.diff(np.append(members.first, len(members.pair_row)))
        each: FloatArray = (sizes[:, None] * counts[0]).astype(np.float64)
        return each
    if len(members.first) > FEW_TARGETS:
        return members.summed(counts.astype(np.float64))[:, 0]
    parts = np.split(members.of_pairs(counts), members.first[1:])
    return np.stack([part.sum(axis=0, dtype=np.int64) for part in parts]).astype(np.float64)


def _slots_between(scene: Scene, rows: Rows, interval_us: IntArray, until_us: IntArray, edges: IntArray) -> IntArray:
    """(r, p) slots of each row that begin in each interval, in the row's life up to `until`."""
    # Most channels live all along and have the same few intervals: each case is counted once.
    lives = np.stack([interval_us, np.clip(rows.from_us, edges[0], edges[-1]), np.clip(until_us, edges[0], edges[-1])])
    order = np.lexsort(lives)
    opens = np.append(True, (lives[:, order[1:]] != lives[:, order[:-1]]).any(axis=0))
    which = np.empty(len(order), dtype=np.int64)
    which[order] = np.cumsum(opens) - 1
    interval, begin, end = lives[:, order[opens]]
    shape = (len(interval), len(edges) - 1)
    slots = _slots(
        scene,
        np.broadcast_to(interval[:, None], shape),
        np.maximum(begin[:, None], edges[:-1]),
        np.minimum(end[:, None], edges[1:]),
    )
    return np.broadcast_to(slots, (len(which), shape[1])) if len(slots) == 1 else slots[which]


SLOT_TERMS = (
    Term(key="filled", unit="1"),
    Term(key="expected", unit="1"),
    Term(key="downtime", unit="1"),
    Term(key="good", unit="1"),
    Term(key="received", unit="1"),
)
"""Slots with a reading, slots, and slots in approved downtime, which are in neither; values that are good, values."""


def _slots_down(
    scene: Scene, members: Members, outages: Outages, until_us: IntArray, interval_us: IntArray
) -> IntArray:
    """(r, a) slots that begin while the meter of a row is out of service; `outages` are those of the rows."""
    rows, atoms = members.rows, scene.atoms
    owner = owners(outages.counts(np.arange(len(rows))))
    begin = np.maximum(rows.from_us[owner], outages.from_us)
    end = np.minimum(until_us[owner], outages.to_us)
    shape = (len(owner), len(atoms) - 1)
    begun = _slots(
        scene,
        np.broadcast_to(interval_us[owner][:, None], shape),
        np.maximum(begin[:, None], atoms[:-1]),
        np.minimum(end[:, None], atoms[1:]),
    )
    down = np.zeros((len(rows), shape[1]), dtype=np.int64)
    np.add.at(down, owner, begun)
    return down


def _slots_down_here(scene: Scene, block: Block, members: Members, outages: Outages, until_us: IntArray) -> IntArray:
    """(k,) the same, of the intervals of a block's entries."""
    rows = members.rows
    counts = outages.counts(block.row)
    entry, outage = owners(counts), runs_of(outages.bounds[block.row], counts)
    row = block.row[entry]
    begin = np.maximum(np.maximum(rows.from_us[row], outages.from_us[outage]), block.start_us[entry])
    end = np.minimum(np.minimum(until_us[row], outages.to_us[outage]), block.stop_us[entry])
    begun = _slots(scene, scene.tree.interval_s[rows.channel[row]] * SECOND_US, begin, end)
    down = np.zeros(len(block.row), dtype=np.int64)
    np.add.at(down, entry, begun)
    return down


def _slots(scene: Scene, interval_us: IntArray, from_us: IntArray, to_us: IntArray) -> IntArray:
    """
    How many slots begin in `[from, to)`; 0 where that is empty.

    Slots shorter than a day are counted from each local midnight; longer ones begin at every n-th midnight, the days
    counted from 0001-01-01.
    """
    park = scene.registry.park
    days = level_edges(park.zone, park.base_s, Level.DAY, int(scene.cells[0]), int(scene.cells[-1]))
    number = day_number(park.zone, int(days[0])).toordinal() + np.arange(len(days) - 1)
    kinds, kind = np.unique(interval_us, return_inverse=True)
    whole_days = np.maximum(kinds // DAY_US, 1)[:, None]
    of_day = np.where(kinds[:, None] < DAY_US, -(-np.diff(days) // kinds[:, None]), number % whole_days == 0)
    before = np.concatenate([np.zeros((len(kinds), 1), dtype=np.int64), np.cumsum(of_day, axis=1)], axis=1)

    def begun(instant_us: IntArray) -> IntArray:
        inside = np.clip(instant_us, days[0], days[-1])
        day = np.searchsorted(days, inside, side="right") - 1
        into = inside - days[day]
        here = np.where(interval_us < DAY_US, -(-into // interval_us), 0)
        # At a midnight the day has begun no slot yet; past it, a long one begins where the next day has one more.
        following = before[kind.reshape(inside.shape), np.minimum(day + 1, len(days) - 1)]
        past = before[kind.reshape(inside.shape), day]
        count: IntArray = past + np.where((interval_us >= DAY_US) & (into > 0), following - past, here)
        return count

    slots: IntArray = np.where(from_us < to_us, begun(to_us) - begun(from_us), 0)
    return slots


AVAILABILITY = Family(members=_published, terms=_slot_terms, shared=True)
