"""KPIs once more, slowly: plain Python, one subject, one interval, one number after another.

Written from the definitions and not from the code, so that both can only be wrong in the same way by being
wrong twice. Lives of meters on one another, and of a gauge beside a register, are left to hand-made examples.
"""

import math
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from types import SimpleNamespace
from zoneinfo import ZoneInfo

from domain.frames import AmountFrame, Subject, SubjectKind
from domain.registry import Channel, ComplianceRule, Kind, Meter, MeterRole, Registry, RuleStatistic
from domain.time import SECOND_US, Level, base_edges, level_edges

NAN = math.nan


@cache
def _intervals(zone: ZoneInfo, length_s: int, start: int, stop: int) -> list[tuple[int, int]]:
    return list(pairwise(base_edges(zone, length_s, start, stop).tolist()))


@cache
def _day(zone: ZoneInfo, instant: int) -> tuple[int, int]:
    """Start and end of the local day."""
    edges = level_edges(zone, 900, Level.DAY, instant, instant + 1).tolist()
    return edges[0], edges[1]


@dataclass(frozen=True)
class Reference:
    """What is known of a park, by channel and start of the interval."""

    registry: Registry
    rows: dict[tuple[int, int], SimpleNamespace]
    medians: dict[tuple[int, int], float]
    """Usual daily amount by channel and last day; absent where it is not known."""

    @classmethod
    def of(cls, registry: Registry, base: AmountFrame, medians: dict[tuple[int, int], float]) -> "Reference":
        names = ("amount", "estimated", "measured_s", "gap_s", "gap_stop_us", "slots", "mean", "low", "high")
        rows = {
            (int(base.channel_id[place]), int(base.start_us[place])): SimpleNamespace(
                **{name: float(getattr(base, name)[place]) for name in names}
            )
            for place in range(len(base))
        }
        return cls(registry, rows, medians)

    def cells(self, start: int, stop: int) -> list[tuple[int, int]]:
        park = self.registry.park
        return _intervals(park.zone, park.base_s, start, stop)

    def life(self, channel: Channel) -> tuple[int, int]:
        meter = self.registry.meter_by_id[channel.meter_id]
        tenant = self.registry.tenant_by_id[meter.tenant_id]
        parts = (channel, meter, tenant)
        ends = [part.valid_to_us for part in parts if part.valid_to_us is not None]
        return max(part.valid_from_us for part in parts), min(ends, default=2**62)

    def due_s(self, channel: Channel, start: int, stop: int) -> float:
        begin, end = self.life(channel)
        seconds = 0.0
        for first, last in self.cells(start, stop):
            if last <= (self.registry.park.ticked_to_us or 0):
                seconds += max(0, min(last, end) - max(first, begin)) / SECOND_US
        return seconds

    def lives(self, channel: Channel, start: int, stop: int) -> bool:
        begin, end = self.life(channel)
        return begin < stop and end > start

    def carrier(self, meter: Meter, *quantities: str) -> Channel | None:
        for quantity in quantities:
            for channel in self.registry.channels:
                if channel.meter_id == meter.id and channel.quantity == quantity:
                    return channel
        return None

    def hidden(self, meter: Meter, role: MeterRole, quantities: tuple[str, ...]) -> bool:
        above = meter.parent_id
        while above is not None:
            upper = self.registry.meter_by_id[above]
            if upper.role is role and upper.tenant_id == meter.tenant_id and self.carrier(upper, *quantities):
                return True
            above = upper.parent_id
        return False

    def members(self, subject: Subject, *quantities: str, role: MeterRole = MeterRole.USE) -> list[Channel]:
        found = []
        for meter in self.registry.meters:
            channel = self.carrier(meter, *quantities)
            if channel is None:
                continue
            if subject.kind is SubjectKind.METER:
                belongs = meter.id == subject.id
            else:
                own = subject.kind is SubjectKind.PARK or meter.tenant_id == subject.id
                belongs = own and meter.role is role and not self.hidden(meter, role, quantities)
            if belongs:
                found.append(channel)
        return found

    def weights(self, members: list[Channel], day: int, counting: list[bool]) -> list[float]:
        own = [
            self.medians.get((channel.id, day)) if counts else None
            for channel, counts in zip(members, counting, strict=True)
        ]
        known = [weight for weight in own if weight is not None]
        mean = sum(known) / len(known) if known else 1.0
        full = [
            (mean if weight is None else weight) if counts else 0.0
            for weight, counts in zip(own, counting, strict=True)
        ]
        if sum(full) <= 0:
            return [1.0 if counts else 0.0 for counts in counting]
        return full

    def last_day(self, start: int, stop: int) -> int:
        park, last = self.registry.park, stop - 1
        if park.ticked_to_us is not None and start < park.ticked_to_us:
            last = min(last, park.ticked_to_us - 1)
        return _day(park.zone, last)[0]

    def amount(self, members: list[Channel], start: int, stop: int) -> tuple[float, float]:
        """Measured and estimated part."""
        measured, estimated = [], []
        for channel in members:
            for first, last in self.cells(start, stop):
                row = self.rows.get((channel.id, first))
                if row is None or math.isnan(row.amount) or not self.lives(channel, first, last):
                    continue
                if row.measured_s > 0:
                    measured.append(row.amount - row.estimated)
                estimated.append(row.estimated)
        return (sum(measured) if measured else NAN), (sum(estimated) if estimated else NAN)

    def coverage(self, members: list[Channel], start: int, stop: int) -> tuple[float, float]:
        ticked = self.registry.park.ticked_to_us or 0
        due = [self.due_s(channel, start, stop) for channel in members]
        weights = self.weights(members, self.last_day(start, stop), [seconds > 0 for seconds in due])
        profile = total = 0.0
        for channel, weight, seconds in zip(members, weights, due, strict=True):
            begin, end = self.life(channel)
            covered = closed = 0.0
            for first, last in self.cells(start, stop):
                row = self.rows.get((channel.id, first))
                if row is None:
                    continue
                covered += min(row.measured_s, self.due_s(channel, first, last))
                if row.gap_s > 0 and row.gap_stop_us <= stop:
                    opening = row.gap_stop_us - row.gap_s * SECOND_US
                    closed += max(0.0, min(row.gap_stop_us, end, ticked) - max(opening, begin)) / SECOND_US
            profile += weight * covered
            total += weight * min(covered + closed, seconds)
        whole = sum(weight * seconds for weight, seconds in zip(weights, due, strict=True))
        return (profile / whole, total / whole) if whole > 0 else (NAN, NAN)

    def whole(self, channel: Channel, first: int, last: int) -> float | None:
        """The amount of an interval that was measured from end to end."""
        row = self.rows.get((channel.id, first))
        if row is None or not self.lives(channel, first, last) or row.measured_s < (last - first) / SECOND_US:
            return None
        return float(row.amount)

    def demand(self, members: list[Channel], start: int, stop: int) -> SimpleNamespace:
        park = self.registry.park
        block_s = max(self.registry.meter_by_id[channel.meter_id].demand_block_s for channel in members)
        best, best_at, energy, hours, entered, due, bound = NAN, 0, 0.0, 0.0, 0.0, 0.0, False
        for first, last in _intervals(park.zone, block_s, start, stop):
            day, following = _day(park.zone, first)
            weights = self.weights(members, day, [self.lives(channel, day, following) for channel in members])
            weights = [
                weight if self.lives(channel, first, last) else 0.0
                for weight, channel in zip(weights, members, strict=True)
            ]
            kwh, present = 0.0, 0.0
            for channel, weight in zip(members, weights, strict=True):
                parts = [self.whole(channel, *cell) for cell in self.cells(first, last)]
                known = [part for part in parts if part is not None]
                if len(known) == len(parts):
                    kwh, present = kwh + sum(known), present + weight
            all_weight, length = sum(weights), (last - first) / SECOND_US / 3600
            share = present / all_weight if all_weight > 0 else 0.0
            is_due = last <= (park.ticked_to_us or 0) and all_weight > 0
            due += length if is_due else 0.0
            if share < 0.75 - 1e-12:
                continue
            energy, hours = energy + kwh, hours + length
            entered += share * length if is_due else 0.0
            if not kwh / length <= best:
                best, best_at, bound = kwh / length, first, share < 1.0
        return SimpleNamespace(
            peak=best,
            at=best_at,
            lower_bound=bound,
            coverage=entered / due if due > 0 else NAN,
            load_factor=energy / (best * hours) if best > 0 else NAN,
        )

    def power_factor(self, members: list[Channel], start: int, stop: int) -> float:
        active = reactive = 0.0
        for channel in members:
            other = self.carrier(self.registry.meter_by_id[channel.meter_id], "energy_reactive_lagging")
            if other is None or channel.quantity != "energy_import":
                continue
            for cell in self.cells(start, stop):
                one, two = self.whole(channel, *cell), self.whole(other, *cell)
                if one is not None and two is not None:
                    active, reactive = active + one, reactive + two
        apparent = math.hypot(active, reactive)
        return active / apparent if apparent > 0 else NAN

    def availability(self, subject: Subject, start: int, stop: int) -> tuple[float, float]:
        """Filled and expected slots."""
        filled = due = 0.0
        for channel in self.registry.channels:
            meter = self.registry.meter_by_id[channel.meter_id]
            owner = {SubjectKind.PARK: subject.id, SubjectKind.TENANT: meter.tenant_id, SubjectKind.METER: meter.id}
            if channel.kind in {Kind.PRODUCT, Kind.EVENT} or owner[subject.kind] != subject.id:
                continue
            for first, last in self.cells(start, stop):
                expected = self.slots(channel, first, last)
                row = self.rows.get((channel.id, first))
                due += expected
                filled += 0 if row is None else min(row.slots, expected)
        return filled, due

    def slots(self, channel: Channel, first: int, last: int) -> int:
        park = self.registry.park
        if last > (park.ticked_to_us or 0):
            return 0
        midnight = _day(park.zone, first)[0]
        begin, end = self.life(channel)
        step = channel.interval_s * SECOND_US
        slot, number = midnight, 0
        while slot < last:
            number += first <= slot and begin <= slot < end
            slot += step
        return number

    def windows(self, rule: ComplianceRule, windows: list[tuple[int, int]]) -> list[int]:
        """How many windows of a rule that only limits upwards are ok, exceeded, invalid."""
        outcome = [0, 0, 0]
        for start, stop in windows:
            if start < rule.valid_from_us or stop > (self.registry.park.ticked_to_us or 0):
                continue
            rows = [self.rows.get((rule.channel_id, first)) for first, _ in self.cells(start, stop)]
            known = [row for row in rows if row is not None and not math.isnan(row.mean)]
            seconds = sum(row.measured_s for row in known)
            if not known or seconds / ((stop - start) / SECOND_US) < rule.least_valid:
                outcome[2] += 1
            elif rule.statistic is RuleStatistic.MEAN:
                mean = sum(row.mean * row.measured_s for row in known) / seconds
                outcome[int(mean > (rule.highest or 0.0))] += 1
            else:
                outcome[int(max(row.high for row in known) > (rule.highest or 0.0))] += 1
        return outcome
