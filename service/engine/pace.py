"""How much of its queue an engine takes at once."""

__all__ = ["Pace"]

_LONG_S = 2.0
"""A cycle that takes longer is followed by a shorter one. [s]"""
_FIRST_SHARE = 0.25
_EVERY = 4
_LEAST_ROWS = 10_000
"""Readings that a cycle takes in any case, as far as there are any."""


class Pace:
    """How many readings a cycle takes, so that an import leaves time for what has just come."""

    def __init__(self) -> None:
        """Begin with a part of what is allowed."""
        self._share = _FIRST_SHARE
        self._full = 0

    def rows(self, most: int) -> int:
        """About how many readings the next cycle may load, of at most so many."""
        return max(min(most, _LEAST_ROWS), int(most * self._share))

    def is_full(self, most: int, readings: int) -> bool:
        """Whether a cycle of about so many readings took what it was allowed to, so that there may be more."""
        return readings > self.rows(most) // 2

    def spares(self, *, full: bool) -> bool:
        """Whether this cycle makes KPIs that were put off: while there is a backlog of readings, every fourth does."""
        self._full = self._full + 1 if full else 0
        return self._full % _EVERY == 0

    def took(self, most: int, readings: int, seconds: float) -> None:
        """A cycle of about so many readings, of at most so many, took so long. [s]"""
        if seconds > _LONG_S:
            self._share = max(_LEAST_ROWS / most, self._share * max(0.25, _LONG_S / seconds))
        elif self.is_full(most, readings) and seconds < _LONG_S / 2:
            # Only a cycle that took what it was allowed to says that it could have taken more.
            self._share = min(1.0, self._share * 2)
