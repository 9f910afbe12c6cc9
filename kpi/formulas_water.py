"""Formulas of water, effluent and data: terms of any level become figures. Terms are (n, 8), figures (n,)."""

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, NullReason
from kpi.definition import Figures

__all__ = [
    "bills_metered",
    "excess",
    "good_values",
    "hours_outside",
    "mean_concentration",
    "mean_flow_per_area",
    "night",
    "ratio_of_pair",
    "ratio_of_volumes",
    "removed_of_pair",
    "step",
]

BoolArray = NDArray[np.bool_]
L_PER_S = 1.0 / 3.6
"""Litres per second in a cubic metre per hour."""
MG_PER_L = 1e3
"""Milligrams per litre in a kilogram per cubic metre."""


def _ratio(over: FloatArray, under: FloatArray) -> FloatArray:
    """NaN where the denominator is not above zero or a side is not known."""
    ratio = np.full(over.shape, np.nan)
    np.divide(over, under, out=ratio, where=under > 0)
    return ratio


def _reasons(*cases: tuple[BoolArray, NullReason]) -> NDArray[np.int16]:
    """The first case that applies; none where none does."""
    return np.select(
        [case for case, _ in cases], [np.int16(reason) for _, reason in cases], np.int16(NullReason.NONE)
    ).astype(np.int16)


def _plain(value: FloatArray, reason: NDArray[np.int16], coverage: FloatArray | None = None) -> Figures:
    """A value of which nothing is estimated."""
    return Figures(
        measured=value,
        estimate=value,
        estimated_share=np.where(np.isnan(value), np.nan, 0.0),
        reason=reason,
        coverage=coverage,
    )


def _pair(terms: FloatArray, *, of_loads: bool) -> Figures:
    """
    Over and under of the same intervals.

    (over measured, over estimated, under measured, under estimated, hours entered, hours expected, hours in which one side
    was measured and the other not).
    """
    over, under = terms[:, 0] + terms[:, 1], terms[:, 2] + terms[:, 3]
    estimate = _ratio(over, under)
    exact = [1.0 - np.nan_to_num(_ratio(terms[:, place], total)) for place, total in ((1, over), (3, under))]
    cases = [(under <= 0, NullReason.ZERO_DENOMINATOR)]
    if of_loads:
        cases.append((np.isnan(under) & (terms[:, 6] > 0), NullReason.INVALID_PAIR))
    return Figures(
        measured=_ratio(terms[:, 0], terms[:, 2]),
        estimate=estimate,
        estimated_share=np.where(np.isnan(estimate), np.nan, 1.0 - np.clip(exact, 0.0, 1.0).prod(axis=0)),
        reason=_reasons(*cases),
        coverage=_ratio(terms[:, 4], terms[:, 5]),
    )


def ratio_of_volumes(terms: FloatArray) -> Figures:
    """A volume over another."""
    return _pair(terms, of_loads=False)


def ratio_of_pair(terms: FloatArray) -> Figures:
    """What is over what, where one side without the other is an invalid pair."""
    return _pair(terms, of_loads=True)


def removed_of_pair(terms: FloatArray) -> Figures:
    """1 - load out / load in; below zero where more left than came."""
    left = _pair(terms, of_loads=True)
    return Figures(
        measured=1.0 - left.measured,
        estimate=1.0 - left.estimate,
        estimated_share=left.estimated_share,
        reason=left.reason,
        coverage=left.coverage,
    )


def night(terms: FloatArray) -> Figures:
    """The lowest hour of a night: (flow, hours entered, hours expected)."""
    return _plain(terms[:, 0], np.zeros(len(terms), dtype=np.int16), _ratio(terms[:, 1], terms[:, 2]))


def step(terms: FloatArray) -> Figures:
    """Median of the last nights over that of the nights before: (recent, usual, deviation, share of the nights known)."""
    return _plain(terms[:, 0] - terms[:, 1], np.zeros(len(terms), dtype=np.int16), terms[:, 3])


def mean_concentration(terms: FloatArray) -> Figures:
    """Flow-weighted mean: (load kg, volume m3, hours entered, hours expected, hours of input)."""
    reason = _reasons(
        (terms[:, 1] <= 0, NullReason.ZERO_DENOMINATOR),
        (np.isnan(terms[:, 1]) & (terms[:, 4] > 0), NullReason.INVALID_PAIR),
    )
    return _plain(_ratio(terms[:, 0], terms[:, 1]) * MG_PER_L, reason, _ratio(terms[:, 2], terms[:, 3]))


def hours_outside(terms: FloatArray) -> Figures:
    """Time outside of a limit: (hours outside, hours measured); the measured part only."""
    return _plain(terms[:, 0], np.zeros(len(terms), dtype=np.int16))


def excess(terms: FloatArray) -> Figures:
    """Load beyond a limit: (kg, hours entered, hours expected, hours of input)."""
    reason = _reasons((np.isnan(terms[:, 0]) & (terms[:, 3] > 0), NullReason.INVALID_PAIR))
    return _plain(terms[:, 0], reason, _ratio(terms[:, 1], terms[:, 2]))


def mean_flow_per_area(terms: FloatArray) -> Figures:
    """Mean flow over the known time of the days that count, by area: the terms of an intensity per `area`."""
    known = np.where(np.isnan(terms[:, :2]).all(axis=1), np.nan, np.nansum(terms[:, :2], axis=1))
    estimated, under = np.nan_to_num(terms[:, 2]), terms[:, 6]
    estimate = _ratio(_ratio(known, terms[:, 3]) * L_PER_S, under)
    share = np.where(np.isnan(estimate), np.nan, np.clip(np.nan_to_num(_ratio(estimated, known)), 0.0, 1.0))
    shared = np.where(np.isnan(under), 0.0, np.nan_to_num(_ratio(terms[:, 3], terms[:, 4])))
    return Figures(
        # Over how long the measured part flowed is told only where it is all there is.
        measured=np.where(estimated == 0, estimate, np.nan),
        estimate=estimate,
        estimated_share=share,
        reason=_reasons(
            (np.isnan(under) & np.isnan(terms[:, 7]), NullReason.NO_DENOMINATOR),
            (under <= 0, NullReason.ZERO_DENOMINATOR),
        ),
        coverage=np.minimum(shared, 1.0),
    )


def bills_metered(terms: FloatArray) -> Figures:
    """
    Energy that passed a meter over energy that was billed.

    (electricity measured, estimated, fuels measured, estimated, hours without a factor, billed, part of it that is split by
    time, share of the time that is billed).
    """
    unset, billed = terms[:, 4] > 0, terms[:, 5]
    measured = np.where(unset, np.nan, terms[:, 0] + terms[:, 2])
    metered = measured + terms[:, 1] + terms[:, 3]
    estimate = _ratio(metered, billed)
    exact = np.stack([np.ones(len(terms)), np.ones(len(terms))])
    np.divide(measured, metered, out=exact[0], where=metered > 0)
    np.divide(billed - terms[:, 6], billed, out=exact[1], where=billed > 0)
    return Figures(
        measured=_ratio(measured, billed),
        estimate=estimate,
        estimated_share=np.where(np.isnan(estimate), np.nan, 1.0 - np.clip(exact, 0.0, 1.0).prod(axis=0)),
        reason=_reasons(
            (np.isnan(billed), NullReason.NO_DENOMINATOR),
            (billed <= 0, NullReason.ZERO_DENOMINATOR),
            (unset, NullReason.NOT_CONFIGURED),
        ),
        coverage=terms[:, 7],
    )


def good_values(terms: FloatArray) -> Figures:
    """Values that numbers use as they came, of those received: (.., .., .., good, received)."""
    good, received = terms[:, 3], terms[:, 4]
    nothing = ~(received > 0)
    return _plain(
        _ratio(good, received), _reasons((nothing, NullReason.NO_DENOMINATOR)), np.where(nothing, np.nan, 1.0)
    )
