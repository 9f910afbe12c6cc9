"""Water and effluent once more, slowly: plain Python, one subject, one interval, one number after another."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain.frames import AmountFrame
from domain.quality import Flag
from domain.registry import Channel, ComplianceRule, Registry
from domain.time import HOUR_US, SECOND_US, Level, level_edges
from tests.support.reference_kpis import NAN, Reference

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Cell = tuple[int, int]


@dataclass(frozen=True)
class WaterReference(Reference):
    """As its base, with the flags of rows."""

    flags: dict[Cell, int]

    @classmethod
    def of_week(cls, registry: Registry, base: AmountFrame, medians: dict[Cell, float]) -> "WaterReference":
        plain = Reference.of(registry, base, medians)
        keys = zip(base.channel_id.tolist(), base.start_us.tolist(), strict=True)
        return cls(registry, plain.rows, medians, dict(zip(keys, base.flags.tolist(), strict=True)))

    def day_of(self, instant: int) -> Cell:
        park = self.registry.park
        first, last = level_edges(park.zone, park.base_s, Level.DAY, instant, instant + 1).tolist()
        return first, last

    def spread_out(self, channel: Channel, first: int, last: int) -> float | None:
        """An amount that was spread over a gap."""
        row = self.rows.get((channel.id, first))
        spoken = self.flags.get((channel.id, first), 0) & Flag.ESTIMATED
        if row is None or not spoken or math.isnan(row.amount) or self.whole(channel, first, last) is not None:
            return None
        return float(row.amount)

    def share(self, members: list[Channel], cell: Cell, *, with_gaps: bool) -> float:
        """Weighted share of the members that is measured, or measured or spread over a gap."""
        day = self.day_of(cell[0])
        weights = self.weights(members, day[0], [self.lives(channel, *day) for channel in members])
        have = all_weight = 0.0
        for channel, weight in zip(members, weights, strict=True):
            if not self.lives(channel, *cell):
                continue
            all_weight += weight
            known = self.whole(channel, *cell) is not None
            have += weight if known or (with_gaps and self.spread_out(channel, *cell) is not None) else 0.0
        return have / all_weight if all_weight > 0 else NAN

    def sums(self, members: list[Channel], cell: Cell) -> tuple[float, float]:
        """What was measured, and what was spread over gaps."""
        exact = [self.whole(channel, *cell) for channel in members]
        spread = [self.spread_out(channel, *cell) for channel in members]
        return sum(one for one in exact if one is not None), sum(one for one in spread if one is not None)

    def pair(self, over: list[Channel], under: list[Channel], start: int, stop: int) -> list[float]:
        """(over measured, over estimated, under measured, under estimated, hours entered, expected, unpaired)."""
        totals, hours, some = [0.0] * 4, [0.0] * 3, False
        for cell in self.cells(start, stop):
            length = (cell[1] - cell[0]) / HOUR_US
            measured = [self.share(side, cell, with_gaps=False) for side in (over, under)]
            known = [self.share(side, cell, with_gaps=True) for side in (over, under)]
            is_due = cell[1] <= (self.registry.park.ticked_to_us or 0) and not any(map(math.isnan, measured))
            both = all(one >= 0.9 - 1e-12 for one in measured)
            neither = all(one < 0.9 - 1e-12 for one in measured) and all(one >= 0.9 - 1e-12 for one in known)
            hours[1] += length if is_due else 0.0
            if is_due and both:
                hours[0] += length * min(measured)
            if is_due and not both and max(measured) > 0:
                hours[2] += length
            if not (both or neither):
                continue
            some = True
            for side, members in enumerate((over, under)):
                exact, spread = self.sums(members, cell)
                totals[2 * side] += exact if both else 0.0
                totals[2 * side + 1] += spread if both else exact + spread
        return [*(totals if some else [NAN] * 4), *hours]

    def is_night(self, instant: int) -> bool:
        moment = (EPOCH + timedelta(microseconds=instant)).astimezone(self.registry.park.zone)
        return 2 <= moment.hour < 4

    def night(
        self, supply: list[Channel], use: list[Channel], start: int, stop: int
    ) -> tuple[float, int, float, float]:
        """Lowest hour, when it began, hours entered, hours expected."""
        net: dict[int, float] = {}
        entered = expected = 0.0
        cells = [cell for cell in self.cells(start, stop) if self.is_night(cell[0])]
        for cell in cells:
            sides = [self.share(side, cell, with_gaps=False) for side in (supply, use)]
            known = min(1.0 if math.isnan(one) else one for one in sides)
            length = (cell[1] - cell[0]) / HOUR_US
            is_due = cell[1] <= (self.registry.park.ticked_to_us or 0)
            expected += length if is_due else 0.0
            if known >= 0.9 - 1e-12:
                entered += length * known if is_due else 0.0
                net[cell[0]] = self.sums(supply, cell)[0] - self.sums(use, cell)[0]
        lowest, at = NAN, 0
        step = self.registry.park.base_s * SECOND_US
        for first, _ in cells:
            hour = [net.get(first + offset) for offset in range(0, HOUR_US, step)]
            known_parts = [part for part in hour if part is not None]
            if len(known_parts) == len(hour) and not sum(known_parts) >= lowest:
                lowest, at = sum(known_parts), first
        return lowest, at, entered, expected

    def mean_concentration(self, loads: list[Channel], start: int, stop: int) -> tuple[float, float]:
        """Load and volume of intervals in which both are known."""
        load = volume = 0.0
        some = False
        for channel in loads:
            assert channel.inputs is not None
            flow = self.registry.channel_by_id[channel.inputs[1]]
            for cell in self.cells(start, stop):
                one, other = self.whole(channel, *cell), self.whole(flow, *cell)
                if one is not None and other is not None:
                    load, volume, some = load + one, volume + other, True
        return (load, volume) if some else (NAN, NAN)

    def beyond(self, rule: ComplianceRule, flow: Channel, start: int, stop: int) -> tuple[float, float]:
        """Hours beyond an upper limit, and the load beyond it."""
        channel, limit = self.registry.channel_by_id[rule.channel_id], rule.highest or 0.0
        hours = excess = 0.0
        any_hours = any_pair = False
        for cell in self.cells(start, stop):
            row = self.rows.get((channel.id, cell[0]))
            if row is None or row.measured_s <= 0:
                continue
            covered = min(row.measured_s, self.due_s(channel, *cell)) / 3600
            any_hours = any_hours or covered > 0
            hours += covered if row.mean > limit else 0.0
            volume = self.whole(flow, *cell)
            if volume is not None and row.measured_s >= (cell[1] - cell[0]) / SECOND_US:
                any_pair = True
                excess += max(0.0, row.mean - limit) * volume * 1e-3
        return (hours if any_hours else NAN), (excess if any_pair else NAN)
