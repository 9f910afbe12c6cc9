"""Evaluating only what a change can reach ends in what evaluating everything ends in."""

from dataclasses import fields, replace
from random import Random
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alerts.conditions import WatchTable
from alerts.evaluate import evaluate
from domain.alarms import (
    OPEN_US,
    Category,
    EpisodeFrame,
    SampleFrame,
    Severity,
    Signal,
    Source,
    Status,
    Suppression,
    Watch,
)
from domain.time import SECOND_US, IntArray
from service.engine.evaluating import Asked, Part, evaluated
from service.engine.reach import taken_samples
from service.engine.watching import Watching, layers_of
from store.episodes import EpisodeTable
from tests.support.small_parks import BEGIN_US

MIN = 60 * SECOND_US
COUNT = 400
NEAR_US = BEGIN_US + COUNT * MIN
FAR_US = BEGIN_US + 10 * COUNT * MIN
VALUES = (0.0, 80.0, 95.0, 95.0, 120.0)


def a_watch(number: int, **changes: Any) -> Watch:
    watch = Watch(
        rule_id=number,
        alarm_id=number,
        rule=f"r{number}",
        target=f"p/t/m/q{number}",
        name="R",
        category=Category.WARNING,
        severity=Severity.LOW,
        source=Source(signal=Signal.VALUE, channel_id=number),
        unit="mg/L",
        highest=100.0,
        deadband=10.0,
    )
    return replace(watch, **changes)


def a_series(random: Random) -> dict[int, tuple[float, int, int]]:
    """A value, a status and a window in minutes by minute; some minutes have none."""
    weights = random.choice([(1, 6, 1, 1, 2), (1, 1, 6, 6, 2), (1, 1, 1, 1, 8)])
    window = random.choice([0, 0, 5])
    missing = random.choice([0.0, 0.3, 0.9])
    made = {}
    for minute in range(COUNT):
        if random.random() < 0.2:
            continue
        status = Status.MISSING if random.random() < missing else Status.VALID
        made[minute] = random.choices(VALUES, weights)[0], int(status), window
    return made


def samples_from(series: list[dict[int, tuple[float, int, int]]]) -> SampleFrame:
    rows = [
        (place, minute, *one) for place, by_minute in enumerate(series) for minute, one in sorted(by_minute.items())
    ]
    watch, minute, value, status, window = (np.array(column) for column in zip(*rows, strict=True))
    at_us = BEGIN_US + minute.astype(np.int64) * MIN
    known_s = np.append(0, np.diff(at_us)) / SECOND_US
    known_s[np.append(True, watch[1:] != watch[:-1])] = 0.0
    return SampleFrame(
        watch=watch.astype(np.int32),
        start_us=at_us - window.astype(np.int64) * MIN,
        stop_us=np.where(window > 0, at_us, at_us + MIN),
        at_us=at_us,
        least=value,
        greatest=value,
        lowest=np.full(len(value), -np.inf),
        highest=np.full(len(value), 100.0),
        status=status.astype(np.int8),
        known_s=np.minimum(known_s, 300.0),
        excess_kg=np.full(len(value), np.nan),
        final=minute < COUNT - 30,
    )


class Memory:
    """What a database holds: episodes by alarm and start, and the samples of now."""

    def __init__(self, watches: list[Watch], series: list[dict[int, tuple[float, int, int]]]) -> None:
        self.watching = Watching(watches, 900)
        # A margin is only a guess at how far to go: what is too short must do as well.
        self.watching.bounds = replace(self.watching.bounds, margin_us=np.full(len(watches), MIN))
        self.samples = samples_from(series)
        self.rows: dict[tuple[int, int], tuple[Any, ...]] = {}
        self.loaded = 0

    def samples_of(self, watches: tuple[Watch, ...], from_us: IntArray, to_us: IntArray) -> SampleFrame:
        place = np.full(len(self.watching), -1, dtype=np.int32)
        mine = [watch.alarm_id for watch in watches]
        place[mine] = np.arange(len(mine), dtype=np.int32)
        here = place[self.samples.watch]
        rows = (here >= 0) & (self.samples.at_us >= from_us[here]) & (self.samples.at_us < to_us[here])
        self.loaded += int(rows.sum())
        found = taken_samples(self.samples, rows, place)
        return taken_samples(found, np.lexsort((found.at_us, found.watch)))

    def stored_of(self, alarm_id: NDArray[np.int32], from_us: IntArray) -> EpisodeTable:
        since = dict(zip(alarm_id.tolist(), from_us.tolist(), strict=True))
        rows = sorted(
            (key, row)
            for key, row in self.rows.items()
            if key[0] in since and row[NAMES.index("cleared_us")] >= since[key[0]]
        )
        kinds = {one.name: getattr(EMPTY, one.name).dtype for one in fields(EpisodeFrame)}
        columns = {name: np.array([row[n] for _, row in rows], dtype=kinds[name]) for n, name in enumerate(NAMES)}
        ids = np.array([key[0] for key, _ in rows], dtype=np.int32)
        return EpisodeTable(alarm_id=ids, rule_id=ids, **columns)

    def put(self, part: Part) -> None:
        place = part.asked.place
        for frame, is_gone in ((part.before, True), (part.after, False)):
            for row in range(len(frame)):
                key = (int(place[frame.watch[row]]), int(frame.start_us[row]))
                if is_gone:
                    self.rows.pop(key)
                else:
                    assert key not in self.rows
                    self.rows[key] = values(frame, row)
        self.watching.quiet_us[place] = part.quiet_us

    def judge(self, asked: Asked) -> None:
        parts = evaluated(self.watching, asked, (NEAR_US, FAR_US), samples_of=self.samples_of, stored_of=self.stored_of)
        for part in list(parts):
            self.put(part)

    def expected(self) -> dict[tuple[int, int], tuple[Any, ...]]:
        found = evaluate(WatchTable.of(self.watching.watches), self.samples).episodes
        return {(int(found.watch[row]), int(found.start_us[row])): values(found, row) for row in range(len(found))}


NAMES = tuple(one.name for one in fields(EpisodeFrame) if one.name != "watch")


def values(frame: EpisodeFrame, row: int) -> tuple[Any, ...]:
    return tuple(getattr(frame, name)[row].item() for name in NAMES)


EMPTY = evaluate(
    WatchTable.of([]), taken_samples(samples_from([{0: (0.0, 0, 0)}]), np.array([], dtype=np.int64))
).episodes


def same(left: dict[tuple[int, int], tuple[Any, ...]], right: dict[tuple[int, int], tuple[Any, ...]]) -> bool:
    return {key: [repr(one) for one in row] for key, row in left.items()} == {
        key: [repr(one) for one in row] for key, row in right.items()
    }


def some_watches(random: Random, count: int) -> list[Watch]:
    return [
        a_watch(
            number,
            on_delay_s=random.choice([0, 120, 600, 1800]),
            off_delay_s=random.choice([0, 180, 900]),
            merge_gap_s=random.choice([0, 600, 3600]),
        )
        for number in range(count)
    ]


@pytest.mark.parametrize("seed", range(16))
def test_any_sequence_of_changes_ends_in_what_evaluating_everything_ends_in(seed: int) -> None:
    random = Random(seed)
    watches = some_watches(random, 6)
    whole = [a_series(random) for _ in watches]
    memory = Memory(watches, [{0: (0.0, 0, 0)} for _ in watches])
    order = list(range(0, COUNT, 40))
    if random.random() < 0.5:
        random.shuffle(order)

    now: list[dict[int, tuple[float, int, int]]] = [{} for _ in watches]
    for first in order:
        for place, series in enumerate(whole):
            now[place] |= {minute: one for minute, one in series.items() if first <= minute < first + 40}
        memory.samples = samples_from(now)
        # The time since the sample before belongs to the one after, wherever that is.
        until = [min((minute for minute in series if minute >= first + 40), default=COUNT) + 1 for series in now]
        places = np.arange(len(watches))
        begin = np.full(len(watches), BEGIN_US + first * MIN)
        end = BEGIN_US + np.array(until, dtype=np.int64) * MIN
        memory.judge(Asked(place=places, from_us=begin, to_us=end))
        assert same(memory.rows, memory.expected())


def test_live_data_is_evaluated_from_the_last_quiet_point_on() -> None:
    watches = [a_watch(0, on_delay_s=600)]
    series = [dict.fromkeys(range(COUNT), (95.0, 0, 0))]
    memory = Memory(watches, series)
    memory.judge(Asked(place=np.array([0]), from_us=np.array([BEGIN_US]), to_us=np.array([FAR_US])))
    before = memory.loaded

    begin = BEGIN_US + (COUNT - 30) * MIN
    memory.judge(Asked(place=np.array([0]), from_us=np.array([begin]), to_us=np.array([FAR_US])))

    assert memory.loaded - before == 30


def test_late_data_is_evaluated_only_around_it() -> None:
    watches = [a_watch(0)]
    series = [{minute: (120.0 if minute % 100 == 50 else 50.0, 0, 0) for minute in range(COUNT)}]
    memory = Memory(watches, series)
    memory.judge(Asked(place=np.array([0]), from_us=np.array([BEGIN_US]), to_us=np.array([FAR_US])))
    before, quiet = memory.loaded, memory.watching.quiet_us.copy()

    begin = BEGIN_US + 150 * MIN
    memory.judge(Asked(place=np.array([0]), from_us=np.array([begin]), to_us=np.array([begin + MIN])))

    assert memory.loaded - before < 300
    assert memory.watching.quiet_us.tolist() == quiet.tolist()
    assert same(memory.rows, memory.expected())


def test_an_alarm_is_judged_after_those_that_suppress_it() -> None:
    watches = [
        a_watch(0, suppressions=(Suppression(alarm="r1"),)),
        a_watch(1, suppressions=(Suppression(alarm="r2@p/t/m/q2"),)),
        a_watch(2),
        a_watch(3, suppressions=(Suppression(alarm="r4"),)),
        a_watch(4, suppressions=(Suppression(alarm="r3"),)),
    ]

    assert layers_of(watches).tolist() == [2, 1, 0, 8, 8]
    assert Watching(watches, 900).suppressed_by == {1: (0,), 2: (1,), 4: (3,), 3: (4,)}


def test_the_version_that_holds_is_the_last_that_came_into_force() -> None:
    watches = [
        a_watch(0, alarm_id=7, valid_to_us=BEGIN_US + MIN),
        a_watch(1, alarm_id=7, valid_from_us=BEGIN_US + MIN),
        a_watch(2, alarm_id=8, valid_to_us=BEGIN_US),
        a_watch(3, alarm_id=9, valid_from_us=BEGIN_US + 9 * MIN),
    ]
    watching = Watching(watches, 900)

    assert watching.followed(BEGIN_US).tolist() == [True, False, True, False]
    assert watching.followed(BEGIN_US + MIN).tolist() == [False, True, True, False]
    assert watching.ended(BEGIN_US + MIN).tolist() == [True, False, True, False]
    ids = np.array([7, 7, 8, 5], dtype=np.int32)
    moments = np.array([BEGIN_US, BEGIN_US + MIN, BEGIN_US + MIN, BEGIN_US])
    assert watching.places_of(ids, moments).tolist() == [0, 1, -1, -1]
    assert watching.bounds.valid_to_us[1] == OPEN_US
