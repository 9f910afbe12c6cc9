"""The loop that recomputes what was touched."""

__all__: list[str] = []
