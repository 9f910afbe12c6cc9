"""
How fast rules of alarms are held against fresh values, and against a long past.

One run, one JSON line:

- `fresh`: every rule gets one more value, as columns; samples are made of them and the conditions step on. The middle of
  many rounds, in which some values are beyond, some in the deadband, some missing, and each is followed by another.
- `scalar`: the same in plain Python, one rule after another, on fewer rules; what it would take for all of them.
- `past`: episodes of a few rules over all samples, from the first on.

The steps and episodes of all are held against those of plain Python, on the same samples.
Run it by `make bench` or `python -m benchmarks.bench_alerts [--rules N] [--samples N]`.
"""

import argparse
import json
import os
import platform
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alerts.conditions import BoolArray, Memory, WatchTable
from alerts.evaluate import evaluate
from alerts.memory import advance
from alerts.steps import STEPS, StepFrame
from domain.alarms import SampleFrame, Status
from domain.frames import FloatArray
from domain.time import SECOND_US, IntArray
from tests.support.alarm_reference import Limits, Sample, judge

START_US = 1_767_225_600 * SECOND_US
INTERVAL_S = 120
LIMIT, DEADBAND = 100.0, 5.0
ON_S, OFF_S, MERGE_S = 240, 360, 600
ROUNDS = 15
CHECKED = 1_000


def table_of(rules: int) -> WatchTable:
    """Columns of rules that are all alike in cost."""
    return WatchTable(
        deadband=np.full(rules, DEADBAND),
        on_delay_s=np.full(rules, ON_S),
        off_delay_s=np.full(rules, OFF_S),
        merge_gap_s=np.full(rules, MERGE_S),
    )


def samples_of(watch: IntArray, at_us: IntArray, value: FloatArray, missing: BoolArray) -> SampleFrame:
    """Readings of a gauge as samples."""
    count = len(watch)
    return SampleFrame(
        watch=watch.astype(np.int32),
        start_us=at_us,
        stop_us=at_us + INTERVAL_S * SECOND_US,
        at_us=at_us,
        least=value,
        greatest=value,
        lowest=np.full(count, -np.inf),
        highest=np.full(count, LIMIT),
        status=np.where(missing, Status.MISSING, Status.VALID).astype(np.int8),
        known_s=np.full(count, float(INTERVAL_S)),
        excess_kg=np.full(count, np.nan),
        final=np.ones(count, dtype=np.bool_),
    )


def drawn(shape: tuple[int, ...]) -> tuple[FloatArray, BoolArray]:
    """Values that wander about their limit along the last axis, and which of them were not measured."""
    chance = np.random.default_rng(1)
    value = 97 + 6 * np.sin(np.arange(shape[-1]) / 5) + chance.normal(0, 3, shape)
    return value, chance.random(shape) < 0.02


def fresh(rules: int) -> tuple[dict[str, Any], FloatArray, BoolArray, list[StepFrame]]:
    """One more value for each rule, round after round. [ms]"""
    table, everybody = table_of(rules), np.arange(rules)
    values, missing = drawn((rules, ROUNDS))
    memory, told, spent, used = Memory.fresh(table), [], [], []
    for number in range(ROUNDS):
        value, gone = values[:, number].copy(), missing[:, number].copy()
        at_us = np.full(rules, START_US + number * INTERVAL_S * SECOND_US)
        begun, processor = time.perf_counter(), time.process_time()
        memory, steps = advance(table, memory, samples_of(everybody, at_us, value, gone))
        spent.append((time.perf_counter() - begun) * 1000)
        used.append((time.process_time() - processor) * 1000)
        told.append(steps)
    result = {
        "ms": round(float(np.median(spent)), 1),
        "worst_ms": round(max(spent), 1),
        "cpu_ms": round(float(np.median(used)), 1),
        "steps": sum(len(steps) for steps in told),
    }
    return result, values, missing, told


def one_sample(number: int, value: float, *, missing: bool) -> Sample:
    """A reading for the plain reference."""
    at_us = START_US + number * INTERVAL_S * SECOND_US
    return Sample(
        start_us=at_us,
        stop_us=at_us + INTERVAL_S * SECOND_US,
        at_us=at_us,
        least=value,
        greatest=value,
        lowest=float("-inf"),
        highest=LIMIT,
        status=Status.MISSING if missing else Status.VALID,
        known_s=float(INTERVAL_S),
    )


def scalar(values: FloatArray, missing: BoolArray) -> tuple[float, list[list[Any]]]:
    """Plain Python over the first rules: time for one value each, and all their steps. [ms]"""
    limits = Limits(deadband=DEADBAND, on_delay_s=ON_S, off_delay_s=OFF_S, merge_gap_s=MERGE_S)
    rows = [
        [one_sample(number, value, missing=gone) for number, (value, gone) in enumerate(zip(*both, strict=True))]
        for both in zip(values.tolist(), missing.tolist(), strict=True)
    ]
    begun = time.process_time()
    told = [judge(limits, row).steps for row in rows]
    return (time.process_time() - begun) * 1000 / values.shape[1], told


def by_rule(told: list[StepFrame], few: int) -> list[list[Any]]:
    """Steps of the first rules over all rounds, as plain Python writes them."""
    found: list[list[Any]] = [[] for _ in range(few)]
    for steps in told:
        for watch, at_us, code, episode_us in zip(
            *(column[: np.searchsorted(steps.watch, few)].tolist() for column in columns_of(steps)), strict=True
        ):
            found[watch].append((at_us, STEPS[code], episode_us))
    return found


def columns_of(steps: StepFrame) -> tuple[NDArray[Any], ...]:
    """The columns that a step is written in."""
    return steps.watch, steps.at_us, steps.step, steps.episode_us


def past(samples: int) -> dict[str, Any]:
    """All episodes of a hundred rules over so many samples. [ms]"""
    rules = min(100, samples)
    each = samples // rules
    values, missing = drawn((rules, each))
    at_us = np.tile(START_US + np.arange(each) * INTERVAL_S * SECOND_US, rules)
    table, spent, used, found = table_of(rules), [], [], 0
    for _ in range(3):
        begun, processor = time.perf_counter(), time.process_time()
        frame = samples_of(np.repeat(np.arange(rules), each), at_us, values.ravel(), missing.ravel())
        found = len(evaluate(table, frame).episodes)
        spent.append((time.perf_counter() - begun) * 1000)
        used.append((time.process_time() - processor) * 1000)
    times = {"ms": round(min(spent), 1), "cpu_ms": round(min(used), 1)}
    return {"samples": rules * each, "rules": rules, "episodes": found} | times


def main() -> None:
    """Measure, compare, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rules", type=int, default=100_000)
    parser.add_argument("--samples", type=int, default=1_000_000)
    wanted = parser.parse_args()
    figures, values, missing, told = fresh(wanted.rules)
    few = min(CHECKED, wanted.rules)
    plain_ms, expected = scalar(values[:few], missing[:few])
    found = by_rule(told, few)
    result: dict[str, Any] = {
        "benchmark": "alerts",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "rules": wanted.rules,
        "fresh": figures,
        "scalar": {
            "rules": few,
            "cpu_ms": round(plain_ms, 1),
            "times_our_cpu": round(plain_ms / few * wanted.rules / figures["cpu_ms"], 1),
            "rules_that_differ": sum(ours != theirs for ours, theirs in zip(found, expected, strict=True)),
        },
        "past": past(wanted.samples),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
