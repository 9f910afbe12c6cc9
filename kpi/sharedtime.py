"""The time that metered amounts and entered values have in common, by local days.

A day counts where entered values cover it, and where the metered amount is known over each entered value that reaches
into it; else it leaves both sides. A month's production thus stands against the month's energy, and is left out with
it where the meter was dead for longer than the gate allows. The local day is the finest time that both share: what is
entered by the hour or shift counts once its day is entered.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.context import CONTEXTS, PARK_WIDE
from domain.frames import FloatArray, Subject, SubjectKind
from domain.time import HOUR_US, IntArray
from kpi.block import Scene
from kpi.entered import LEAST_ENTERED, EnteredSums, Pieces, Residents, entered_pieces, entered_sums
from kpi.figures import DAY_GATE
from kpi.members import Members

__all__ = ["SharedTime", "shared_time"]

BoolArray = NDArray[np.bool_]
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    amount: bool
    sums: EnteredSums
    pieces: Pieces
    full_us: IntArray
    """(k,) length of the value of each piece. [us]"""
    run: IntArray
    """(k,) which part of a value, inside one period, the piece belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedTime:
    """Which days of each target count, and the entered values over them."""

    counted: BoolArray
    """(t, a)"""
    entered: BoolArray
    """(t, a) whether entered values of every series cover the day."""
    share: FloatArray
    """(t, a) part of the day that was expected of the meters, to which entered values are cut. [0..1]"""
    first: IntArray
    """(p,) first day of each period."""
    hours: FloatArray
    """(a,) length of each day. [h]"""
    series: tuple[_Series, ...]

    def any_entered(self) -> BoolArray:
        """(t, p) whether any day of the period is entered."""
        return np.logical_or.reduceat(self.entered, self.first, axis=1)

    def over(self, place: int, days: BoolArray) -> tuple[FloatArray, FloatArray]:
        """
        One series over some days: its total (or mean) per period, and the part of it that is split by time.

        Parameters
        ----------
        place : int
            Of the series among those that were asked for.
        days : bool (t, a)

        Returns
        -------
        total, prorated : float64 (t, p) [unit of the series]
            NaN where no day of the period is chosen.
        """
        one = self.series[place]
        some = np.logical_or.reduceat(days, self.first, axis=1)
        weight = np.where(days, self.share, 0.0)
        if not one.amount:
            weight = weight * self.hours
        total = np.add.reduceat(np.where(days, np.nan_to_num(one.sums.total), 0.0) * weight, self.first, axis=1)
        prorated = np.zeros(total.shape)
        if one.amount:
            prorated = self._prorated(one, weight)
        else:
            spent = np.add.reduceat(weight, self.first, axis=1)
            np.divide(total, spent, out=total, where=spent > 0)
        return np.where(some, total, np.nan), np.where(some, prorated, np.nan)

    def _prorated(self, one: _Series, weight: FloatArray) -> FloatArray:
        """Amounts of values of which not all lies in the chosen days of one period."""
        pieces = one.pieces
        part = weight[pieces.row, pieces.period]
        kept_us = np.bincount(one.run, weights=part * pieces.length_us)
        split = kept_us[one.run] < one.full_us * (1 - ROUNDING)
        by_day = pieces.summed(np.where(split, pieces.amount * part, 0.0), weight.shape)
        return np.add.reduceat(by_day, self.first, axis=1)


def shared_time(
    scene: Scene, members: Members, keys: tuple[str, ...], known_h: FloatArray, expected_h: FloatArray
) -> SharedTime:
    """
    The days that count against entered series.

    Parameters
    ----------
    scene : Scene
        At level DAY or longer; its atoms are days.
    members : Members
        One target per subject; meters have no entered values.
    keys : tuple of str
        Series that must all be entered.
    known_h, expected_h : float64 (t, a) [h]
        Time over which the metered amounts of each target are known, of the time in which they should be.
    """
    hours = np.diff(scene.atoms) / HOUR_US
    first = np.searchsorted(scene.atoms, scene.periods[:-1])
    period = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(hours))))
    entered = np.ones(expected_h.shape, dtype=np.bool_)
    counted = expected_h > 0
    owners, residents = _owners(scene, members), Residents.of(scene.registry)
    series = []
    for key in keys:
        one = _laid(scene, key, owners, residents, period)
        covered = one.sums.covered >= LEAST_ENTERED - ROUNDING
        entered &= one.sums.complete & covered
        counted &= ~_unknown_at(one, known_h, expected_h)
        series.append(one)
    return SharedTime(
        counted=counted & entered,
        entered=entered,
        share=np.minimum(expected_h / hours, 1.0),
        first=first,
        hours=hours,
        series=tuple(series),
    )


def _owners(scene: Scene, members: Members) -> IntArray:
    """Whose values stand against each target: (t,); meters have none, and get numbers that nobody has."""
    return np.array([_owner(scene.subjects[place]) for place in members.subject.tolist()], dtype=np.int64)


def _owner(subject: Subject) -> int:
    if subject.kind is SubjectKind.PARK:
        return PARK_WIDE
    return subject.id if subject.kind is SubjectKind.TENANT else -1 - subject.id


def _laid(scene: Scene, key: str, owners: IntArray, residents: Residents, period: IntArray) -> _Series:
    frame = scene.context.of(key)
    pieces = entered_pieces(frame, key, owners, scene.atoms)
    parts = np.stack([pieces.row, pieces.source, period[pieces.period]])
    turns = np.ones(len(pieces.row), dtype=np.int64)
    turns[1:] = (parts[:, 1:] != parts[:, :-1]).any(axis=0)
    return _Series(
        amount=CONTEXTS[key].amount,
        sums=entered_sums(frame, key, owners, scene.atoms, residents),
        pieces=pieces,
        full_us=(frame.stop_us - frame.start_us)[pieces.source],
        run=np.cumsum(turns) - 1,
    )


def _unknown_at(one: _Series, known_h: FloatArray, expected_h: FloatArray) -> BoolArray:
    """(t, a) days into which a value reaches whose part of the period is not known well enough by the meters."""
    pieces = one.pieces
    known, expected = (
        np.bincount(one.run, weights=hours[pieces.row, pieces.period]) for hours in (known_h, expected_h)
    )
    short = known < (DAY_GATE - ROUNDING) * expected
    return pieces.summed(short[one.run], known_h.shape) > 0
