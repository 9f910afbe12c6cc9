"""At which level numbers are answered: as asked, or the finest of which no more than so many intervals are in the range."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query

from domain.registry import Park
from domain.time import SECOND_US, Level
from service.api.problem import refused
from service.api.ranges import MOST_PERIODS, SHORTEST_US, LevelName, Span, periods

__all__ = ["LevelQuery", "WantedLevel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedLevel:
    """What a request says of the level."""

    named: LevelName | None
    max_points: int | None

    def level(self, parks: Sequence[Park], span: Span, levels: Collection[Level] = tuple(Level)) -> LevelName:
        """
        The level of the answer.

        Parameters
        ----------
        parks : sequence of Park
            Whose intervals count; the most of them decide.
        levels : collection of Level
            Of which there are numbers.

        Raises
        ------
        Problem
            422: neither a level nor a number is given; the level has more intervals than that, or none has few enough.
        """
        if self.max_points is None:
            if self.named is None:
                raise refused("say the level, or by max_points how many intervals there may be, and it is chosen")
            return self.named
        if self.named is not None:
            if _intervals(parks, self.named.level, span, self.max_points) > self.max_points:
                raise refused(
                    f"the range holds more than {self.max_points} intervals of level {self.named}; leave the level out, "
                    "and the finest that fits is chosen"
                )
            return self.named
        for level in sorted(levels):
            if 1 <= _intervals(parks, level, span, self.max_points) <= self.max_points:
                return LevelName[level.name]
        raise refused(
            f"no level has from 1 to {self.max_points} intervals that begin in the range; ask for more of them"
        )


def _intervals(parks: Sequence[Park], level: Level, span: Span, most: int) -> int:
    """How many intervals begin in a range; where they are far more than `most`, some number beyond that."""
    for park in parks:
        shortest_us = park.base_s * SECOND_US if level is Level.BASE else SHORTEST_US[level]
        # Of an hour more or less, a day of 23 hours is counted short by less than a tenth.
        if (span.stop_us - span.start_us) // shortest_us > min(2 * most, MOST_PERIODS):
            return most + 1
    return max(len(periods(park, level, span)) - 1 for park in parks)


def _wanted(
    level: Annotated[LevelName | None, Query(description="How much time each number covers.")] = None,
    max_points: Annotated[
        int | None,
        Query(
            ge=1,
            le=MOST_PERIODS,
            description="The finest level is chosen of which no more intervals begin in the range. With a level too, that is refused "
            "where it has more.",
        ),
    ] = None,
) -> WantedLevel:
    return WantedLevel(named=level, max_points=max_points)


LevelQuery = Annotated[WantedLevel, Depends(_wanted)]
"""The level that a request for numbers names, or leaves to be chosen."""
