"""Alarm rules held against the catalogue of KPIs, which the domain does not know."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from domain.alarmentries import AlarmEntry
from domain.alarms import Alignment
from domain.frames import SubjectKind
from domain.registry import Registry
from domain.time import Level
from domain.watchentries import KpiWatch, unit_written
from kpi.catalogue import for_registry
from kpi.definition import Basis, Kpi

__all__ = ["kpi_problems", "kpi_units"]

_OF_TARIFFS = "tou_"


def kpi_units(registry: Registry) -> Mapping[str, str]:
    """
    Units of the park's KPIs by key, for :func:`domain.watches.watches_of`.

    Raises
    ------
    RegistryError
        A compliance rule cannot be judged.
    """
    return {kpi.key: kpi.unit for kpi in for_registry(registry)}


def kpi_problems(
    registry: Registry, entries: Sequence[AlarmEntry], *, knows_references: bool = True
) -> tuple[str, ...]:
    """
    What is wrong with alarm rules that watch KPIs, one sentence each.

    Parameters
    ----------
    registry : Registry
        Of the park.
    entries : sequence of AlarmEntry
        Those that watch something else are left aside.
    knows_references : bool
        Whether the registry has the park's references. Without them a KPI that is unlike all that are known may be a formula,
        and one that begins with `tou_` a block of a tariff; they are left aside.

    Raises
    ------
    RegistryError
        A compliance rule cannot be judged.
    """
    known = {kpi.key: kpi for kpi in for_registry(registry)}
    return tuple(
        f"alarm {entry.key}: {sentence}"
        for entry in entries
        if isinstance(entry.watch, KpiWatch) and (knows_references or not _may_be_made(entry.watch.kpi, known))
        for sentence in _wrong(known, entry, entry.watch)
    )


def _may_be_made(key: str, known: Mapping[str, Kpi]) -> bool:
    """Whether references could make a KPI of this key."""
    return key not in known and (key.startswith(_OF_TARIFFS) or not _alike(key, known))


def _alike(key: str, known: Mapping[str, Kpi]) -> list[str]:
    return get_close_matches(key, known, n=1, cutoff=0.7)


def _wrong(known: Mapping[str, Kpi], entry: AlarmEntry, watch: KpiWatch) -> Iterator[str]:
    kpi = known.get(watch.kpi)
    if kpi is None:
        close = _alike(watch.kpi, known)
        hint = f"did you mean {close[0]}?" if close else "docs/reference/kpis.md lists them"
        yield f"{watch.kpi!r} is no KPI of this park; {hint} (a formula must be applied before the rule that watches it)"
        return
    yield from _offered(kpi, watch)
    for field in ("above", "below", "deadband"):
        measure = getattr(entry, field)
        unit = None if measure is None else unit_written(measure)
        if unit not in (None, kpi.unit):
            yield f"{field} {measure!r} of {kpi.key}, which is in {kpi.unit}; write the number in that unit"


def _offered(kpi: Kpi, watch: KpiWatch) -> Iterator[str]:
    level = Level[watch.level.upper()]
    if level not in kpi.levels:
        levels = ", ".join(one.key for one in sorted(kpi.levels))
        yield f"level {watch.level!r} of {kpi.key}, which is made for {levels}"
    if kpi.made_of is Basis.RECEIPTS:
        yield f"{kpi.key} is made of receipts when it is read, and cannot be watched; watch silence, or the health 'ingest_lag'"
    subject = SubjectKind.PARK if watch.of == "park" else SubjectKind.METER if "/" in watch.of else SubjectKind.TENANT
    if subject not in kpi.subjects:
        subjects = ", ".join(sorted(one.value for one in kpi.subjects))
        yield f"of {watch.of!r} is a {subject.value}, and {kpi.key} is made of {subjects}"
    if watch.alignment == Alignment.RUNNING.value and (level is Level.BASE or kpi.made_of is not Basis.AMOUNTS):
        yield f"alignment 'running' of {kpi.key} at level {watch.level!r}, which has no part that could be looked at before its end"
