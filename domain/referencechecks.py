"""What is wrong between the places of a reference file, in sentences.

Each sentence names the thing, its value and what would be right; all checks run, so that one reading of the list mends the
file. Whether a formula can be computed is told by the catalogue, which knows the names it may use.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise

from domain.errors import UnitError
from domain.factors import canonical_factor
from domain.quantities import QUANTITIES
from domain.referenceentries import CheckEntry, ContractEntry, ReferenceEntry, ReferenceFile, TariffEntry
from domain.references import Block, TariffWindow
from domain.tariffs import HOLIDAY, clock_mistakes

__all__ = ["entry_key", "reference_mistakes", "tariff_blocks"]

_FOREVER = datetime.max.replace(tzinfo=UTC)
_NAMES_SHOWN = 12


def entry_key(entry: ReferenceEntry) -> str:
    """By what an entry is known among its kind: its key, or the tenant of a contract."""
    return str(getattr(entry, "tenant", None) or getattr(entry, "key", ""))


def tariff_blocks(entry: TariffEntry) -> tuple[Block, ...]:
    """The blocks of a tariff as numbers are made with them."""
    return tuple(
        Block(
            key=block.key,
            price=block.price,
            windows=tuple(
                TariffWindow(days=window.day_numbers, start_min=window.minutes[0], stop_min=window.minutes[1])
                for window in block.windows
            ),
        )
        for block in entry.blocks
    )


def reference_mistakes(
    file: ReferenceFile, *, tenants: Collection[str] | None = None, channels: Collection[str] | None = None
) -> tuple[str, ...]:
    """
    Everything in a reference file that contradicts itself, or the park that it is for, one sentence each.

    Parameters
    ----------
    file : ReferenceFile
        Of the right shape.
    tenants : collection of str, optional
        Keys of the park's tenants; None: they are not known, and tenants are not looked at.
    channels : collection of str, optional
        The park's channels as `tenant/meter/quantity`; None: they are not looked at.

    Returns
    -------
    tuple of str
        In the order of the file; empty where it can be applied.
    """
    return (
        *_dates(file),
        *_factors(file),
        *(sentence for tariff in file.tariffs for sentence in _tariff(file, tariff)),
        *_holidays(file),
        *(sentence for contract in file.contracts for sentence in _contract(file, contract, tenants)),
        *(sentence for check in file.checks for sentence in _check(check, channels)),
    )


def _shown(names: Collection[str]) -> str:
    known = sorted(names)
    more = f" ... ({len(known)} in all)" if len(known) > _NAMES_SHOWN else ""
    return ", ".join(known[:_NAMES_SHOWN]) + more if known else "none"


def _kinds(file: ReferenceFile) -> Mapping[str, tuple[ReferenceEntry, ...]]:
    return {
        "factor": file.factors,
        "tariff": file.tariffs,
        "holidays": file.holidays,
        "contract of": file.contracts,
        "formula": file.formulas,
        "check": file.checks,
    }


def _life(entry: ReferenceEntry) -> str:
    stop = "open" if entry.valid_to is None else entry.valid_to.isoformat()
    return f"{entry.valid_from.isoformat()} to {stop}"


def _dates(file: ReferenceFile) -> Iterator[str]:
    for word, entries in _kinds(file).items():
        for entry in entries:
            if entry.valid_to is not None and entry.valid_to <= entry.valid_from:
                yield f"{word} {entry_key(entry)}: ends {entry.valid_to.isoformat()}, before it begins ({entry.valid_from.isoformat()})"
        ordered = sorted(entries, key=lambda one: (entry_key(one), one.valid_from))
        for one, follower in pairwise(ordered):
            if entry_key(one) != entry_key(follower):
                continue
            # One without an end is ended by the next, unless both begin at once.
            if follower.valid_from < (one.valid_to or _FOREVER) and (
                one.valid_to is not None or one.valid_from == follower.valid_from
            ):
                yield (
                    f"{word} {entry_key(one)}: stands twice at the same time ({_life(one)} and {_life(follower)}); "
                    "end the one before the next begins"
                )


def _factors(file: ReferenceFile) -> Iterator[str]:
    for factor in file.factors:
        try:
            value = canonical_factor(factor.key, factor.value, factor.unit)
        except UnitError as error:
            yield f"factor {factor.key}: {error}"
            continue
        if value == 0 and factor.key.startswith(("lhv_", "enthalpy_")):
            yield f"factor {factor.key}: value 0 {factor.unit} would make energy of nothing; a heating value is above 0"


def _tariff(file: ReferenceFile, tariff: TariffEntry) -> Iterator[str]:
    what = f"tariff {tariff.key}"
    keys = [block.key for block in tariff.blocks]
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        yield f"{what}: block {key} stands twice; give it all its windows in one place"
    if not tariff.currency.isupper() or not tariff.currency.isalpha():
        yield f"{what}: currency {tariff.currency!r} is not a code of three capital letters, like IDR"
    has_holidays = tariff.holidays is not None
    blocks = tariff_blocks(tariff)
    yield from (f"{what}: {sentence}" for sentence in clock_mistakes(blocks, holidays=has_holidays))
    if not has_holidays and any(window.days == {HOLIDAY} for block in blocks for window in block.windows):
        yield f"{what}: has windows for holidays, but names no holidays; write `holidays: KEY` of the holidays that count"
    known = {one.key for one in file.holidays}
    if tariff.holidays is not None and tariff.holidays not in known:
        yield f"{what}: holidays {tariff.holidays!r} are not in this file; known are {_shown(known)}"


def _holidays(file: ReferenceFile) -> Iterator[str]:
    for holidays in file.holidays:
        twice = sorted({day.isoformat() for day in holidays.dates if holidays.dates.count(day) > 1})
        if twice:
            yield f"holidays {holidays.key}: {', '.join(twice)} stands twice"


def _contract(file: ReferenceFile, contract: ContractEntry, tenants: Collection[str] | None) -> Iterator[str]:
    what = f"contract of {contract.tenant}"
    if tenants is not None and contract.tenant not in tenants:
        yield f"{what}: {contract.tenant!r} is no tenant of park {file.park}; tenants are {_shown(tenants)}"
    known = {one.key for one in file.tariffs}
    if contract.tariff is not None and contract.tariff not in known:
        yield f"{what}: tariff {contract.tariff!r} is not in this file; known are {_shown(known)}"
    if contract.tariff is None and contract.contracted_kva is None:
        yield f"{what}: says neither tariff nor contracted_kva; a contract has at least one of them"


def _check(check: CheckEntry, channels: Collection[str] | None) -> Iterator[str]:
    what = f"check {check.key}"
    parts = check.key.split("/")
    if len(parts) not in {1, 3}:
        yield f"{what}: is neither a quantity, like power, nor a channel, like tenant/meter/quantity"
    elif parts[-1] not in QUANTITIES:
        yield f"{what}: {parts[-1]!r} is no quantity; known are {', '.join(QUANTITIES)}"
    elif len(parts) == 3 and channels is not None and check.key not in channels:  # noqa: PLR2004 - tenant, meter, quantity
        yield f"{what}: the park has no such channel; write it as tenant/meter/quantity"
