"""References of small parks, written down by hand: factors, tariffs, contracts."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from domain.context import ContextFrame
from domain.factors import FACTOR_UNITS
from domain.frames import AmountFrame, Subject
from domain.references import Block, Contract, Factor, Origin, References, Tariff, TariffWindow
from domain.registry import Registry
from domain.time import Level
from kpi.compute import subject_kpis
from tests.support.small_parks import BEGIN_US, only_row, the_kpis

EVERY_DAY = frozenset(range(8))


def an_origin(key: str, from_us: int = BEGIN_US, to_us: int | None = None) -> Origin:
    return Origin(id=1, key=key, valid_from_us=from_us, valid_to_us=to_us, source="made up for a test", confirmed=False)


def a_factor(key: str, value: float, from_us: int = BEGIN_US, to_us: int | None = None) -> Factor:
    return Factor(origin=an_origin(key, from_us, to_us), value=value, unit=FACTOR_UNITS[key], region="nowhere")


def a_block(key: str, price: float, *windows: tuple[int, int], days: frozenset[int] = EVERY_DAY) -> Block:
    """A block by its windows, in hours of the clock."""
    made = tuple(TariffWindow(days=days, start_min=60 * first, stop_min=60 * last) for first, last in windows)
    return Block(key=key, price=price, windows=made)


def a_tariff(
    *blocks: Block, key: str = "i3", from_us: int = BEGIN_US, to_us: int | None = None, **changes: Any
) -> Tariff:
    tariff = Tariff(
        origin=an_origin(key, from_us, to_us),
        currency="IDR",
        blocks=blocks,
        reactive_price=0.0,
        pf_min=0.85,
        fixed_per_month=0.0,
        holidays=None,
    )
    return replace(tariff, **changes)


def a_contract(
    tenant: str, tariff: str | None = "i3", kva: float | None = None, from_us: int = BEGIN_US, to_us: int | None = None
) -> Contract:
    return Contract(origin=an_origin(tenant, from_us, to_us), tariff=tariff, contracted_kva=kva)


def evening(price: float = 1000.0, peak_price: float = 1500.0, **changes: Any) -> Tariff:
    """`wbp` from 17 to 22, `lwbp` else."""
    return a_tariff(a_block("wbp", peak_price, (17, 22)), a_block("lwbp", price, (0, 17), (22, 24)), **changes)


def with_references(registry: Registry, **kinds: Any) -> Registry:
    """The park with some references."""
    return replace(registry, references=References(**kinds))


def entered_figure(
    registry: Registry,
    kpi: str,
    subject: Subject,
    level: Level,
    base: AmountFrame,
    *,
    moment_us: int = BEGIN_US,
    context: ContextFrame | None = None,
) -> SimpleNamespace:
    """One KPI of one subject over the one interval in which a moment lies, with entered values."""
    frame = subject_kpis(
        registry, (subject,), the_kpis(registry, kpi), level, moment_us, moment_us + 1, base, context=context
    )
    return only_row(frame, kpi, subject)
