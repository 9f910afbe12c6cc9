"""Samples of everything: neither the order of arrival nor how they are asked for is anything to them."""

import random
from typing import Any

import numpy as np
import pytest

from domain.alarms import (
    Alignment,
    SampleFrame,
    Signal,
    Source,
    Status,
    Suppression,
    Watch,
    WindowStatistic,
)
from domain.frames import Subject
from domain.quality import Quality
from domain.time import DAY_US, HOUR_US, Level
from kpi.ranges import Ranges
from service.engine.inputs import Inputs
from service.engine.signals import samples_of, wanted
from tests.support.databases import apply_to, emptied
from tests.support.sampling import (
    FAR_US,
    MINUTE_US,
    PARK,
    START_US,
    computed,
    energy,
    knowing,
    park_subject,
    sampled,
    watch,
)


@pytest.fixture
def ids(timescale_url: str) -> dict[str, int]:
    return apply_to(timescale_url, PARK)


def every_watch(ids: dict[str, int], subject: Subject) -> tuple[Watch, ...]:
    cod, ph, flow = (ids[f"_park/outlet/{one}"] for one in ("cod", "ph", "effluent_flow"))
    value, mean = Signal.VALUE, WindowStatistic.MEAN
    sources = [
        Source(signal=value, channel_id=cod),
        Source(signal=value, channel_id=cod, statistic=WindowStatistic.P95, window_s=600),
        Source(signal=value, channel_id=cod, statistic=mean, window_s=1800, alignment=Alignment.ROLLING),
        Source(signal=value, channel_id=cod, statistic=mean, window_s=7200, alignment=Alignment.RUNNING),
        Source(
            signal=value,
            channel_id=cod,
            statistic=WindowStatistic.FLOW_WEIGHTED_MEAN,
            window_s=600,
            alignment=Alignment.ROLLING,
        ),
        Source(signal=Signal.RATE, channel_id=ph, window_s=600),
        Source(signal=Signal.AMOUNT, channel_id=flow, statistic=WindowStatistic.SUM, window_s=3600),
        Source(signal=Signal.SILENCE, channel_id=ph),
        Source(signal=Signal.FINDING, channel_id=ph, finding="range"),
        Source(signal=Signal.KPI, subject=subject, kpi="electricity_supply", level=Level.HOUR),
        Source(
            signal=Signal.KPI, subject=subject, kpi="electricity_supply", level=Level.DAY, alignment=Alignment.RUNNING
        ),
    ]
    still = (Suppression(channel_id=flow, highest=5.0),)
    acid = watch(Source(signal=value, channel_id=ph), rule="acid", target="p/_park/outlet/ph", lowest=6.0)
    low = watch(sources[0], highest=60.0, suppressions=(Suppression(alarm="acid"),))
    return (*(watch(source, highest=60.0, suppressions=still) for source in sources), acid, low)


def day_of_everything(ids: dict[str, int], chance: random.Random) -> list[Any]:
    rows: list[Any] = list(energy(ids, 24))
    for minute in range(0, 1440, 2):
        at = START_US + minute * MINUTE_US
        quality = int(chance.choice([0] * 20 + [Quality.CALIBRATION, Quality.FAULT]))
        if chance.random() < 0.9:
            rows.append((ids["_park/outlet/cod"], at, chance.uniform(30.0, 90.0), quality))
        rows.append((ids["_park/outlet/ph"], at, chance.choice([7.0, 7.1, 5.0]), 0))
        rows.append((ids["_park/outlet/effluent_flow"], at, chance.choice([0.0, 60.0, 61.0]), 0))
    return rows


def test_who_never_sent_is_silent_and_else_nothing_is_known(timescale_url: str, ids: dict[str, int]) -> None:
    subject = park_subject(timescale_url)
    watches = every_watch(ids, subject)
    empty = sampled(timescale_url, *watches)
    computed(timescale_url, [], START_US + HOUR_US)

    ticked = sampled(timescale_url, *watches, from_us=START_US)

    assert len(empty) == 0
    signals = {watches[place].source.signal for place in np.unique(ticked.watch).tolist()}
    assert signals == {Signal.SILENCE, Signal.FINDING, Signal.KPI}
    of_kpis = np.array([one.source.signal is Signal.KPI for one in watches])[ticked.watch]
    assert set(ticked.status[of_kpis].tolist()) == {Status.MISSING}


@pytest.mark.parametrize("seed", range(2))
def test_samples_depend_neither_on_the_order_of_arrival_nor_on_the_parts_in_which_they_are_asked_for(
    timescale_url: str, ids: dict[str, int], seed: int
) -> None:
    chance = random.Random(seed)
    rows = day_of_everything(ids, chance)
    watches = every_watch(ids, park_subject(timescale_url))
    count = len(watches)
    computed(timescale_url, rows, START_US + DAY_US)
    expected = sampled(timescale_url, *watches, from_us=START_US)
    emptied(timescale_url)
    assert apply_to(timescale_url, PARK) == ids
    shuffled = chance.sample(rows, len(rows))
    for part in range(4):
        computed(timescale_url, shuffled[part::4], START_US + (part + 1) * 6 * HOUR_US)

    with knowing(timescale_url) as (conn, known):
        whole = samples_of(conn, known, watches, np.full(count, START_US), np.full(count, FAR_US))
        cut = START_US + 11 * HOUR_US + 7 * MINUTE_US
        first = samples_of(conn, known, watches, np.full(count, START_US), np.full(count, cut))
        second = samples_of(conn, known, watches, np.full(count, cut), np.full(count, FAR_US))

    for place in range(count):
        mine = [np.flatnonzero(frame.watch == place) for frame in (expected, whole, first, second)]
        assert len(mine[0]) > 0, place
        for name in SampleFrame.__slots__:
            frames = zip((expected, whole, first, second), mine, strict=True)
            told, again, *parts = (getattr(frame, name)[rows_of] for frame, rows_of in frames)
            np.testing.assert_array_equal(told, again, err_msg=f"{name} of watch {place}, by order")
            np.testing.assert_array_equal(told, np.concatenate(parts), err_msg=f"{name} of watch {place}, by parts")
    excluded = {Status.VALID, Status.MISSING, Status.CALIBRATION, Status.SUPPRESSED}
    assert set(np.unique(whole.status).tolist()) >= excluded


def test_what_came_later_is_in_what_is_wanted(timescale_url: str, ids: dict[str, int]) -> None:
    chance = random.Random(7)
    rows = day_of_everything(ids, chance)
    late = [row for row in rows if START_US + 9 * HOUR_US <= row[1] < START_US + 9 * HOUR_US + 40 * MINUTE_US]
    on_time = [row for row in rows if row not in late]
    subject = park_subject(timescale_url)
    watches = every_watch(ids, subject)
    count = len(watches)
    begin, end = np.full(count, START_US), np.full(count, FAR_US)
    computed(timescale_url, on_time, START_US + DAY_US)
    with knowing(timescale_url) as (conn, known):
        before = samples_of(conn, known, watches, begin, end)
    computed(timescale_url, late, None)
    with knowing(timescale_url) as (conn, known):
        after = samples_of(conn, known, watches, begin, end)
        at = np.array([row[1] for row in late])
        channels = np.array([row[0] for row in late], dtype=np.int32)
        step = np.where(
            np.isin(channels, [ids["_park/bulk/energy_import"], ids["alpha/main/energy_import"]]), HOUR_US, 0
        )
        touched = Ranges(channel_id=channels, from_us=at - step, to_us=at + step).merged()
        inputs = Inputs.of(known.plan, watches)
        places, from_us, to_us = wanted(known.plan.park, inputs, touched, np.array([START_US]), None)

    reach = {place: span for place, *span in zip(places.tolist(), from_us.tolist(), to_us.tolist(), strict=True)}
    assert len(reach) == count
    for place in range(count):
        low, high = reach[place]
        kept = []
        for frame in (before, after):
            rows_of = np.flatnonzero((frame.watch == place) & ~((frame.at_us >= low) & (frame.at_us < high)))
            kept.append([getattr(frame, name)[rows_of] for name in SampleFrame.__slots__])
        for one, other in zip(*kept, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=f"watch {place}")
