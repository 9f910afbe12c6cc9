"""Pure numpy: readings become interval amounts, amounts become KPIs. No input or output.

::

    touched spans -- gather --> Work(readings, ranges) -- interval_amounts --> AmountFrame -- fold_amounts --> hours, days ...

`kpi.gather.gather` and `kpi.reach.reach` are imported from their modules, whose names they bear.
"""

from kpi.amounts import interval_amounts
from kpi.fold import fold_amounts
from kpi.gather import Load, Work, united
from kpi.grid import Grid
from kpi.ranges import Ranges
from kpi.reach import Loaded, Reach, first_window, input_ranges, product_ranges
from kpi.table import ChannelTable

__all__ = [
    "ChannelTable",
    "Grid",
    "Load",
    "Loaded",
    "Ranges",
    "Reach",
    "Work",
    "first_window",
    "fold_amounts",
    "input_ranges",
    "interval_amounts",
    "product_ranges",
    "united",
]
