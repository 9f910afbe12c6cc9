"""All samples of some watches: each signal makes its own, then what excludes them is laid over."""

from typing import Any

from psycopg import Connection

from domain.alarms import SampleFrame, Watch
from domain.time import IntArray
from service.engine.known import Known
from service.engine.signals.amounts import amount_samples
from service.engine.signals.asked import Asked, joined_samples
from service.engine.signals.compliance import compliance_samples
from service.engine.signals.findings import finding_samples
from service.engine.signals.health import health_samples
from service.engine.signals.kpis import kpi_samples
from service.engine.signals.rates import rate_samples
from service.engine.signals.silence import silence_samples
from service.engine.signals.status import excluded
from service.engine.signals.suppressed import suppressed_by_alarms
from service.engine.signals.values import value_samples
from service.engine.signals.windows import window_samples

__all__ = ["samples_of"]

_SIGNALS = (
    value_samples,
    window_samples,
    amount_samples,
    rate_samples,
    kpi_samples,
    compliance_samples,
    silence_samples,
    finding_samples,
    health_samples,
)


def samples_of(
    conn: Connection[Any], known: Known, watches: tuple[Watch, ...], from_us: IntArray, to_us: IntArray
) -> SampleFrame:
    """
    All samples of some watches with `from <= at < to`, of all signals.

    They follow from what is stored (readings, corrections, amounts, KPIs, findings, measurements of this system), the registry
    with its references, and the ticks; never from the clock, nor from how often or in which parts they are asked for.

    Parameters
    ----------
    known : Known
        Its registry is the one that the watches are made of; amounts and KPIs are those of this cycle.
    watches : tuple of Watch
    from_us, to_us : int64 (w,) [us UTC]
        An empty stretch asks for nothing. A watch that suppresses another is best among them, asked for or not:
        then its episodes are made anew; else those that are stored are taken.

    Returns
    -------
    SampleFrame

    Raises
    ------
    Unavailable
        The database is away.
    """
    return _collected(Asked(conn=conn, known=known, watches=watches, from_us=from_us, to_us=to_us), frozenset())


def _collected(asked: Asked, aside: frozenset[int]) -> SampleFrame:
    samples = excluded(asked, joined_samples(*(made(asked) for made in _SIGNALS)))
    return suppressed_by_alarms(asked, samples, _collected, aside)
