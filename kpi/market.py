"""Scope 2 by the market: contracts and certificates that were entered, then the residual factor of the grid."""

from types import MappingProxyType

import numpy as np

from kpi.block import Block, Scene
from kpi.carried import SCOPE_2, Worth, coverage_of, members_of, metered
from kpi.carriers import Carrier
from kpi.definition import Family, Kpi, Made, padded
from kpi.delivered import entered_to_now, estimated_flags
from kpi.formulas_energy import together
from kpi.measures import without_peak
from kpi.members import Members

__all__ = ["MARKET", "MARKET_FACTORS"]

MARKET_FACTORS = ("contracted", "grid_residual")

_IMPORT = Worth(metered=MappingProxyType({Carrier.IMPORT: (1.0, ())}))
_RESIDUAL = Worth(metered=MappingProxyType({Carrier.IMPORT: (1.0, ("grid_residual",))}))
_STEAM = Worth(metered=MappingProxyType({Carrier.STEAM: SCOPE_2.metered[Carrier.STEAM]}), optional=SCOPE_2.optional)
_BOTH = Worth(metered=MappingProxyType({**_RESIDUAL.metered, **_STEAM.metered}), optional=SCOPE_2.optional)


def _terms(scene: Scene, block: Block, members: Members) -> Made:
    taken, residual, steam = (metered(scene, block, members, worth) for worth in (_IMPORT, _RESIDUAL, _STEAM))
    none = np.full(taken.hours.shape, np.nan)
    made = padded(
        residual.measured,
        residual.estimated,
        together(taken.measured, taken.estimated),
        none,
        none,
        none,
        residual.hours_without_factor + steam.hours_without_factor,
        together(steam.measured, steam.estimated),
    )
    return without_peak(made, taken.flags | steam.flags)


def _entered(scene: Scene, members: Members, _: tuple[Kpi, ...], __: Made, folded: Made) -> Made:
    """Contracts cover what was taken first, certificates what is left; what is beyond that counts for nothing."""
    taken = np.maximum(folded.terms[..., 2], 0.0)
    contracted = entered_to_now(scene, members, "electricity_contracted")
    carbon = entered_to_now(scene, members, "electricity_contracted", ("contracted",))
    certified = entered_to_now(scene, members, "certificates")
    agreed, retired = (np.nan_to_num(one.whole + one.split) for one in (contracted, certified))
    by_contract = np.minimum(agreed, taken)
    by_certificate = np.minimum(retired, taken - by_contract)
    used, also_used = np.ones(taken.shape), np.ones(taken.shape)
    np.divide(by_contract, agreed, out=used, where=agreed > 0)
    np.divide(by_certificate, retired, out=also_used, where=retired > 0)
    made = folded.terms.copy()
    made[..., 3] = by_contract + by_certificate
    made[..., 4] = np.where(carbon.hours_without_factor > 0, np.nan, np.nan_to_num(carbon.whole + carbon.split) * used)
    made[..., 5] = np.nan_to_num(contracted.split) * used + np.nan_to_num(certified.split) * also_used
    flags = estimated_flags(folded.flags, made[..., 1], made[..., 5])
    return Made(terms=made, peak_at_us=folded.peak_at_us, flags=flags)


MARKET = Family(members=members_of(_BOTH), terms=_terms, coverage=coverage_of(_BOTH), over_periods=_entered)
