"""The reference file: factors, tariffs, holidays, contracts, formulas and limits of one park, as checked, frozen values.

It is TOML or YAML. :func:`parse_references` takes its text and reports every mistake of shape at once;
:func:`reference_mistakes` reports everything that relates two places to each other, also at once. :func:`references_of`
makes the values that numbers are made with.
"""

from collections.abc import Iterator
from typing import Any, TypeVar

from domain.documents import DocumentKind, Format, read_document
from domain.factors import FACTOR_UNITS, canonical_factor
from domain.referencechecks import entry_key, reference_mistakes, tariff_blocks
from domain.referenceentries import (
    BlockEntry,
    CheckEntry,
    ContractEntry,
    FactorEntry,
    FormulaEntry,
    HolidaysEntry,
    ReferenceEntry,
    ReferenceFile,
    TariffEntry,
    WindowEntry,
)
from domain.references import (
    CheckLimits,
    Contract,
    Factor,
    Formula,
    Holidays,
    Origin,
    References,
    Tariff,
)
from domain.time import from_datetime

_Entry = TypeVar("_Entry", bound=ReferenceEntry)

__all__ = ["ReferenceFile", "parse_references", "reference_mistakes", "reference_schema", "references_of"]

_KIND = DocumentKind(
    word="reference file",
    begins="'park', 'factors' and 'tariffs'",
    depth="a tariff's window lies four levels down",
    models={
        "factors": FactorEntry,
        "tariffs": TariffEntry,
        "blocks": BlockEntry,
        "windows": WindowEntry,
        "holidays": HolidaysEntry,
        "contracts": ContractEntry,
        "formulas": FormulaEntry,
        "checks": CheckEntry,
    },
    named_by={
        "factors": "key",
        "tariffs": "key",
        "blocks": "key",
        "holidays": "key",
        "contracts": "tenant",
        "formulas": "key",
        "checks": "key",
    },
)


def parse_references(text: str, format: Format) -> ReferenceFile:  # noqa: A002 - the word its callers and users say
    r"""
    The references that a file's text describes. Reads no file.

    Raises
    ------
    RegistryError
        The text is not of that format, or shapes are wrong; names every mistake and its place.

    Examples
    --------
    >>> parse_references('park = "a"\n[[factors]]\nkey = "grid"\nvalue = 0.8\nunit = "kgCO2e/kWh"\nvalid_from = 2026-01-01T00:00:00Z\n', "toml")
    Traceback (most recent call last):
    domain.errors.RegistryError: the reference file has 1 mistake:
    - factors[0].source: is missing (factor grid)
    """
    return read_document(text, format, ReferenceFile, _KIND)


def reference_schema() -> dict[str, Any]:
    """The JSON schema of a reference file, for editors; relations between places are not in it."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ReferenceFile.model_json_schema()}


def references_of(file: ReferenceFile) -> References:
    """
    The values of a right file, in order of key and time. Those that end with the next version of their key say so.

    Ids are 0: the database gives them.
    """
    return References(
        factors=tuple(_factor(one, origin) for one, origin in _dated(file.factors)),
        tariffs=tuple(_tariff(one, origin) for one, origin in _dated(file.tariffs)),
        holidays=tuple(Holidays(origin=origin, dates=frozenset(one.dates)) for one, origin in _dated(file.holidays)),
        contracts=tuple(
            Contract(origin=origin, tariff=one.tariff, contracted_kva=one.contracted_kva)
            for one, origin in _dated(file.contracts)
        ),
        formulas=tuple(_formula(one, origin) for one, origin in _dated(file.formulas)),
        checks=tuple(
            CheckLimits(origin=origin, limits=tuple(sorted(one.limits.items()))) for one, origin in _dated(file.checks)
        ),
    )


def _dated(entries: tuple[_Entry, ...]) -> Iterator[tuple[_Entry, Origin]]:
    """Entries with their origins, in order of key and time; one without an end ends where the next of its key begins."""
    ordered = sorted(entries, key=lambda one: (entry_key(one), one.valid_from))
    for place, entry in enumerate(ordered):
        follower = ordered[place + 1] if place + 1 < len(ordered) else None
        stop = entry.valid_to
        if stop is None and follower is not None and entry_key(follower) == entry_key(entry):
            stop = follower.valid_from
        yield (
            entry,
            Origin(
                id=0,
                key=entry_key(entry),
                valid_from_us=from_datetime(entry.valid_from),
                valid_to_us=None if stop is None else from_datetime(stop),
                source=entry.source.strip(),
                confirmed=entry.confirmed,
            ),
        )


def _factor(entry: FactorEntry, origin: Origin) -> Factor:
    value = canonical_factor(entry.key, entry.value, entry.unit)
    return Factor(origin=origin, value=value, unit=FACTOR_UNITS[entry.key], region=entry.region)


def _tariff(entry: TariffEntry, origin: Origin) -> Tariff:
    return Tariff(
        origin=origin,
        currency=entry.currency,
        blocks=tariff_blocks(entry),
        reactive_price=entry.reactive_price,
        pf_min=entry.pf_min,
        fixed_per_month=entry.fixed_per_month,
        holidays=entry.holidays,
    )


def _formula(entry: FormulaEntry, origin: Origin) -> Formula:
    return Formula(
        origin=origin,
        title=entry.title,
        unit=entry.unit,
        expression=entry.expression,
        subjects=entry.subjects,
        levels=entry.levels,
        version=entry.version,
    )
