"""The catalogue as a page for people: `docs/reference/kpis.md` is made here and cannot differ from the code."""

from collections.abc import Iterable
from zoneinfo import ZoneInfo

from domain.context import CONTEXTS
from domain.quantities import QUANTITIES
from domain.references import Block, Contract, Origin, References, Tariff, TariffWindow
from domain.registry import (
    OPERATOR,
    Channel,
    ComplianceRule,
    Kind,
    Meter,
    MeterRole,
    Park,
    Registry,
    RuleStatistic,
    RuleWindow,
    Stamp,
    Statistic,
    Tenant,
)
from domain.time import Level
from kpi.carbon import carbon_kpis
from kpi.catalogue import CATALOGUE, built_in
from kpi.custom import formula_names
from kpi.datakpis import data_kpis
from kpi.definition import Kpi
from kpi.effluent import effluent_kpis
from kpi.energy import energy_kpis
from kpi.figures import DAY_GATE, HOUR_GATE
from kpi.intensity import intensity_kpis
from kpi.water import water_kpis

__all__ = ["catalogue_page", "sample_registry"]

_POLLUTANT, _RULE, _BLOCK = "cod", "some_rule", "some_block"
_PLACEHOLDERS = {_POLLUTANT: "<p>", _RULE: "<rule>", _BLOCK: "<block>"}
"""What stands for the pollutant, rule or tariff block of the sample park."""

_HEAD = f"""# KPI catalogue

Made from the code by `make docs`; a test holds that the two do not differ. `A(q)` is the amount of quantity q over the level.
Where a key holds `<p>`, `<rule>` or `<block>`, there is one such KPI for each pollutant with a load, each compliance rule
and each block of a tariff.

- **gate**: which coverage must be reached for a `value`: {HOUR_GATE:g} up to an hour, {DAY_GATE:g} from a day on; below, the value is
  null with the reason `insufficient_data`. `profile`: time that was measured. `total`: also time in gaps that ended.
  `none`: no coverage is asked for.
- **folds**: whether weeks, months and years are made of stored days; else they are made of base amounts on reading.
- **references**: what of the park's dated references it is made with. Answers of the API list those that were in force,
  with their source, and whether somebody confirmed them in it.
- Intensities, and formulas with entered series, are compared by local days: see [formulas](../formulas.md).
"""

_COLUMNS = ("key", "title", "unit", "formula", "subjects", "levels", "gate", "folds", "references", "source", "version")


def catalogue_page() -> str:
    """The whole page, as Markdown."""
    registry = sample_registry()
    everything = built_in(registry)
    parts = (
        ("Sums, demand and balances", CATALOGUE),
        ("Energy", energy_kpis(registry)),
        ("Carbon", carbon_kpis(registry)),
        ("Water", water_kpis(registry)),
        ("Effluent", effluent_kpis(registry)),
        ("Data", data_kpis(registry)),
        ("Intensities", intensity_kpis(everything)),
    )
    placed = {kpi.key for _, kpis in parts for kpi in kpis}
    rest = tuple(kpi for kpi in everything if kpi.key not in placed)
    found = {kpi.key for kpi in everything}
    sections = [
        _section(title, [kpi for kpi in kpis if kpi.key in found])
        for title, kpis in (*parts, ("Pollutants and rules", rest))
    ]
    return "\n".join([_HEAD, *(section for section in sections if section), _names(registry, everything)])


def _section(title: str, kpis: Iterable[Kpi]) -> str:
    rows = dict.fromkeys(_row(kpi) for kpi in kpis)
    if not rows:
        return ""
    return "\n".join([f"## {title}\n", _line(_COLUMNS), _line("---" for _ in _COLUMNS), *rows, ""])


def _row(kpi: Kpi) -> str:
    levels = [level for level in Level if level in kpi.levels]
    return _line(
        _named(cell, kpi)
        for cell in (
            f"`{kpi.key}`",
            kpi.title,
            kpi.unit,
            kpi.formula,
            ", ".join(sorted(kind.value for kind in kpi.subjects)),
            "all" if len(levels) == len(Level) else ", ".join(level.key for level in levels),
            kpi.gate.value,
            "yes" if kpi.folds else "no",
            ", ".join(f"`{use}`" for use in kpi.uses),
            kpi.source,
            str(kpi.version),
        )
    )


def _named(cell: str, kpi: Kpi) -> str:
    """With the placeholder in place of the sample's own pollutant, rule or block."""
    placeholder = _PLACEHOLDERS.get(kpi.of)
    if placeholder is None:
        return cell
    # Outside of code, Markdown would take it for a tag.
    return cell.replace(kpi.of, placeholder if "`" in cell else f"`{placeholder}`")


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _names(registry: Registry, known: tuple[Kpi, ...]) -> str:
    """What formulas may name."""
    rows = []
    for key, unit in formula_names(registry, known).items():
        shown = key
        for sample, placeholder in _PLACEHOLDERS.items():
            shown = shown.replace(sample, placeholder)
        rows.append(_line((f"`{shown}`", unit, "entered" if key in CONTEXTS else "metered")))
    head = "## Names for formulas\n\nWhat a [formula](../formulas.md) may name, as far as the park measures or enters it.\n"
    return "\n".join([head, _line(("name", "unit", "from")), _line(("---",) * 3), *dict.fromkeys(rows), ""])


def sample_registry() -> Registry:
    """A park that has everything once: a firm with every quantity, a tariff, a pollutant load and a rule for it."""
    tenants = tuple(_tenant(number, key) for number, key in ((1, "firm"), (2, OPERATOR)))
    roles = list(MeterRole)
    meters = tuple(_meter(number, role) for number, role in enumerate(roles, 1))
    stocks = [one.key for one in QUANTITIES.values() if not one.key.startswith("load_")]
    channels = [_channel(number, 1 + roles.index(MeterRole.USE), key) for number, key in enumerate(stocks, 1)]
    for role in (MeterRole.INLET, MeterRole.OUTLET, MeterRole.DISCHARGE):
        channels += _with_load(1000 * (1 + roles.index(role)), 1 + roles.index(role))
    outlet = 1000 * (1 + roles.index(MeterRole.OUTLET))
    return Registry(
        park=Park(id=1, key="park", name="Park", zone=ZoneInfo("UTC"), base_s=900, lateness_s=600, version=1),
        tenants=tenants,
        meters=meters,
        channels=tuple(channels),
        rules=(_rule(outlet),),
        references=_references(),
    )


def _tenant(number: int, key: str) -> Tenant:
    return Tenant(id=number, key=key, name=key, sector=None, valid_from_us=0, valid_to_us=None)


def _meter(number: int, role: MeterRole) -> Meter:
    return Meter(
        id=number,
        tenant_id=1,
        key=role.value,
        name=role.value,
        role=role,
        parent_id=None,
        demand_block_s=900,
        error_share=0.02,
        valid_from_us=0,
        valid_to_us=None,
    )


def _channel(number: int, meter: int, quantity: str, inputs: tuple[int, int] | None = None) -> Channel:
    kind = Kind.REGISTER if QUANTITIES[quantity].stock else Kind.GAUGE
    return Channel(
        id=number,
        meter_id=meter,
        key=f"park/firm/{meter}/{quantity}",
        quantity=quantity,
        kind=kind if inputs is None else Kind.PRODUCT,
        unit=QUANTITIES[quantity].unit,
        interval_s=900,
        stamp=Stamp.START,
        statistic=Statistic.MEAN,
        resolution=0.0,
        modulus=None,
        max_rate=1e6,
        valid_from_us=0,
        valid_to_us=None,
        inputs=inputs,
    )


def _with_load(first: int, meter: int) -> list[Channel]:
    return [
        _channel(first, meter, _POLLUTANT),
        _channel(first + 1, meter, "effluent_flow"),
        _channel(first + 2, meter, f"load_{_POLLUTANT}", (first, first + 1)),
    ]


def _rule(channel: int) -> ComplianceRule:
    return ComplianceRule(
        id=1,
        key=_RULE,
        channel_id=channel,
        statistic=RuleStatistic.MEAN,
        window=RuleWindow.BASE,
        least_valid=0.75,
        lowest=None,
        highest=100.0,
        legal_basis="legal basis of the rule",
        confirmed=False,
        valid_from_us=0,
        valid_to_us=None,
    )


def _references() -> References:
    all_day = TariffWindow(days=frozenset(range(8)), start_min=0, stop_min=1440)
    tariff = Tariff(
        origin=_origin("tariff"),
        currency="currency",
        blocks=(Block(key=_BLOCK, price=1.0, windows=(all_day,)),),
        reactive_price=0.0,
        pf_min=0.85,
        fixed_per_month=0.0,
        holidays=None,
    )
    contracts = tuple(
        Contract(origin=_origin(key), tariff="tariff", contracted_kva=1000.0) for key in (OPERATOR, "firm")
    )
    return References(tariffs=(tariff,), contracts=contracts)


def _origin(key: str) -> Origin:
    return Origin(id=1, key=key, valid_from_us=0, valid_to_us=None, source="sample", confirmed=False)
