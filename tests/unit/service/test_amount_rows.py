"""The short way from stored amounts to JSON gives what the long way gives, byte by byte."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from pydantic import TypeAdapter

from domain.frames import AmountFrame, FloatArray
from domain.registry import Outage
from domain.time import HOUR_US, Level, from_datetime
from service.api.amountrows import AmountsAsked, AmountsJson
from service.api.amounts import amount_values, folded
from service.api.models import AmountSeries
from service.api.ranges import Span, periods
from service.api.together import Together
from store.arrays import POSTGRES_EPOCH_US
from store.frames import StoredAmounts
from store.shown import AmountsSought, ShownAmount
from tests.support.small_parks import a_channel, a_meter, a_park, a_registry, amounts, at

START_US, STOP_US = at("03-28 00:00"), at("03-31 00:00")
FLOATS = ("mean", "low", "high", "last", "peak", "inner_gap_s", "estimated", "measured_s")


def some(random: np.random.Generator, length: int, *, may_lack: bool = True) -> FloatArray:
    """Numbers of all sizes, whole ones and zeros among them, and some that are not known."""
    values = random.choice([0.0, 1.0, -0.5, 1e-9, 123456.789, 5e17, 1 / 3], length) * random.choice(
        [1.0, 0.1, 7.0], length
    )
    return np.where(random.random(length) < 0.2, np.nan, values) if may_lack else np.abs(values) % 900.0


def stored(random: np.random.Generator, starts_us: Any, level: Level) -> StoredAmounts:
    kept = starts_us[random.random(len(starts_us)) < 0.8]
    length = len(kept)
    columns: dict[str, Any] = {name: some(random, length, may_lack=name not in FLOATS[-3:]) for name in FLOATS}
    frame = amounts(7, 0, some(random, length), level=level, **columns)
    changed = {
        "start_us": kept,
        "peak_at_us": np.where(random.random(length) < 0.3, 0, kept + 123_456),
        "flags": random.integers(0, 256, length).astype(np.int32),
    }
    names = ("channel_id", "amount", *FLOATS, "gap_s", "gap_stop_us", "slots", "received", "unusable")
    rest = {name: getattr(frame, name) for name in names}
    return StoredAmounts(
        frame=AmountFrame(level=level, **rest, **changed),
        revision=random.integers(0, 5, length).astype(np.int32),
        computed_at_us=kept + random.integers(1, 10**12, length),
    )


def shown(found: StoredAmounts) -> list[ShownAmount]:
    """The rows as the database shows them."""
    frame = found.frame

    def known(values: Any, row: int) -> float | None:
        return None if np.isnan(values[row]) else float(values[row])

    rows: list[Any] = [
        (
            int(frame.start_us[row]) - POSTGRES_EPOCH_US,
            *(known(getattr(frame, name), row) for name in ("amount", *FLOATS[:5])),
            int(frame.peak_at_us[row]) - POSTGRES_EPOCH_US if frame.peak_at_us[row] else None,
            float(frame.measured_s[row]),
            float(frame.estimated[row]),
            float(frame.inner_gap_s[row]),
            int(frame.flags[row]),
            int(found.revision[row]),
            int(found.computed_at_us[row]) - POSTGRES_EPOCH_US,
        )
        for row in range(len(frame))
    ]
    return rows


@pytest.mark.parametrize("zone", ["Asia/Jakarta", "UTC", "Europe/London"])
@pytest.mark.parametrize("quantity", ["energy_import", "power", "cod"])
@pytest.mark.parametrize("level", [Level.BASE, Level.HOUR, Level.DAY])
def test_the_short_way_writes_what_the_long_way_writes(zone: str, quantity: str, level: Level) -> None:
    random = np.random.default_rng(len(zone) * 100 + len(quantity) * 10 + int(level))
    park = a_park(zone=ZoneInfo(zone), ticked_to_us=STOP_US - 5 * HOUR_US)
    outage = Outage(from_us=START_US + HOUR_US, to_us=START_US + 2 * HOUR_US, reason="broken")
    registry = a_registry([a_meter(1, 1, outages=(outage,))], [a_channel(7, 1, quantity)], park=park)
    channel = registry.channels[0]
    edges = periods(park, level, Span(start_us=START_US, stop_us=STOP_US))
    found = stored(random, edges[:-1], level)

    values = amount_values(folded(found, level, park), edges, park, channel, (outage,))
    series = AmountSeries(channel=channel.key, level=level.key, timezone=zone, values=values)
    expected = TypeAdapter(list[AmountSeries]).dump_json([series])
    written = msgspec.json.encode([AmountsAsked.of(registry, channel, level, edges).series(shown(found))])

    assert len(values) >= 2
    assert msgspec.json.decode(written) == msgspec.json.decode(expected)
    assert written == expected.replace(b"e+", b"e")
    assert from_datetime(values[0].start) == edges[0]


async def test_what_is_read_again_is_written_anew_only_where_it_differs() -> None:
    random = np.random.default_rng(7)
    park = a_park(ticked_to_us=STOP_US)
    registry = a_registry([a_meter(1, 1)], [a_channel(7, 1, "energy_import")], park=park)
    edges = periods(park, Level.BASE, Span(start_us=START_US, stop_us=STOP_US))
    asked = AmountsAsked.of(registry, registry.channels[0], Level.BASE, edges)
    stored_rows = shown(stored(random, edges[:-1], Level.BASE))
    sought: list[AmountsSought] = []

    async def read(questions: Sequence[AmountsSought]) -> list[list[ShownAmount]]:
        sought.extend(questions)
        return [list(stored_rows) for _ in questions]

    def written() -> bytes:
        return msgspec.json.encode([asked.series(stored_rows)])

    answer = AmountsJson(Together(read, lambda _: 1, at_once=1, most=1), "anna", [asked])
    first = await answer()
    assert first == written()
    assert await answer() is first
    for place in (0, len(stored_rows) - 1):
        for column in range(1, len(stored_rows[0])):
            row = list(stored_rows[place])
            row[column] = (row[column] or 0) + 1
            stored_rows[place] = tuple(row)  # type: ignore[assignment] # one column of it is another number
            changed = await answer()
            assert changed == written() != first, column
            first = changed
    stored_rows.pop()
    assert await answer() == written() != first
    assert {(one.user, one.start_us, one.stop_us) for one in sought} == {("anna", START_US, STOP_US)}
    assert len(sought) == 2 + 2 * (len(stored_rows[0]) - 1) + 1
