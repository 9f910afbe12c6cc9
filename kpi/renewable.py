"""Own generation that is used, and certificates, against all electricity used, both of the same intervals."""

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, Subject, SubjectKind
from domain.quality import Flag
from domain.registry import Registry
from domain.time import SECOND_US, IntArray
from kpi.block import Block, Scene
from kpi.carriers import Carrier, Electricity, carriers_of
from kpi.definition import Family, Kpi, Made, padded
from kpi.delivered import entered_to_now, estimated_flags
from kpi.measures import SUMMED, by_owner, hours_of, without_peak
from kpi.members import Members, claimed
from kpi.tree import Tree

__all__ = ["RENEWABLE"]

BoolArray = NDArray[np.bool_]
ROUNDING_S = 1e-6

_USED = {Carrier.IMPORT: 1.0, Carrier.GENERATION: 1.0, Carrier.EXPORT: -1.0}
_OWN_OF_TENANT = {Carrier.GENERATION: 1.0, Carrier.EXPORT: -1.0}
_MAKES = (Carrier.GENERATION, Carrier.FED_IN)
_OWN_OF_PARK = {Carrier.GENERATION: 1.0, Carrier.FED_IN: 1.0, Carrier.SOLD: -1.0}


def _members(_: Registry, tree: Tree, subjects: tuple[Subject, ...], __: tuple[Kpi, ...]) -> Members | None:
    """What tenants use and make; for the park also what feeds its network, and what it gives to the grid."""
    electricity = Electricity.of(tree)
    used, network = electricity.used, electricity.fed_in.followed_by(electricity.sold)
    claims = by_owner(tree, used, SUMMED) + by_owner(tree, network, (SubjectKind.PARK,), first_row=len(used))
    return claimed(tree, used.followed_by(network), claims, subjects)


def _signs(carrier: IntArray, signs: dict[Carrier, float]) -> FloatArray:
    table = np.zeros(len(Carrier))
    for each, sign in signs.items():
        table[each] = sign
    return table[carrier]


def _known(block: Block) -> BoolArray:
    """Whether an amount is that of the whole interval, measured or spread over a gap."""
    whole = block.measured_s >= (block.stop_us - block.start_us) / SECOND_US - ROUNDING_S
    return ~np.isnan(block.amount) & (whole | ((block.flags & Flag.ESTIMATED) > 0))


def _together(scene: Scene, block: Block, group: IntArray, members: Members) -> BoolArray:
    """(g, n) cells in which all rows of a group that live are known."""
    shape = (int(group.max()) + 1, len(scene.cells) - 1)
    rows, cells = members.rows, scene.cells
    begin = np.searchsorted(cells, np.clip(rows.from_us, cells[0], cells[-1]), side="right") - 1
    end = np.searchsorted(cells, np.clip(rows.to_us, cells[0], cells[-1]), side="left")
    change = np.zeros((shape[0], shape[1] + 1), dtype=np.int64)
    lives = begin < end
    np.add.at(change, (group[lives], begin[lives]), 1)
    np.add.at(change, (group[lives], end[lives]), -1)
    known = block.only(_known(block))
    found = np.bincount(group[known.row] * shape[1] + known.cell, minlength=shape[0] * shape[1]).reshape(shape)
    whole: BoolArray = found == np.cumsum(change[:, :-1], axis=1)
    return whole


def _shared(scene: Scene, block: Block, members: Members) -> tuple[Block, BoolArray]:
    """
    The entries that count on both sides, and of these, which the park counts too.

    An interval counts for a tenant where all its meters are known; for the park also all those of its network.
    """
    carrier = carriers_of(scene.tree, members.rows)
    of_network = np.isin(carrier, (Carrier.FED_IN, Carrier.SOLD))
    _, tenant = np.unique(scene.tree.tenant_id[members.meter], return_inverse=True)
    group = np.where(of_network, int(tenant.max()) + 1, tenant)
    together = _together(scene, block, group, members)
    kept = block.only(_known(block) & together[group[block.row], block.cell])
    if not of_network.any():
        return kept, np.ones(len(kept.row), dtype=np.bool_)
    return kept, together[-1, kept.cell]


def _parts(scene: Scene, members: Members, block: Block) -> tuple[FloatArray, FloatArray]:
    """Measured and estimated part per target and atom, 0 where nothing counts."""
    parts = (block.amount - block.estimated, block.estimated)
    one, other = (members.summed(block.summed(values, scene.atoms))[:, 0] for values in parts)
    return one, other


def _terms(scene: Scene, block: Block, members: Members) -> Made:
    carrier, atoms = carriers_of(scene.tree, members.rows), scene.atoms
    of_tenant, in_park = _shared(scene, block, members)
    of_park = of_tenant.only(in_park)
    kinds = np.array([subject.kind is SubjectKind.PARK for subject in scene.subjects])
    is_park = kinds[members.subject][:, None]
    columns = []
    for signs in ((_USED, _USED), (_OWN_OF_TENANT, _OWN_OF_PARK)):
        both = [
            _parts(scene, members, entries.scaled(_signs(carrier, sign)[entries.row]))
            for entries, sign in zip((of_tenant, of_park), signs, strict=True)
        ]
        columns += [np.where(is_park, park, tenant) for tenant, park in zip(*both, strict=True)]
    some, hours = _entered(scene, members, (of_tenant, of_park), is_park)
    makes = members.any_of(scene.alive(members.rows, atoms) & np.isin(carrier, _MAKES)[:, None])
    none = np.full(some.shape, np.nan)
    used = [np.where(some, part, np.nan) for part in columns[:2]]
    own = [np.where(some & makes, part, np.nan) for part in columns[2:]]
    return without_peak(padded(*used, *own, none, none, *hours), members.joined(block.joined(atoms)))


def _entered(
    scene: Scene, members: Members, blocks: tuple[Block, Block], is_park: BoolArray
) -> tuple[BoolArray, tuple[FloatArray, FloatArray]]:
    """Whether anything counts, and the hours that entered of those that should have; (t, a) each."""
    atoms = scene.atoms
    found = [members.any_of(one.summed(np.ones(len(one.row)), atoms) > 0) for one in blocks]
    hours = [hours_of(scene, members, one.summed(one.expected_s, atoms)) for one in blocks]
    tenant, park = hours
    return np.where(is_park, found[1], found[0]), (np.where(is_park, park[0], tenant[0]), tenant[1])


def _certificates(scene: Scene, members: Members, _: tuple[Kpi, ...], __: Made, folded: Made) -> Made:
    entered = entered_to_now(scene, members, "certificates")
    terms = folded.terms.copy()
    terms[..., 4], terms[..., 5] = entered.whole + entered.split, entered.split
    flags = estimated_flags(folded.flags, terms[..., 1], terms[..., 3], entered.split)
    return Made(terms=terms, peak_at_us=folded.peak_at_us, flags=flags)


RENEWABLE = Family(members=_members, terms=_terms, over_periods=_certificates)
