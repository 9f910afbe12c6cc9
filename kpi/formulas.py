"""The formulas, each once: terms of any level become figures. Terms are (n, 8), figures (n,)."""

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, NullReason
from kpi.definition import Figures

__all__ = [
    "amount",
    "balance",
    "balance_error",
    "compliance",
    "filled_slots",
    "load",
    "load_factor",
    "loss_share",
    "loss_share_error",
    "peak",
    "power_factor",
]

BoolArray = NDArray[np.bool_]


def _ratio(over: FloatArray, under: FloatArray) -> FloatArray:
    """NaN where the denominator is not above zero or a side is not known."""
    ratio = np.full(over.shape, np.nan)
    np.divide(over, under, out=ratio, where=under > 0)
    return ratio


def _no_reason(like: FloatArray) -> NDArray[np.int16]:
    return np.zeros(len(like), dtype=np.int16)


def _where_zero(denominator: FloatArray) -> NDArray[np.int16]:
    """A denominator that is known and not above zero."""
    return np.where(denominator <= 0, NullReason.ZERO_DENOMINATOR, NullReason.NONE).astype(np.int16)


def _estimate(measured: FloatArray, estimated: FloatArray) -> FloatArray:
    return np.where(np.isnan(measured), 0.0, measured) + estimated


def _share(estimated: FloatArray, gross: FloatArray) -> FloatArray:
    """Share that was estimated: 0 where nothing was, NaN where nothing is known."""
    share = np.where(estimated == 0, 0.0, np.nan)
    np.divide(estimated, gross, out=share, where=(estimated != 0) & (gross != 0))
    return np.clip(share, 0.0, 1.0)


def amount(terms: FloatArray) -> Figures:
    """A sum: (measured part, estimated part)."""
    estimate = _estimate(terms[:, 0], terms[:, 1])
    return Figures(
        measured=terms[:, 0],
        estimate=estimate,
        estimated_share=_share(terms[:, 1], estimate),
        reason=_no_reason(estimate),
    )


def load(terms: FloatArray) -> Figures:
    """A load: (measured part, estimated part, hours of input); invalid where there was input and no pair of it."""
    figures = amount(terms)
    unpaired = np.isnan(figures.estimate) & (terms[:, 2] > 0)
    figures.reason[unpaired] = NullReason.INVALID_PAIR
    return figures


def _by_interval(value: FloatArray, reason: NDArray[np.int16], terms: FloatArray, lower_bound: BoolArray) -> Figures:
    """What holds for peaks and ratios by interval: nothing is estimated, and terms 2 and 3 are hours entered of hours."""
    return Figures(
        measured=value,
        estimate=value,
        estimated_share=np.where(np.isnan(value), np.nan, 0.0),
        reason=reason,
        coverage=_ratio(terms[:, 2], terms[:, 3]),
        lower_bound=lower_bound,
    )


def peak(terms: FloatArray) -> Figures:
    """A peak: (peak, share missing at the peak, hours entered, hours expected)."""
    return _by_interval(terms[:, 0], _no_reason(terms), terms, terms[:, 1] > 0)


def load_factor(terms: FloatArray) -> Figures:
    """Energy over (peak x hours): the terms of a peak, then energy and hours of the same blocks."""
    full = terms[:, 0] * terms[:, 5]
    return _by_interval(_ratio(terms[:, 4], full), _where_zero(full), terms, terms[:, 1] > 0)


def power_factor(terms: FloatArray) -> Figures:
    """E_P over sqrt(E_P^2 + E_Q^2): (E_P, E_Q, hours entered, hours expected)."""
    apparent = np.hypot(terms[:, 0], terms[:, 1])
    return _by_interval(
        _ratio(terms[:, 0], apparent), _where_zero(apparent), terms, np.zeros(len(terms), dtype=np.bool_)
    )


def balance(terms: FloatArray) -> Figures:
    """Supply minus use: (supply measured, supply estimated, use measured, use estimated)."""
    supply, use = _estimate(terms[:, 0], terms[:, 1]), _estimate(terms[:, 2], terms[:, 3])
    return Figures(
        measured=terms[:, 0] - terms[:, 2],
        estimate=supply - use,
        # A balance may be zero or negative; what was estimated is seen against what flowed on both sides.
        estimated_share=_share(terms[:, 1] + terms[:, 3], supply + use),
        reason=_no_reason(terms),
    )


def balance_error(terms: FloatArray, deviations: FloatArray) -> FloatArray:
    """sqrt(sum (eps_k V_k)^2) over the meters of both sides."""
    return np.where(np.isnan(balance(terms).estimate), np.nan, np.hypot(deviations[:, 0], deviations[:, 1]))


def loss_share(terms: FloatArray) -> Figures:
    """Balance over supply, from the terms of the balance."""
    supply = _estimate(terms[:, 0], terms[:, 1])
    parts = balance(terms)
    return Figures(
        measured=_ratio(parts.measured, terms[:, 0]),
        estimate=_ratio(parts.estimate, supply),
        estimated_share=parts.estimated_share,
        reason=_where_zero(supply),
    )


def loss_share_error(terms: FloatArray, deviations: FloatArray) -> FloatArray:
    """Of 1 - U/S: sqrt(u_U^2 + (U/S)^2 u_S^2) / S."""
    supply, use = _estimate(terms[:, 0], terms[:, 1]), _estimate(terms[:, 2], terms[:, 3])
    return _ratio(np.hypot(deviations[:, 1], _ratio(use, supply) * deviations[:, 0]), supply)


def compliance(terms: FloatArray) -> Figures:
    """Windows ok over windows judged: (ok, exceeded, invalid); invalid windows are coverage, never ok."""
    judged = terms[:, 0] + terms[:, 1]
    share = _ratio(terms[:, 0], judged)
    return Figures(
        measured=share,
        estimate=share,
        estimated_share=np.where(np.isnan(share), np.nan, 0.0),
        reason=np.where(np.isnan(share), NullReason.INSUFFICIENT_DATA, NullReason.NONE).astype(np.int16),
        coverage=_ratio(judged, judged + terms[:, 2]),
    )


def filled_slots(terms: FloatArray) -> Figures:
    """Slots with a reading over slots: (filled, expected); those in approved downtime are in neither."""
    share = _ratio(terms[:, 0], terms[:, 1])
    return Figures(
        measured=share,
        estimate=share,
        estimated_share=np.where(np.isnan(share), np.nan, 0.0),
        reason=np.where(np.isnan(share), NullReason.NO_DENOMINATOR, NullReason.NONE).astype(np.int16),
        coverage=share,
    )
