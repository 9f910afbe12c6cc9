"""Pure numpy: readings become interval amounts, amounts become KPIs. No input or output.

::

    touched spans -- gather --> Work(readings, ranges) -- interval_amounts --> AmountFrame -- fold_amounts --> hours, days ...

::

    base AmountFrame -- subject_kpis --> KpiFrame (any level); KpiFrame of days -- fold_kpis --> weeks, months, years

`kpi.gather.gather` and `kpi.reach.reach` are imported from their modules, whose names they bear.
"""

from kpi.amounts import interval_amounts
from kpi.catalogue import CATALOGUE, for_registry
from kpi.compute import fold_kpis, member_channels, subject_kpis
from kpi.definition import Gate, Kpi, Term
from kpi.fold import fold_amounts
from kpi.gather import Load, Work, united
from kpi.grid import Grid
from kpi.ranges import Ranges
from kpi.reach import Loaded, Reach, first_window, input_ranges, product_ranges
from kpi.table import ChannelTable
from kpi.weights import TRAILING_DAYS, Weights, trailing_start, trailing_weights, weight_days

__all__ = [
    "CATALOGUE",
    "TRAILING_DAYS",
    "ChannelTable",
    "Gate",
    "Grid",
    "Kpi",
    "Load",
    "Loaded",
    "Ranges",
    "Reach",
    "Term",
    "Weights",
    "Work",
    "first_window",
    "fold_amounts",
    "fold_kpis",
    "for_registry",
    "input_ranges",
    "interval_amounts",
    "member_channels",
    "product_ranges",
    "subject_kpis",
    "trailing_start",
    "trailing_weights",
    "united",
    "weight_days",
]
