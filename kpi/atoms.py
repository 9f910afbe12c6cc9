"""Terms of KPIs over neighbouring intervals, kept so that those of longer ones are folded from them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, KpiFrame, Subject
from domain.quality import Flag
from domain.time import IntArray
from kpi.definition import TERMS, Kpi, Made
from kpi.members import Members

__all__ = ["Atoms", "subject_codes"]


def subject_codes(kinds: NDArray[np.int16] | IntArray, ids: NDArray[np.int32] | IntArray) -> IntArray:
    """One number per subject, by the code of its kind and its id."""
    codes: IntArray = (np.asarray(kinds, dtype=np.int64) << 32) + ids
    return codes


@dataclass(frozen=True, slots=True, kw_only=True)
class Atoms:
    """Terms of KPIs (k) of subjects (s) over intervals (a); the arrays are filled by :meth:`put`."""

    place: dict[str, int]
    """Place of each KPI by its key."""
    subjects: IntArray
    """(s,) numbers of the subjects, rising; see :func:`subject_codes`."""
    start_us: IntArray
    """(a,) starts of the intervals, rising. [us UTC]"""
    terms: FloatArray
    """(k, s, a, 8); NaN where nothing is known."""
    peak_at_us: IntArray
    """(k, s, a) [us UTC]"""
    flags: IntArray
    """(k, s, a)"""

    @classmethod
    def empty(cls, kpis: tuple[Kpi, ...], subjects: tuple[Subject, ...], start_us: IntArray) -> "Atoms":
        """Room for some KPIs of some subjects over some intervals, nothing of them known."""
        place = {key: number for number, key in enumerate(dict.fromkeys(kpi.key for kpi in kpis))}
        codes = np.unique([(one.kind.code << 32) + one.id for one in subjects]).astype(np.int64)
        shape = (len(place), len(codes), len(start_us))
        return cls(
            place=place,
            subjects=codes,
            start_us=start_us,
            terms=np.full((*shape, TERMS), np.nan),
            peak_at_us=np.zeros(shape, dtype=np.int64),
            flags=np.zeros(shape, dtype=np.int64),
        )

    def put(self, frame: KpiFrame, subjects: IntArray, start_us: int, stop_us: int) -> None:
        """
        Make what is known of some subjects over the intervals in `[start, stop)` that of a frame.

        Rows of the frame that there is no room for are left out.

        Parameters
        ----------
        frame : KpiFrame
        subjects : int64 (n,)
            Numbers of the subjects.
        start_us, stop_us : int [us UTC]
        """
        first, last = np.searchsorted(self.start_us, [start_us, stop_us])
        whose = np.flatnonzero(np.isin(self.subjects, subjects))
        self.terms[:, whose, first:last] = np.nan
        self.peak_at_us[:, whose, first:last] = 0
        self.flags[:, whose, first:last] = 0
        kpi = self._places_of(frame.kpi)
        subject = _found(self.subjects, subject_codes(frame.subject_kind, frame.subject_id))
        atom = _found(self.start_us, frame.start_us)
        rows = np.flatnonzero((kpi >= 0) & (subject >= 0) & (atom >= first) & (atom < last))
        at = kpi[rows], subject[rows], atom[rows]
        self.terms[at] = frame.terms[rows]
        self.peak_at_us[at] = frame.peak_at_us[rows]
        # Whether a longer peak is a lower bound depends on its own block: the terms say it again.
        self.flags[at] = frame.flags[rows] & ~int(Flag.LOWER_BOUND)

    def _places_of(self, keys: NDArray[np.str_]) -> IntArray:
        # A frame is sorted by KPI: comparing neighbours is much faster than sorting texts.
        opens = np.flatnonzero(np.append([True], keys[1:] != keys[:-1])) if len(keys) else np.zeros(0, dtype=np.int64)
        places = np.array([self.place.get(str(keys[row]), -1) for row in opens], dtype=np.int64)
        return np.repeat(places, np.diff(opens, append=len(keys)))

    def made(self, sheet: tuple[Kpi, ...], members: Members, subjects: IntArray, atoms: IntArray) -> Made:
        """
        The terms of each target on each of some intervals; NaN where nothing is known.

        Parameters
        ----------
        sheet : tuple of Kpi
        members : Members
            Targets are KPIs of the sheet and of `subjects`.
        subjects : int64 (n,)
            Their numbers.
        atoms : int64 (n,) [us UTC]
            Starts of the intervals.
        """
        kpi = np.array([self.place.get(one.key, -1) for one in sheet], dtype=np.int64)[members.kpi]
        subject, atom = _found(self.subjects, subjects)[members.subject], _found(self.start_us, atoms)
        at = kpi[:, None], subject[:, None], atom[None, :]
        terms, peak_at_us, flags = self.terms[at], self.peak_at_us[at], self.flags[at]
        absent = ((kpi < 0) | (subject < 0))[:, None] | (atom < 0)[None, :]
        if absent.any():
            terms[absent], peak_at_us[absent], flags[absent] = np.nan, 0, 0
        return Made(terms=terms, peak_at_us=peak_at_us, flags=flags)


def _found(known: IntArray, wanted: IntArray) -> IntArray:
    """Place of each wanted value among rising ones; -1 where it is none of them."""
    if not len(known):
        return np.full(len(wanted), -1)
    place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    return np.where(known[place] == wanted, place, -1)
