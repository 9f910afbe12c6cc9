"""Pure numpy: readings become interval amounts, amounts become KPIs. No input or output."""

__all__: list[str] = []
