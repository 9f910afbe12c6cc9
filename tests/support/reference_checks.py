"""The checks once more in plain Python, one channel and one value at a time, for tests to hold the kernels against."""

import math
from collections.abc import Sequence
from statistics import median

Run = tuple[int, int]


def spike(amounts: Sequence[float], judged: Sequence[bool], share: float, floor: float) -> tuple[int, float] | None:
    """Place and ratio of the interval that stands out of one day."""
    known = [(amount, place) for place, (amount, counts) in enumerate(zip(amounts, judged, strict=True)) if counts]
    if len(known) < 3:
        return None
    ordered = sorted((amount for amount, _ in known), reverse=True)
    greatest, third = ordered[0], ordered[2]
    if third <= 0.0 or greatest < floor:
        return None
    ratio = (greatest - third) / third
    return (min(place for amount, place in known if amount == greatest), ratio) if ratio > share else None


def runs(holds: Sequence[bool]) -> list[Run]:
    """First and last place of each stretch in which something holds."""
    found: list[Run] = []
    for place, one in enumerate(holds):
        if one and place and holds[place - 1]:
            found[-1] = (found[-1][0], place)
        elif one:
            found.append((place, place))
    return found


def frozen(values: Sequence[float], judged: Sequence[bool], tolerances: Sequence[float]) -> list[tuple[Run, int]]:
    """Stretches of equal non-zero values, and how many there are in each."""
    found: list[list[int]] = []
    for place, (value, counts) in enumerate(zip(values, judged, strict=True)):
        if not counts or value == 0.0:
            continue
        before = found[-1] if found else None
        if before and before[-1] == place - 1 and abs(value - values[place - 1]) <= tolerances[place]:
            before.append(place)
        else:
            found.append([place])
    return [((places[0], places[-1]), len(places)) for places in found]


def beyond(
    lows: Sequence[float], highs: Sequence[float], lowest: Sequence[float], highest: Sequence[float]
) -> list[tuple[Run, float, float]]:
    """Stretches beyond bounds, with the value furthest beyond and its bound."""
    excess: list[tuple[float, float, float]] = []
    for low, high, least, most in zip(lows, highs, lowest, highest, strict=True):
        under = -math.inf if math.isnan(low) else least - low
        over = -math.inf if math.isnan(high) else high - most
        excess.append((under, low, least) if under >= over else (over, high, most))
    found = []
    for first, last in runs([one[0] > 0.0 for one in excess]):
        _, value, bound = max(excess[first : last + 1], key=lambda one: one[0])
        found.append(((first, last), value, bound))
    return found


def missing(slots: Sequence[int], expected: Sequence[int], least: int) -> list[tuple[Run, int, int]]:
    """Stretches without readings: of which intervals, how many slots, how many would have been enough."""
    asked = [place for place, count in enumerate(expected) if count > 0]
    bound = min(least, sum(expected))
    found = []
    for first, last in runs([slots[place] == 0 for place in asked]):
        count = sum(expected[place] for place in asked[first : last + 1])
        if count >= bound:
            found.append(((asked[first], asked[last]), count, bound))
    return found


def usual(amounts: Sequence[float], known: Sequence[float], least_known: float, least: int) -> float | None:
    """The median of the days that are known well enough."""
    good = [a for a, k in zip(amounts, known, strict=True) if k >= least_known and not math.isnan(a)]
    return median(good) if len(good) >= max(least, 1) else None


def deviation(mean: float, before: Sequence[float], weights: Sequence[float]) -> float | None:
    """How far a mean is from that of the days before, as a share of it."""
    pairs = [(b, w) for b, w in zip(before, weights, strict=True) if not math.isnan(b) and w > 0.0]
    total = weighed = 0.0
    for value, weight in pairs:
        total += value * weight
        weighed += weight
    if weighed == 0.0 or total == 0.0 or math.isnan(mean):
        return None
    return abs(mean - total / weighed) / abs(total / weighed)


def difference(counted: Sequence[float], summed: Sequence[float], shared: Sequence[bool]) -> tuple[float, float]:
    """How far a counter and the sum of a rate are apart, and what the counter shows."""
    count = total = 0.0
    for a, b, both in zip(counted, summed, shared, strict=True):
        if both:
            count += a
            total += b
    return abs(count - total), count


def excess(parent: float, parent_error: float, children: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """By how much children (amount, error) sum to more than their parent shows, and the error band."""
    total = squares = 0.0
    for amount, error in children:
        total += amount
        squares += (error * amount) ** 2
    return total - parent, math.sqrt(squares + (parent_error * parent) ** 2)


def before(
    times: Sequence[int], values: Sequence[float], least: int, window_us: int
) -> list[tuple[float, float] | None]:
    """Median and median absolute deviation of the readings of the window before each."""
    found: list[tuple[float, float] | None] = []
    for place, at in enumerate(times):
        window = [values[i] for i in range(place) if times[i] >= at - window_us]
        if len(window) < max(least, 1):
            found.append(None)
            continue
        middle = median(window)
        found.append((middle, median(abs(value - middle) for value in window)))
    return found


def estimated_share(estimated: Sequence[float], amounts: Sequence[float]) -> float | None:
    """Share of a month that is estimated."""
    part = whole = 0.0
    for one, amount in zip(estimated, amounts, strict=True):
        part += 0.0 if math.isnan(one) else abs(one)
        whole += 0.0 if math.isnan(amount) else abs(amount)
    return part / whole if whole > 0.0 else None
