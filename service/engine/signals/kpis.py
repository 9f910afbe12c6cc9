"""Samples of KPIs: of intervals that are over, or of the open one as far as it is over."""

import numpy as np

from domain.alarms import Alignment, SampleFrame, Signal, Source
from domain.frames import Subject
from domain.time import Level
from kpi.definition import Basis, Kpi
from kpi.ragged import owners, runs_of
from service.engine.signals.asked import Asked, joined_samples, made_samples, no_samples, seconds, statuses
from service.engine.signals.kpivalues import figures_of, figures_so_far

__all__ = ["kpi_samples"]


def kpi_samples(asked: Asked) -> SampleFrame:
    """
    Samples of ticked time: a KPI of each interval of its level; RUNNING: of the interval so far.

    So far is by days for weeks and longer, by hours for days, by base intervals for hours; it is what the KPI of the open
    interval was when the park was ticked up to there, from all that is known now. A KPI that has no value is missing; one
    that its subject has nothing of has no sample. KPIs of when readings were received have none: they depend on more than
    what is stored of readings.
    """
    by_key = {kpi.key: kpi for kpi in asked.known.plan.kpis}
    places = asked.places(
        Signal.KPI,
        lambda one: one.source.kpi in by_key and by_key[str(one.source.kpi)].made_of is not Basis.RECEIPTS,
    )
    by_shape: dict[_Shape, list[int]] = {}
    for place in places:
        source = asked.watches[place].source
        by_shape.setdefault(_shape(source, by_key[str(source.kpi)]), []).append(place)
    return joined_samples(*(_samples(asked, by_shape[one], by_key, *one) for one in sorted(by_shape)))


_Shape = tuple[Level, bool, bool]
"""Level, whether it is of the interval so far, and whether it is made of stored nights."""


def _shape(source: Source, kpi: Kpi) -> _Shape:
    nights = kpi.made_of is Basis.NIGHTS
    return source.level or Level.DAY, source.alignment is Alignment.RUNNING and not nights, nights


def _samples(  # noqa: PLR0917 - of whom, of what, when
    asked: Asked, places: list[int], by_key: dict[str, Kpi], level: Level, running: bool, nights: bool
) -> SampleFrame:
    begin = np.maximum(asked.from_us[places], asked.valid_from(places))
    end = np.minimum(np.minimum(asked.to_us[places], asked.valid_to(places) + 1), asked.ticked_us + 1)
    if not (begin < end).any():
        return no_samples()
    first, last = int(begin[begin < end].min()), int(end[begin < end].max())
    sources = [asked.watches[place].source for place in places]
    kpis = tuple(by_key[key] for key in sorted({str(one.kpi) for one in sources}))
    subjects = tuple(dict.fromkeys(one.subject for one in sources if one.subject is not None))
    if running:
        found = figures_so_far(asked, kpis, subjects, level, (first, last))
    else:
        found = figures_of(asked, kpis, subjects, level, (first, last), nights=nights)
    codes: dict[tuple[str | None, Subject | None], int] = {
        (kpi.key, subject): found.code(kpi, subject) for kpi in kpis for subject in subjects
    }
    mine = np.array([codes.get((one.kpi, one.subject), -1) for one in sources], dtype=np.int64)
    low = np.searchsorted(found.target, mine, side="left")
    counts = np.searchsorted(found.target, mine, side="right") - low
    group, row = owners(counts), runs_of(low, counts)
    at, start = found.at_us[row], found.start_us[row]
    wanted = (at >= begin[group]) & (at < end[group]) & (start >= asked.valid_from(places)[group])
    group, row, at, start = group[wanted], row[wanted], at[wanted], start[wanted]
    value = found.value[row]
    return made_samples(
        asked,
        np.array(places, dtype=np.int64)[group],
        start,
        at,
        at,
        (value, value),
        status=statuses(~np.isnan(value)),
        known_s=np.nan_to_num(found.coverage[row]) * seconds(at - np.maximum(found.added_us[row], start)),
    )
