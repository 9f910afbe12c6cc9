"""How a formula's names become terms: each a sum over time that all of them share.

A formula that only adds and subtracts amounts (times constants) takes each amount whole. Any other is a ratio in some
way, so a base interval enters where all its amounts were measured, or where all are known by estimation; else it leaves
all of them. Entered values are laid against the days (:mod:`kpi.sharedtime`).
"""

from dataclasses import dataclass, replace

import numpy as np

from domain.frames import FloatArray, NullReason, Subject
from domain.quality import Flag
from domain.registry import Registry
from domain.time import IntArray, Level
from kpi.block import Block, Scene
from kpi.definition import Family, Figures, Kpi, Made, Term, padded
from kpi.expression import Apply, Expression, Name, Node, Number, evaluate
from kpi.figures import HOUR_GATE
from kpi.members import Members
from kpi.sharedtime import shared_time
from kpi.shares import Coverage
from kpi.sums import KnownSums, expected_hours, known_sums
from kpi.tree import Rows, Tree

__all__ = ["MOST_NAMES", "Names", "family", "figures_of", "terms_of"]

MOST_NAMES = 4
"""How many names a formula may have: each takes one of the terms, and four say over how much time."""

ROUNDING = 1e-12
_KNOWN, _EXPECTED, _ESTIMATED, _SPLIT = range(MOST_NAMES, MOST_NAMES + 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """A formula, with what its names stand for."""

    expression: Expression
    amounts: tuple[Kpi, ...]
    """Additive KPIs, in order of the names that mean them."""
    amount_at: tuple[int, ...]
    """Place of each among the names."""
    series: tuple[str, ...]
    """Entered series."""
    series_at: tuple[int, ...]
    factors: tuple[float, ...]
    """By which each name is brought to base units."""
    out: float
    """By which the result is brought from base units to the declared one."""
    from_us: int
    to_us: int
    """When the formula holds. [us UTC]"""

    @property
    def whole(self) -> bool:
        """Whether each amount counts whole, because no other has to be known at the same time."""
        return len(self.amounts) == 1 or _is_linear(self.expression.root)


def _is_linear(node: Node) -> bool:
    """Whether a tree only adds and subtracts names, times constants."""
    match node:
        case Name():
            return True
        case Apply("+" | "-" | "negative", operands):
            return all(_is_linear(operand) for operand in operands)
        case Apply("*", (Number(), other)) | Apply("*" | "/", (other, Number())):
            return _is_linear(other)
    return False


def terms_of(names: Names, units: tuple[str, ...]) -> tuple[Term, ...]:
    """Names of the terms: one per name, then the hours."""
    own = [Term(key=key, unit=unit) for key, unit in zip(names.expression.names, units, strict=True)]
    empty = [Term(key=f"unused_{place}", unit="1") for place in range(len(own), MOST_NAMES)]
    hours = [Term(key=f"hours_{word}", unit="h") for word in ("known", "expected", "estimated")]
    return (*own, *empty, *hours, Term(key="share_split_by_time", unit="1"))


def family(names: Names) -> Family:
    """Targets that have all amounts of a formula, and its terms."""

    def members(registry: Registry, tree: Tree, subjects: tuple[Subject, ...], _: tuple[Kpi, ...]) -> Members | None:
        return _together(_parts(names, registry, tree, subjects), names)

    def terms(scene: Scene, block: Block, members: Members) -> Made:
        parts = _parts_of(names, scene, block, members)
        return (
            _whole_terms(scene, names, members, parts) if names.whole else _shared_terms(scene, names, members, parts)
        )

    def coverage(scene: Scene, block: Block, members: Members) -> Coverage:
        return _least_coverage(scene, _parts_of(names, scene, block, members), members)

    def also(tree: Tree, members: Members) -> IntArray:
        needed = [kpi.family.also(tree, members) for kpi in names.amounts if kpi.family.also is not None]
        return np.concatenate([*needed, np.zeros(0, dtype=np.int64)])

    def over_periods(scene: Scene, members: Members, _: tuple[Kpi, ...], atoms: Made, folded: Made) -> Made:
        return _against_entered(scene, members, names, atoms, folded)

    return Family(
        members=members,
        terms=terms,
        coverage=coverage,
        also=also,
        over_periods=over_periods if names.series else None,
        shared=True,
    )


def _parts(
    names: Names, registry: Registry, tree: Tree, subjects: tuple[Subject, ...]
) -> list[tuple[Kpi, Members]] | None:
    found = []
    for kpi in names.amounts:
        members = kpi.family.members(registry, tree, subjects, (kpi,))
        if members is None:
            return None
        found.append((kpi, members))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One amount of a formula, of the subjects that have all of them, while the formula holds."""

    kpi: Kpi
    members: Members
    block: Block


def _parts_of(names: Names, scene: Scene, block: Block, members: Members) -> list[_Part]:
    """The amounts of a formula, whose rows stand one after another in those of its own members."""
    found, first = [], 0
    for kpi, one in _parts(names, scene.registry, scene.tree, scene.subjects) or []:
        last = first + len(one.rows)
        rows = members.rows.taken(np.arange(first, last))
        entries = block.only((block.row >= first) & (block.row < last))
        found.append(
            _Part(
                kpi=kpi,
                members=replace(one.only(np.isin(one.subject, members.subject)), rows=rows),
                block=entries.of_rows(entries.row - first, len(rows)),
            )
        )
        first = last
    return found


def _together(parts: list[tuple[Kpi, Members]] | None, names: Names) -> Members | None:
    """The subjects that have all amounts, with the rows of each amount as a side, while the formula holds."""
    if not parts:
        return None
    common = parts[0][1].subject
    for _, one in parts[1:]:
        common = np.intersect1d(common, one.subject)
    if not len(common):
        return None
    rows: list[Rows] = []
    columns = []
    for side, (_, whole) in enumerate(parts):
        one = whole.only(np.isin(whole.subject, common))
        offset = sum(len(before) for before in rows)
        columns.append((one.pair_row + offset, one.pair_group // one.sides, np.full(len(one.pair_row), side)))
        rows.append(one.rows)
    pair_row, target, sides = (np.concatenate(column) for column in zip(*columns, strict=True))
    order = np.lexsort((sides, target))
    group = (target * len(parts) + sides)[order]
    return Members(
        rows=_cut(rows, names),
        meter=np.concatenate([one.meter for _, one in parts]),
        channel_id=np.concatenate([one.channel_id for _, one in parts]),
        kpi=np.zeros(len(common), dtype=np.int64),
        subject=common,
        sides=len(parts),
        pair_row=pair_row[order],
        first=np.flatnonzero(np.append(True, group[1:] != group[:-1])),
    )


def _cut(rows: list[Rows], names: Names) -> Rows:
    """All rows, in the time in which the formula holds; what is outside becomes an empty stretch in its place."""
    joined = rows[0]
    for others in rows[1:]:
        joined = joined.followed_by(others)
    begins = np.clip(joined.from_us, names.from_us, names.to_us)
    return Rows(
        channel=joined.channel,
        from_us=begins,
        to_us=np.maximum(np.minimum(joined.to_us, names.to_us), begins),
        rule=joined.rule,
    )


def _least_coverage(scene: Scene, parts: list[_Part], members: Members) -> Coverage:
    """Of each target and period, the coverage of the amount that is known least."""
    shape = (len(members.subject), len(scene.periods) - 1)
    profile, total = np.ones(shape), np.ones(shape)
    for part in parts:
        if part.kpi.family.coverage is not None:
            found = part.kpi.family.coverage(scene, part.block, part.members)
            profile, total = np.minimum(profile, found.profile), np.minimum(total, found.total)
    return Coverage(profile=profile, total=total)


def _whole_terms(scene: Scene, names: Names, members: Members, parts: list[_Part]) -> Made:
    """Each amount by itself: all that is known of it."""
    level = min(scene.level, Level.DAY)
    sums = [known_sums(scene, part.kpi, part.block, part.members, level) for part in parts]
    hours = expected_hours(scene, members, scene.atoms)
    known = np.min([one.known_share for one in sums], axis=0)
    spread = np.max([one.known_share - one.measured_share for one in sums], axis=0)
    return _made(names, [one.estimate for one in sums], (hours * known, hours, hours * spread), _flags(sums))


def _shared_terms(scene: Scene, names: Names, members: Members, parts: list[_Part]) -> Made:
    """All amounts over the base intervals in which each was measured, or each is known by estimation."""
    sums = [known_sums(scene, part.kpi, part.block, part.members, Level.BASE) for part in parts]
    measured = np.all([one.measured_share >= HOUR_GATE - ROUNDING for one in sums], axis=0)
    spread = np.all(
        [(one.measured_share <= ROUNDING) & (one.known_share >= HOUR_GATE - ROUNDING) for one in sums], axis=0
    )
    shared = measured | spread
    first = np.searchsorted(scene.cells, scene.atoms[:-1])
    hours = expected_hours(scene, members, scene.cells)
    some = np.logical_or.reduceat(shared, first, axis=1)
    totals = [
        np.where(some, np.add.reduceat(np.where(shared, np.nan_to_num(one.estimate), 0.0), first, axis=1), np.nan)
        for one in sums
    ]
    known, expected, estimated = (
        np.add.reduceat(np.where(mask, hours, 0.0), first, axis=1) for mask in (shared, hours > 0, spread)
    )
    flags = np.bitwise_or.reduceat(_flags(sums), first, axis=1)
    return _made(names, totals, (known, expected, estimated), flags)


def _flags(sums: list[KnownSums]) -> IntArray:
    flags: IntArray = np.bitwise_or.reduce([one.flags for one in sums])
    return flags


def _made(
    names: Names, totals: list[FloatArray], hours: tuple[FloatArray, FloatArray, FloatArray], flags: IntArray
) -> Made:
    terms = padded(np.full(hours[0].shape, np.nan))
    for place, total in zip(names.amount_at, totals, strict=True):
        terms[..., place] = total
    terms[..., _KNOWN], terms[..., _EXPECTED], terms[..., _ESTIMATED] = hours
    return Made(terms=terms, peak_at_us=np.zeros(flags.shape, dtype=np.int64), flags=flags)


def _against_entered(scene: Scene, members: Members, names: Names, atoms: Made, folded: Made) -> Made:
    """The terms of periods, of the days that count; those of days keep what was metered whether they count or not."""
    known_h, expected_h = (np.nan_to_num(atoms.terms[..., place]) for place in (_KNOWN, _EXPECTED))
    time = shared_time(scene, members, names.series, known_h, expected_h)
    terms = folded.terms.copy()
    if scene.level > Level.DAY:
        some = np.logical_or.reduceat(time.counted, time.first, axis=1)
        for place in (*names.amount_at, _KNOWN, _ESTIMATED):
            kept = np.where(time.counted, np.nan_to_num(atoms.terms[..., place]), 0.0)
            terms[..., place] = np.where(some, np.add.reduceat(kept, time.first, axis=1), np.nan)
        terms[..., _EXPECTED] = np.add.reduceat(expected_h, time.first, axis=1)
    shares = []
    for number, place in enumerate(names.series_at):
        terms[..., place], split = time.over(number, time.counted)
        share = np.where(np.isnan(split), np.nan, 0.0)
        np.divide(split, terms[..., place], out=share, where=split > 0)
        # Split and total are added up in different orders.
        shares.append(np.minimum(share, 1.0))
    lacking = np.isnan(shares[0])
    # Something was entered but does not count: no denominator is missing, data are.
    terms[..., _SPLIT] = np.where(lacking & time.any_entered(), 0.0, np.max(shares, axis=0))
    unsure = (np.nan_to_num(terms[..., _ESTIMATED]) > 0) | (np.nan_to_num(terms[..., _SPLIT]) > 0)
    flags = (folded.flags & ~int(Flag.ESTIMATED)) | np.where(unsure & ~lacking, int(Flag.ESTIMATED), 0)
    return Made(terms=terms, peak_at_us=folded.peak_at_us, flags=flags)


def figures_of(names: Names, terms: FloatArray) -> Figures:
    """A formula on its terms."""
    values = {
        key: terms[:, place] * factor
        for place, (key, factor) in enumerate(zip(names.expression.names, names.factors, strict=True))
    }
    result, by_zero = evaluate(names.expression.root, values)
    result = result * names.out
    known, expected = np.nan_to_num(terms[:, _KNOWN]), np.nan_to_num(terms[:, _EXPECTED])
    estimated, split = np.zeros(len(terms)), np.zeros(len(terms))
    np.divide(np.nan_to_num(terms[:, _ESTIMATED]), known, out=estimated, where=known > 0)
    counted = np.ones(len(terms), dtype=np.bool_)
    missing = np.zeros(len(terms), dtype=np.bool_)
    if names.series_at:
        counted = ~np.isnan(terms[:, names.series_at[0]])
        missing = ~counted & np.isnan(terms[:, _SPLIT])
        split = np.nan_to_num(terms[:, _SPLIT])
    reason = np.where(by_zero > 0, NullReason.ZERO_DENOMINATOR, NullReason.NONE)
    coverage = np.zeros(len(terms))
    np.divide(known, expected, out=coverage, where=(expected > 0) & counted)
    return Figures(
        measured=np.where(estimated < 1.0, result, np.nan),
        estimate=result,
        estimated_share=np.where(np.isnan(result), np.nan, 1.0 - (1.0 - np.clip(estimated, 0, 1)) * (1.0 - split)),
        reason=np.where(missing, NullReason.NO_DENOMINATOR, reason).astype(np.int16),
        coverage=np.minimum(coverage, 1.0),
    )
