"""Water at night: the lowest hour between 02:00 and 04:00 of what comes into the park's network and nobody is metered to take."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, KpiFrame, NullReason, Subject, SubjectKind
from domain.quality import Flag
from domain.registry import MeterRole, Registry
from domain.time import DAY_US, HOUR_US, SECOND_US, IntArray, day_number, from_datetime
from kpi.block import Block, Scene
from kpi.definition import Family, Kpi, Made, padded
from kpi.figures import taken_kpis
from kpi.intake import supplied, used_from_network
from kpi.measures import by_owner
from kpi.members import Members, claimed
from kpi.pairs import LEAST_TOGETHER, sides_of
from kpi.tree import Tree

__all__ = [
    "FLAGGED_BEYOND",
    "NIGHT_FLOW",
    "RECENT_NIGHTS",
    "USUAL_NIGHTS",
    "night_edges",
    "night_steps",
    "step_kpis",
]

BoolArray = NDArray[np.bool_]

NIGHT_HOURS = (2, 4)
"""Between which hours of the local clock the lowest flow is looked for."""
RECENT_NIGHTS = 3
USUAL_NIGHTS = 28
"""Nights before the recent ones that these are held against."""
LEAST_NIGHTS = 0.75
"""Share of either that must be known."""
FLAGGED_BEYOND = 3.0
"""Median absolute deviations beyond which a step is flagged."""
ROUNDING = 1e-12


def night_edges(zone: ZoneInfo, days_us: IntArray) -> tuple[IntArray, IntArray]:
    """
    When the clock shows 02:00 and 04:00 on local days.

    Where the clock skips 02:00, the night begins at what follows; where it shows it twice, at the first.

    Parameters
    ----------
    zone : ZoneInfo
        The park's.
    days_us : int64 (d + 1,) [us UTC]
        Local midnights.

    Returns
    -------
    begins, ends : int64 (d,) [us UTC]

    Examples
    --------
    >>> from domain.time import parse_instant
    >>> days = np.array([parse_instant("2026-03-29T00:00:00+01:00"), parse_instant("2026-03-30T00:00:00+02:00")])
    >>> begins, ends = night_edges(ZoneInfo("Europe/Rome"), days)
    >>> ((ends - begins) / HOUR_US).tolist()
    [1.0]
    """
    edges = np.stack([days_us[:-1] + hour * HOUR_US for hour in NIGHT_HOURS])
    # Only on the two days a year on which clocks change is it not so.
    for place in np.flatnonzero(np.diff(days_us) != DAY_US).tolist():
        day = day_number(zone, int(days_us[place]))
        for row, hour in enumerate(NIGHT_HOURS):
            shown = datetime(day.year, day.month, day.day, hour, tzinfo=zone)
            edges[row, place] = from_datetime(shown.astimezone(UTC))
    return edges[0], edges[1]


def _members(_: Registry, tree: Tree, subjects: tuple[Subject, ...], __: tuple[Kpi, ...]) -> Members | None:
    """What comes into the park's network, and what everybody takes out of it, where anything is metered to come in."""
    supply = supplied(tree)
    if not len(supply):
        return None
    rows = supply.followed_by(used_from_network(tree))
    return claimed(tree, rows, by_owner(tree, rows, (SubjectKind.PARK,)), subjects)


def _sided(scene: Scene, members: Members) -> Members:
    """The park's rows by side: supply, and use where there is any; they stand in this order already."""
    comes = scene.tree.role[members.meter] == MeterRole.SUPPLY.value
    if comes.all():
        return members
    return replace(members, sides=2, first=np.array([0, np.count_nonzero(comes)]))


class _Windows:
    """Hours that begin at each base interval of a night and end within it."""

    def __init__(self, scene: Scene) -> None:
        """Those of the scene's days."""
        cells, base_us = scene.cells, scene.registry.park.base_s * SECOND_US
        begins, ends = night_edges(scene.registry.park.zone, scene.atoms)
        day = np.searchsorted(scene.atoms, cells[:-1], side="right") - 1
        self.night = (cells[:-1] >= begins[day]) & (cells[1:] <= ends[day])
        """(n,) whether each base interval lies in a night."""
        self.first = np.flatnonzero(self.night & (cells[:-1] + HOUR_US <= ends[day]))
        """(w,) the base interval with which each hour begins."""
        self.day = day[self.first]
        """(w,) the day that each belongs to."""
        self.cells = self.first[:, None] + np.arange(HOUR_US // base_us)
        """(w, k) the base intervals of each."""


def _terms(scene: Scene, block: Block, members: Members) -> Made:
    """The lowest hour of each night, hours of the night that entered, hours that should have: [m3/h], [h], [h]."""
    sided, windows = _sided(scene, members), _Windows(scene)
    sides = sides_of(scene, block, sided)
    # Where nobody is metered to take anything, what comes in is all there is to look at.
    known = np.where(sides.due, sides.measured, 1.0).min(axis=1)
    counted = sides.due[:, 0] & (known >= LEAST_TOGETHER - ROUNDING)
    amount = np.zeros(block.shape)
    whole = block.whole
    amount[block.row[whole], block.cell[whole]] = block.amount[whole]
    passed = sided.summed(amount)
    net = passed[:, 0] - (passed[:, 1] if sided.sides > 1 else 0.0)
    flow = np.where(counted[:, windows.cells].all(axis=2), net[:, windows.cells].sum(axis=2), np.nan)
    lowest, at_us = _lowest(scene, windows, flow)
    hours = np.where(windows.night & sides.due[:, 0] & (scene.cells[1:] <= scene.ticked_us), np.diff(scene.cells), 0)
    first = np.searchsorted(scene.cells, scene.atoms[:-1])
    entered, expected = (
        np.add.reduceat(spent, first, axis=1) / HOUR_US for spent in (np.where(counted, hours * known, 0.0), hours)
    )
    return Made(
        terms=padded(lowest, entered, expected), peak_at_us=at_us, flags=members.joined(block.joined(scene.atoms))
    )


def _lowest(scene: Scene, windows: _Windows, flow: FloatArray) -> tuple[FloatArray, IntArray]:
    """(t, d) the lowest of each night, and when it first began; NaN and 0 where no hour counts."""
    shape = (len(flow), len(scene.atoms) - 1)
    lowest, at_us = np.full(shape, np.nan), np.full(shape, np.iinfo(np.int64).max)
    target, window = np.nonzero(~np.isnan(flow))
    place = target, windows.day[window]
    np.fmin.at(lowest, place, flow[target, window])
    begins = scene.cells[windows.first[window]]
    is_lowest = flow[target, window] == lowest[place]
    np.minimum.at(at_us, (place[0][is_lowest], place[1][is_lowest]), begins[is_lowest])
    return lowest, np.where(np.isnan(lowest), 0, at_us)


NIGHT_FLOW = Family(members=_members, terms=_terms, by_hours=False)


def night_steps(flow: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, BoolArray]:
    """
    Whether the flow of the last nights differs from that of the nights before.

    Parameters
    ----------
    flow : float64 (n + 30,) [m3/h]
        Of neighbouring nights; NaN where there is none.

    Returns
    -------
    recent, usual, deviation : float64 (n,) [m3/h]
        For each night from the 31st on: median of it and the two before it, median of the 28 before those, and these
        28 nights' median absolute deviation. NaN where less than three quarters of either are known.
    known : float64 (n,)
        Share of the 31 nights that are known. [0..1]
    flagged : bool (n,)
        Whether the two medians differ by more than three such deviations.

    Examples
    --------
    >>> recent, usual, deviation, known, flagged = night_steps(np.array([10.0, 12.0] * 14 + [10.5, 30.0, 31.0]))
    >>> recent, usual, deviation, known, flagged
    (array([30.]), array([11.]), array([1.]), array([1.]), array([ True]))
    """
    nights = np.lib.stride_tricks.sliding_window_view(flow, RECENT_NIGHTS + USUAL_NIGHTS)
    usual, recent = _median(nights[:, :USUAL_NIGHTS]), _median(nights[:, USUAL_NIGHTS:])
    deviation = _median(np.abs(nights[:, :USUAL_NIGHTS] - usual[:, None]))
    known = (~np.isnan(nights)).mean(axis=1)
    return recent, usual, deviation, known, np.abs(recent - usual) > FLAGGED_BEYOND * deviation


def _median(values: FloatArray) -> FloatArray:
    """Median of the numbers of each row; NaN where three quarters of them are not there."""
    ordered = np.sort(values, axis=1)
    count = np.count_nonzero(~np.isnan(ordered), axis=1)
    middle = np.stack([np.maximum(count - 1, 0) // 2, count // 2], axis=1)
    middle = np.minimum(middle, values.shape[1] - 1)
    found = np.take_along_axis(ordered, middle, axis=1).mean(axis=1)
    # Of three nights, two would be less than three quarters, and are enough all the same.
    least = np.floor(LEAST_NIGHTS * values.shape[1])
    return np.where(count >= least, found, np.nan)


def step_kpis(kpi: Kpi, nights: KpiFrame, days_us: IntArray) -> KpiFrame:
    """
    The step of each night that has a row, from the stored nights up to it.

    Parameters
    ----------
    kpi : Kpi
        `night_flow_step`.
    nights : KpiFrame
        Level DAY; `night_flow` of one subject on some of the days.
    days_us : int64 (n + 30,) [us UTC]
        Starts of neighbouring local days; the first 30 are those before the first night that is asked for.
    """
    place = np.searchsorted(days_us, nights.start_us)
    flow = np.full(len(days_us), np.nan)
    flow[place] = nights.value
    recent, usual, deviation, known, flagged = night_steps(flow)
    before = RECENT_NIGHTS + USUAL_NIGHTS - 1
    asked = np.flatnonzero(place >= before)
    at = place[asked] - before
    terms = padded(*(column[at][None] for column in (recent, usual, deviation, known)))[0]
    figures = kpi.figures(terms)
    nothing = np.isnan(figures.estimate)
    reason = np.where(nothing, np.int16(NullReason.INSUFFICIENT_DATA), np.int16(NullReason.NONE))
    return replace(
        taken_kpis(nights, asked),
        kpi=np.full(len(asked), kpi.key),
        terms=terms,
        measured=figures.measured,
        value=figures.estimate,
        estimate=figures.estimate,
        error=FLAGGED_BEYOND * deviation[at],
        profile_coverage=known[at],
        total_coverage=known[at],
        estimated_share=figures.estimated_share,
        peak_at_us=np.zeros(len(asked), dtype=np.int64),
        reason=reason.astype(np.int16),
        flags=np.where(flagged[at], int(Flag.BEYOND), 0).astype(np.int32),
    )
