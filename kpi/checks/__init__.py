"""Checks (validation, as in VEE): readings and amounts become findings, and no number changes.

::

    watched gauges   readings of a day and the 2 h before it -- reading_findings
    intervals        base amounts of a final day -- sheet_of -- interval_findings, gap_findings, pair_findings
    days             day amounts -- usual_findings (8 weeks back), hierarchy_findings, month_findings

Every finding is a pure function of the set of readings and of the registry.
"""

from kpi.checks.across import Families, families_of, hierarchy_findings, pair_findings, paired_quantities
from kpi.checks.gauges import TRAILING_US, reading_findings
from kpi.checks.intervals import interval_findings
from kpi.checks.limits import LIMITS, WATCHED, Limit, Limits, check_limits, limits_on
from kpi.checks.sheet import Day, Sheet, day_of, sheet_of
from kpi.checks.silence import gap_findings
from kpi.checks.usual import DRIFT_DAYS, WEEKS, Past, month_findings, usual_findings

__all__ = [
    "DRIFT_DAYS",
    "LIMITS",
    "TRAILING_US",
    "WATCHED",
    "WEEKS",
    "Day",
    "Families",
    "Limit",
    "Limits",
    "Past",
    "Sheet",
    "check_limits",
    "day_of",
    "families_of",
    "gap_findings",
    "hierarchy_findings",
    "interval_findings",
    "limits_on",
    "month_findings",
    "pair_findings",
    "paired_quantities",
    "reading_findings",
    "sheet_of",
    "usual_findings",
]
