"""Own generation that is used, and certificates, against all electricity used, both of the same intervals."""

import numpy as np
from numpy.typing import NDArray

from domain.frames import FloatArray, Subject, SubjectKind
from domain.quality import Flag
from domain.registry import Registry
from domain.time import IntArray
from kpi.block import Block, Scene
from kpi.carriers import Carrier, Electricity, carriers_of
from kpi.definition import Family, Kpi, Made, padded
from kpi.delivered import entered_to_now, estimated_flags
from kpi.measures import SUMMED, by_owner, hours_of, without_peak
from kpi.members import Members, Runs, claimed
from kpi.scene import always
from kpi.tree import Tree

__all__ = ["RENEWABLE"]

BoolArray = NDArray[np.bool_]

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
    return table[carrier][:, None]


def _known(block: Block) -> BoolArray:
    """Whether an amount is that of the whole interval, measured or spread over a gap."""
    if block.whole.all():
        return block.whole
    return block.whole | (block.known & ((block.flags & Flag.ESTIMATED) > 0))


def _together(scene: Scene, block: Block, group: IntArray, members: Members) -> BoolArray:
    """(g, n) cells in which all rows of a group that live, and are in service, are known."""
    shape = (int(group.max()) + 1, len(scene.cells) - 1)
    rows, cells = members.rows, scene.cells
    begin = np.searchsorted(cells, np.clip(rows.from_us, cells[0], cells[-1]), side="right") - 1
    end = np.searchsorted(cells, np.clip(rows.to_us, cells[0], cells[-1]), side="left")
    change = np.zeros((shape[0], shape[1] + 1), dtype=np.int64)
    lives = begin < end
    np.add.at(change, (group[lives], begin[lives]), 1)
    np.add.at(change, (group[lives], end[lives]), -1)
    _take_out(scene, group, members, change)
    counted = np.flatnonzero(_known(block) & ~_out(scene, block, members))
    keys = group[block.row[counted]] * shape[1] + block.cell[counted]
    found = np.bincount(keys, minlength=shape[0] * shape[1]).reshape(shape)
    whole: BoolArray = found == np.cumsum(change[:, :-1], axis=1)
    return whole


def _out(scene: Scene, block: Block, members: Members) -> BoolArray:
    """(k,) whether the meter of an entry was out of service all the time, and its reading is more than was expected."""
    outages = scene.tree.outages
    if not len(outages):
        return np.zeros(len(block.row), dtype=np.bool_)
    lost = outages.length(members.meter[block.row], block.start_us, block.stop_us)
    out: BoolArray = lost == block.stop_us - block.start_us
    return out


def _take_out(scene: Scene, group: IntArray, members: Members, change: IntArray) -> None:
    """Expect nothing of a row in the cells that lie in an outage of its meter, as long as it lives."""
    cells, rows = scene.cells, members.rows
    counts = scene.tree.outages.counts(members.meter)
    if not counts.any():
        return
    row = np.repeat(np.arange(len(counts)), counts)
    outages = scene.tree.outages.taken(members.meter)
    first = np.searchsorted(cells, np.maximum(outages.from_us, cells[0]), side="left")
    last = np.searchsorted(cells, np.minimum(outages.to_us, cells[-1]), side="right") - 1
    begin = np.searchsorted(cells, np.clip(rows.from_us[row], cells[0], cells[-1]), side="right")
    end = np.searchsorted(cells, np.clip(rows.to_us[row], cells[0], cells[-1]), side="left")
    first, last = np.maximum(first, begin - 1), np.minimum(last, end)
    some = first < last
    np.add.at(change, (group[row[some]], first[some]), -1)
    np.add.at(change, (group[row[some]], last[some]), 1)


def _shared(scene: Scene, block: Block, members: Members) -> tuple[Block, BoolArray]:
    """
    The entries that count on both sides, and of these, which the park counts too.

    An interval counts for a tenant where all its meters are known; for the park also all those of its network.
    """
    carrier = carriers_of(scene.tree, members.rows)
    of_network = np.isin(carrier, (Carrier.FED_IN, Carrier.SOLD))
    _, tenant = np.unique(scene.tree.tenant_id[members.meter], return_inverse=True)
    group = np.where(of_network, int(tenant.max()) + 1, tenant)
    known = _known(block)
    if known.all() and block.is_dense and always(members.rows, scene.cells) and not len(scene.tree.outages):
        return block, np.ones(len(block.row), dtype=np.bool_)
    together = _together(scene, block, group, members)
    kept = block.only(known & together[group[block.row], block.cell])
    if not of_network.any():
        return kept, np.ones(len(kept.row), dtype=np.bool_)
    return kept, together[-1, kept.cell]


def _by_run(scene: Scene, block: Block, runs: Runs) -> tuple[FloatArray, FloatArray]:
    """Measured and estimated part of each run (f, a), 0 where nothing counts."""
    measured, estimated = (
        runs.members.summed(block.summed(values, scene.atoms))[:, 0]
        if values.any()
        else np.zeros((len(runs.mark), len(scene.atoms) - 1))
        for values in (block.amount - block.estimated, block.estimated)
    )
    return measured, estimated


def _signed(runs: Runs, by_run: FloatArray, signs: dict[Carrier, float]) -> FloatArray:
    """(t, a) sum over the runs of each target, each with the sign of its carrier."""
    total = np.zeros((runs.targets, by_run.shape[1]))
    np.add.at(total, runs.target, by_run * _signs(runs.mark, signs))
    return total


def _terms(scene: Scene, block: Block, members: Members) -> Made:
    carrier, atoms = carriers_of(scene.tree, members.rows), scene.atoms
    of_tenant, in_park = _shared(scene, block, members)
    blocks = (of_tenant, of_tenant if in_park.all() else of_tenant.only(in_park))
    runs = members.runs_of(carrier)
    of_one = _by_run(scene, blocks[0], runs)
    by_run = (of_one, of_one if blocks[1] is blocks[0] else _by_run(scene, blocks[1], runs))
    kinds = np.array([subject.kind is SubjectKind.PARK for subject in scene.subjects])
    is_park = kinds[members.subject][:, None]
    columns = [
        np.where(is_park, *(_signed(runs, by_run[one][part], signs[one]) for one in (1, 0)))
        for signs in ((_USED, _USED), (_OWN_OF_TENANT, _OWN_OF_PARK))
        for part in (0, 1)
    ]
    some, hours = _entered(scene, members, blocks, is_park)
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
    several = blocks if blocks[0] is not blocks[1] else blocks[:1]
    found = [members.any_of(one.any_of(np.ones(len(one.row), dtype=np.bool_), atoms)) for one in several]
    hours = [hours_of(scene, members, one.summed(one.expected_s, atoms)) for one in several]
    if len(several) == 1:
        return found[0], hours[0]
    tenant, park = hours
    return np.where(is_park, found[1], found[0]), (np.where(is_park, park[0], tenant[0]), tenant[1])


def _certificates(scene: Scene, members: Members, _: tuple[Kpi, ...], __: Made, folded: Made) -> Made:
    entered = entered_to_now(scene, members, "certificates")
    terms = folded.terms.copy()
    terms[..., 4], terms[..., 5] = entered.whole + entered.split, entered.split
    flags = estimated_flags(folded.flags, terms[..., 1], terms[..., 3], entered.split)
    return Made(terms=terms, peak_at_us=folded.peak_at_us, flags=flags)


RENEWABLE = Family(members=_members, terms=_terms, over_periods=_certificates)
