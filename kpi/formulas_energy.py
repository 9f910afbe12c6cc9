"""Formulas of energy, its cost and its carbon: terms of any level become figures. Terms are (n, 8), figures (n,)."""

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, NullReason
from kpi.definition import Figures

__all__ = [
    "carried_ratio",
    "carried_sum",
    "coincidence",
    "cost",
    "market_based",
    "percentile",
    "reactive_excess",
    "renewable_share",
    "together",
    "within_blocks",
]

BoolArray = NDArray[np.bool_]


def _ratio(over: FloatArray, under: FloatArray) -> FloatArray:
    """NaN where the denominator is not above zero or a side is not known."""
    ratio = np.full(over.shape, np.nan)
    np.divide(over, under, out=ratio, where=under > 0)
    return ratio


def together(*parts: FloatArray) -> FloatArray:
    """Sum of what is known; NaN where nothing is."""
    known = np.stack(parts)
    return np.where(np.isnan(known).all(axis=0), np.nan, np.nansum(known, axis=0))


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    """Share that was estimated: 0 where nothing was, NaN where nothing is known."""
    share = np.where(np.isnan(whole), np.nan, 0.0)
    np.divide(np.nan_to_num(part), whole, out=share, where=(np.nan_to_num(part) != 0) & (np.nan_to_num(whole) != 0))
    return np.clip(share, 0.0, 1.0)


def _reasons(*cases: tuple[BoolArray, NullReason]) -> NDArray[np.int16]:
    """The first case that applies; none where none does."""
    return np.select(
        [case for case, _ in cases], [np.int16(reason) for _, reason in cases], np.int16(NullReason.NONE)
    ).astype(np.int16)


def carried_sum(terms: FloatArray) -> Figures:
    """
    A sum over carriers.

    (metered measured, metered estimated, delivered inside, delivered split by time, hours without a factor of meters, of
    deliveries, hours of meters). Deliveries inside the period count as measured, those split by time as estimated.
    """
    measured, estimated = together(terms[:, 0], terms[:, 2]), together(terms[:, 1], terms[:, 3])
    nobody = ~(terms[:, 6] > 0) & np.isnan(terms[:, 2])
    unset = (terms[:, 4] > 0) | (terms[:, 5] > 0)
    measured, estimated = (np.where(unset, np.nan, part) for part in (measured, estimated))
    estimate = together(measured, estimated)
    return Figures(
        measured=measured,
        estimate=estimate,
        estimated_share=_share(estimated, estimate),
        reason=_reasons((unset | nobody, NullReason.NOT_CONFIGURED)),
    )


def carried_ratio(terms: FloatArray) -> Figures:
    """
    A ratio of two sums over the same carriers.

    (over measured, over estimated, under measured, under estimated, over delivered, under delivered, part of the over's
    deliveries that is split by time, hours without a factor). `measured` is of what is metered only.
    """
    over = together(terms[:, 0], terms[:, 1], terms[:, 4])
    under = together(terms[:, 2], terms[:, 3], terms[:, 5])
    unset = (terms[:, 7] > 0) | (np.isnan(terms[:, 6]) & ~np.isnan(terms[:, 4]))
    estimate = np.where(unset, np.nan, _ratio(over, under))
    return Figures(
        measured=np.where(unset, np.nan, _ratio(terms[:, 0], terms[:, 2])),
        estimate=estimate,
        estimated_share=np.where(np.isnan(estimate), np.nan, _share(together(terms[:, 1], terms[:, 6]), over)),
        reason=_reasons((unset, NullReason.NOT_CONFIGURED), (under <= 0, NullReason.ZERO_DENOMINATOR)),
    )


def market_based(terms: FloatArray) -> Figures:
    """
    Contracts and certificates first, the rest at the residual factor.

    (kgCO2e of all import at the residual factor, measured and estimated, import, kWh under contracts and certificates, kgCO2e
    of those under contracts, kWh of both that are split by time, hours without a factor, kgCO2e of steam).
    """
    taken, covered = terms[:, 2], np.nan_to_num(terms[:, 3])
    rest = np.zeros(len(terms))
    np.divide(taken - covered, taken, out=rest, where=taken > 0)
    others = terms[:, 4] + np.nan_to_num(terms[:, 7])
    all_residual = together(terms[:, 0], terms[:, 1])
    unset = (terms[:, 6] > 0) | (np.isnan(terms[:, 4]) & ~np.isnan(taken))
    estimate = np.where(unset, np.nan, all_residual * rest + others)
    # The share is one of kilowatt-hours: certificates weigh nothing in carbon, and may still be split.
    split = _share(terms[:, 1], all_residual) * rest + _share(terms[:, 5], taken)
    return Figures(
        measured=np.where(unset, np.nan, terms[:, 0] * rest + others),
        estimate=estimate,
        estimated_share=np.where(np.isnan(estimate), np.nan, np.clip(split, 0.0, 1.0)),
        reason=_reasons((unset, NullReason.NOT_CONFIGURED)),
    )


def renewable_share(terms: FloatArray) -> Figures:
    """
    Own generation used and certificates over all electricity used.

    (used measured, used estimated, own measured, own estimated, certificates, part of them that is split by time, hours
    entered, hours expected). Certificates count at most for what is not of own generation.
    """
    used = together(terms[:, 0], terms[:, 1])
    own, certified = np.nan_to_num(together(terms[:, 2], terms[:, 3])), np.nan_to_num(terms[:, 4])
    counted = np.minimum(certified, np.maximum(used - own, 0.0))
    estimate = _ratio(own + counted, used)
    unset = np.isnan(terms[:, 2]) & np.isnan(terms[:, 3]) & np.isnan(terms[:, 4])
    split = together(terms[:, 1], terms[:, 3], np.where(certified > 0, terms[:, 5], 0.0))
    estimate = np.where(unset, np.nan, estimate)
    exact = np.minimum(
        certified - np.nan_to_num(terms[:, 5]), np.maximum(terms[:, 0] - np.nan_to_num(terms[:, 2]), 0.0)
    )
    return Figures(
        measured=np.where(unset, np.nan, _ratio(np.nan_to_num(terms[:, 2]) + exact, terms[:, 0])),
        estimate=estimate,
        estimated_share=np.where(np.isnan(estimate), np.nan, _share(split, used)),
        reason=_reasons((unset, NullReason.NOT_CONFIGURED), (used <= 0, NullReason.ZERO_DENOMINATOR)),
        coverage=_ratio(terms[:, 6], terms[:, 7]),
    )


def within_blocks(terms: FloatArray) -> Figures:
    """
    Energy within the windows of a tariff.

    (measured, estimated, hours entered, hours expected, both of the windows, hours without a tariff).
    """
    unset = terms[:, 4] > 0
    measured = np.where(unset, np.nan, terms[:, 0])
    estimate = np.where(unset, np.nan, together(terms[:, 0], terms[:, 1]))
    # Of an interval without any window all is known: nothing of it lies in one.
    outside = (terms[:, 3] == 0) & ~np.isnan(estimate)
    return Figures(
        measured=measured,
        estimate=estimate,
        estimated_share=_share(terms[:, 1], estimate),
        reason=_reasons((unset, NullReason.NOT_CONFIGURED)),
        coverage=np.where(outside, 1.0, _ratio(terms[:, 2], terms[:, 3])),
    )


def reactive_excess(terms: FloatArray) -> Figures:
    """max(0, E_Q - tan(acos(pf_min)) E_P): (E_P, E_Q, hours entered, hours expected, the allowed reactive energy)."""
    excess = np.maximum(terms[:, 1] - terms[:, 4], 0.0)
    return Figures(
        measured=excess,
        estimate=excess,
        estimated_share=np.where(np.isnan(excess), np.nan, 0.0),
        reason=np.zeros(len(terms), dtype=np.int16),
        coverage=_ratio(terms[:, 2], terms[:, 3]),
    )


def percentile(terms: FloatArray) -> Figures:
    """A percentile: (percentile, greatest share missing in an interval that counts, hours entered, hours expected)."""
    return Figures(
        measured=terms[:, 0],
        estimate=terms[:, 0],
        estimated_share=np.where(np.isnan(terms[:, 0]), np.nan, 0.0),
        reason=np.zeros(len(terms), dtype=np.int16),
        coverage=_ratio(terms[:, 2], terms[:, 3]),
        lower_bound=terms[:, 1] > 0,
    )


def coincidence(terms: FloatArray) -> Figures:
    """The park's peak over the sum of its tenants': (peak, share missing, hours entered, hours expected, .., .., sum)."""
    share = _ratio(terms[:, 0], terms[:, 6])
    return Figures(
        measured=share,
        estimate=share,
        estimated_share=np.where(np.isnan(share), np.nan, 0.0),
        reason=_reasons((terms[:, 6] <= 0, NullReason.ZERO_DENOMINATOR)),
        coverage=_ratio(terms[:, 2], terms[:, 3]),
        lower_bound=terms[:, 1] > 0,
    )


def cost(terms: FloatArray) -> Figures:
    """
    What electricity costs.

    (energy by blocks measured, estimated, fixed, reactive excess, hours without a price, kvarh of the excess, days on which
    the reactive energy is not known).
    """
    energy = together(terms[:, 0], terms[:, 1])
    others = np.nan_to_num(terms[:, 2]) + np.nan_to_num(terms[:, 3])
    unset = terms[:, 4] > 0
    estimate = np.where(unset, np.nan, energy + others)
    return Figures(
        measured=np.where(unset, np.nan, terms[:, 0] + others),
        estimate=estimate,
        estimated_share=_share(terms[:, 1], estimate),
        reason=_reasons((unset, NullReason.NOT_CONFIGURED)),
        lower_bound=terms[:, 6] > 0,
    )
