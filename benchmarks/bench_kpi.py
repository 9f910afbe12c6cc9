"""
How fast one-minute register readings become 15-minute amounts, beside pandas, polars and DuckDB doing the same.

One run, one JSON line. Every contestant gets the same readings in its own kind of table, in a process of its own, and
must find the same amounts; what is timed is the way from that table to a table of amounts:

- a reading is accepted as one of three in a row that agree pairwise
- between accepted readings: the difference; past the last digit, the difference and the register's range; after a reset
  (at most a hundredth of what it read before), what it reads; else a step, which counts nothing
- a rise agrees up to the plausible rate, a fall up to two resolutions (jitter)
- each difference is shared out linearly to the intervals it lies in; measured is what lies between readings at most two
  hours apart

`kpi_frame` is the time in which KPIs of one park with as many channels are made from these amounts (96 intervals each).
Run it by `make bench` or `python -m benchmarks.bench_kpi [--channels N] [--repeat N]`.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.frames import AmountFrame, FloatArray, Readings, SmallArray, Subject, SubjectKind
from domain.registry import Channel, Registry
from domain.time import HOUR_US, SECOND_US, IntArray, Level, parse_instant
from kpi.amounts import interval_amounts
from kpi.catalogue import for_registry
from kpi.compute import subject_kpis
from kpi.ranges import Ranges
from kpi.table import ChannelTable
from kpi.tree import Tree
from kpi.weights import Weights
from tests.support.registries import small_registry

START_US = parse_instant("2026-03-02T00:00:00+07:00")
MINUTES = 1440
BASE_US = 900 * SECOND_US
BINS = 96
RESOLUTION = 0.01
MODULUS = 1e6
MAX_RATE = 600.0
"""[unit per hour]"""
GAP_US = 2 * HOUR_US
SLACK = 4 * float(np.finfo(np.float64).eps)
KPIS = ("electricity", "demand_peak", "load_factor", "water_intake", "availability")
TENANTS = 100

Answer = tuple[IntArray, IntArray, FloatArray, FloatArray]
"""Of each row: channel, interval from 0 on, amount [unit], measured time [s]."""


def readings_of(channels: int) -> Readings:
    """A day of minutes from every channel, with everything that registers do."""
    rng = np.random.default_rng(20260302)
    shape = (channels, MINUTES)
    rate = rng.uniform(0.5, 200.0, (channels, 1)) / 60
    value = np.cumsum(rng.random(shape) * 2 * rate, axis=1)
    value += np.where(
        rng.random((channels, 1)) < 0.02, MODULUS - value[:, -1:] / 2, rng.uniform(1e3, 9e5, (channels, 1))
    )
    for row in np.flatnonzero(rng.random(channels) < 0.02):
        minute = int(rng.integers(10, MINUTES - 10))
        # Half of them begin anew from zero, half jump.
        value[row, minute:] += -value[row, minute] + 0.5 if row % 2 else 5e4
    value = np.round(value % MODULUS, 2)
    value[rng.random(shape) < 2e-4] *= 3.7
    value[rng.random(shape) < 5e-4] -= 0.02
    ts_us = START_US + np.arange(MINUTES) * 60 * SECOND_US + rng.integers(0, 30, shape) * SECOND_US
    kept = rng.random(shape) > 1e-3
    for row in np.flatnonzero(rng.random(channels) < 0.02):
        minute = int(rng.integers(0, MINUTES - 300))
        kept[row, minute : minute + int(rng.integers(20, 300))] = False
    ids = np.broadcast_to(np.arange(1, channels + 1, dtype=np.int32)[:, None], shape)[kept]
    none = np.zeros(len(ids), dtype=np.int32)
    return Readings(
        channel_id=ids, ts_us=ts_us[kept], value=np.maximum(value[kept], 0.0), quality=none, conflict=none > 0
    )


def registry_of(channels: int) -> Registry:
    """Firms with as many meters, three of five with a register of energy, the others of water."""
    small = small_registry()
    firm, point, register = small.tenants[0], small.meters[0], small.channels[0]
    register = replace(register, interval_s=60, resolution=RESOLUTION, modulus=MODULUS, max_rate=MAX_RATE)
    water = replace(register, quantity="water_in", unit="m3")
    meters = [replace(point, id=one, tenant_id=one % TENANTS + 1, key=f"m{one}") for one in range(1, channels + 1)]
    own: list[Channel] = [
        replace(register if one % 5 < 3 else water, id=one, meter_id=one, key=f"p/t/m{one}/{one % 5}")
        for one in range(1, channels + 1)
    ]
    park = replace(small.park, ticked_to_us=START_US + BINS * BASE_US)
    tenants = tuple(replace(firm, id=one, key=f"t{one}") for one in range(1, TENANTS + 1))
    return replace(small, park=park, tenants=tenants, meters=tuple(meters), channels=tuple(own))


def ours(readings: Readings) -> Callable[[], Answer]:
    """Kawasan."""
    channels = int(readings.channel_id.max())
    registry = registry_of(channels)
    table, park = ChannelTable.of(registry), registry.park
    ranges = Ranges.whole(table.channel_id, START_US, START_US + BINS * BASE_US)

    def answer() -> Answer:
        frame = interval_amounts(table, readings, ranges, park.zone, park.base_s)
        bins = (frame.start_us - START_US) // BASE_US
        return frame.channel_id.astype(np.int64), bins, frame.amount, frame.measured_s

    return answer


def with_pandas(readings: Readings) -> Callable[[], Answer]:
    """pandas: shifts within groups, and rows repeated where a difference crosses an edge."""
    import pandas as pd  # type: ignore[import-untyped]  # noqa: PLC0415 - only in the process that measures it

    table = pd.DataFrame({"channel": readings.channel_id, "ts": readings.ts_us, "value": readings.value})

    def pairs(frame: pd.DataFrame) -> pd.DataFrame:
        """Each reading with the next of its channel, and what the difference is."""
        following = frame.groupby("channel", sort=False)[["ts", "value"]].shift(-1)
        change = following["value"] - frame["value"]
        slack = SLACK * (frame["value"].abs() + following["value"].abs())
        most = MAX_RATE * (following["ts"] - frame["ts"]) / HOUR_US + slack
        agrees = (change >= -2 * RESOLUTION - slack) & (change <= most)
        around = change + MODULUS
        rolls = ~agrees & (frame["value"] > 0.9 * MODULUS) & (around >= -slack) & (around <= most)
        fresh = (change < 0) & (following["value"] <= 0.01 * frame["value"]) & (following["value"] <= most)
        return frame.assign(
            stop=following["ts"],
            amount=change.where(agrees, around.where(rolls, following["value"].where(fresh, 0.0))),
            agrees=agrees | rolls,
            known=agrees | rolls | fresh,
        )

    def answer() -> Answer:
        frame = pairs(table)
        three = frame["agrees"] & frame.groupby("channel", sort=False)["agrees"].shift(-1, fill_value=False)
        by_channel = three.groupby(frame["channel"], sort=False)
        accepted = three | by_channel.shift(1, fill_value=False) | by_channel.shift(2, fill_value=False)
        frame = pairs(table[accepted]).dropna(subset="stop")
        frame["stop"] = frame["stop"].astype("int64")
        first = (frame["ts"] - START_US) // BASE_US
        last = (frame["stop"] - 1 - START_US) // BASE_US
        frame["first"], pieces = first, last - first + 1
        frame = frame.loc[frame.index.repeat(pieces)]
        bins = frame["first"] + frame.groupby(level=0).cumcount()
        begin = np.maximum(frame["ts"], START_US + bins * BASE_US)
        end = np.minimum(frame["stop"], START_US + (bins + 1) * BASE_US)
        length = frame["stop"] - frame["ts"]
        measured = ((end - begin) / SECOND_US).where(frame["known"] & (length <= GAP_US), 0.0)
        parts = pd.DataFrame(
            {
                "channel": frame["channel"],
                "bin": bins,
                "amount": frame["amount"] * (end - begin) / length,
                "s": measured,
            }
        )
        sums = parts.groupby(["channel", "bin"], sort=False).sum().reset_index()
        return tuple(sums[name].to_numpy() for name in ("channel", "bin", "amount", "s"))

    return answer


def with_polars(readings: Readings) -> Callable[[], Answer]:
    """polars: expressions over groups, lazily; rows exploded where a difference crosses an edge."""
    import polars as pl  # noqa: PLC0415 - only in the process that measures it

    table = pl.DataFrame({"channel": readings.channel_id, "ts": readings.ts_us, "value": readings.value})
    value, ts, stop, then = pl.col("value"), pl.col("ts"), pl.col("stop"), pl.col("then")

    def pairs(frame: pl.LazyFrame) -> pl.LazyFrame:
        """Each reading with the next of its channel, and what the difference is."""
        frame = frame.with_columns(
            stop=ts.shift(-1).over("channel"),
            then=value.shift(-1).over("channel"),
        ).with_columns(change=then - value, slack=SLACK * (value.abs() + then.abs()))
        change, slack = pl.col("change"), pl.col("slack")
        frame = frame.with_columns(most=MAX_RATE * (stop - ts) / HOUR_US + slack, around=change + MODULUS)
        most, around = pl.col("most"), pl.col("around")
        frame = frame.with_columns(
            plain=(change >= -2 * RESOLUTION - slack) & (change <= most),
            rolls=(value > 0.9 * MODULUS) & (around >= -slack) & (around <= most),
            fresh=(change < 0) & (then <= 0.01 * value) & (then <= most),
        )
        amount = pl.when("plain").then(change).when("rolls").then(around).when("fresh").then(then).otherwise(0.0)
        return frame.select(
            "channel",
            "ts",
            "value",
            "stop",
            amount=amount,
            agrees=(pl.col("plain") | pl.col("rolls")).fill_null(value=False),
            known=pl.col("plain") | pl.col("rolls") | pl.col("fresh"),
        )

    def answer() -> Answer:
        agrees, three = pl.col("agrees"), pl.col("three")
        accepted = (
            pairs(table.lazy())
            .with_columns(three=agrees & agrees.shift(-1, fill_value=False).over("channel"))
            .filter(
                three
                | three.shift(1, fill_value=False).over("channel")
                | three.shift(2, fill_value=False).over("channel")
            )
            .select("channel", "ts", "value")
        )
        first, last = (ts - START_US) // BASE_US, (stop - 1 - START_US) // BASE_US
        length = stop - ts
        cut = pairs(accepted).filter(stop.is_not_null()).with_columns(first=first, last=last)
        whole = cut.filter(pl.col("first") == pl.col("last")).with_columns(bin=pl.col("first"))
        several = (
            cut.filter(pl.col("first") < pl.col("last"))
            .with_columns(bin=pl.int_ranges("first", pl.col("last") + 1))
            .explode("bin")
        )
        begin = pl.max_horizontal(ts, START_US + pl.col("bin") * BASE_US)
        end = pl.min_horizontal(stop, START_US + (pl.col("bin") + 1) * BASE_US)
        sums = (
            pl.concat([whole, several])
            .with_columns(part=end - begin)
            .group_by("channel", "bin")
            .agg(
                amount=(pl.col("amount") * pl.col("part") / length).sum(),
                s=pl.when(pl.col("known") & (length <= GAP_US)).then(pl.col("part") / SECOND_US).otherwise(0.0).sum(),
            )
            .collect()
        )
        return tuple(sums[name].to_numpy() for name in ("channel", "bin", "amount", "s"))  # type: ignore[return-value]

    return answer


DUCKDB = f"""
WITH paired AS (
    SELECT channel, ts, value, lead(ts) OVER w AS stop, lead(value) OVER w AS later FROM reading
    WINDOW w AS (PARTITION BY channel ORDER BY ts)
), judged AS (
    SELECT *, {SLACK} * (abs(value) + abs(later)) AS slack, {MAX_RATE} * (stop - ts) / {HOUR_US} + slack AS most,
           later - value AS change,
           coalesce((change >= -2 * {RESOLUTION} - slack AND change <= most)
                    OR (value > 0.9 * {MODULUS} AND change + {MODULUS} >= -slack AND change + {MODULUS} <= most), false) AS agrees
    FROM paired
), three AS (
    SELECT channel, ts, value, agrees AND coalesce(lead(agrees) OVER w, false) AS here
    FROM judged
    WINDOW w AS (PARTITION BY channel ORDER BY ts)
), chosen AS (
    SELECT channel, ts, value, here OR coalesce(lag(here) OVER w, false) OR coalesce(lag(here, 2) OVER w, false) AS kept
    FROM three
    WINDOW w AS (PARTITION BY channel ORDER BY ts)
), again AS (
    SELECT channel, ts, value, lead(ts) OVER w AS stop, lead(value) OVER w AS later FROM chosen WHERE kept
    WINDOW w AS (PARTITION BY channel ORDER BY ts)
), settled AS (
    SELECT channel, ts, stop, {SLACK} * (abs(value) + abs(later)) AS slack,
           {MAX_RATE} * (stop - ts) / {HOUR_US} + slack AS most, later - value AS change,
           CASE WHEN change >= -2 * {RESOLUTION} - slack AND change <= most THEN change
                WHEN value > 0.9 * {MODULUS} AND change + {MODULUS} >= -slack AND change + {MODULUS} <= most THEN change + {MODULUS}
                WHEN change < 0 AND later <= 0.01 * value AND later <= most THEN later END AS amount
    FROM again
    WHERE stop IS NOT NULL
), cut AS (
    SELECT *, (ts - {START_US}) // {BASE_US} AS first, (stop - 1 - {START_US}) // {BASE_US} AS last FROM settled
), pieces AS (
    SELECT channel, ts, stop, amount, first AS bin FROM cut WHERE first = last
    UNION ALL
    SELECT channel, ts, stop, amount, unnest(range(first, last + 1)) AS bin FROM cut WHERE first < last
), shared AS (
    SELECT channel, bin, amount, stop - ts AS length,
           least(stop, {START_US} + (bin + 1) * {BASE_US}) - greatest(ts, {START_US} + bin * {BASE_US}) AS part
    FROM pieces
)
SELECT channel, bin, sum(coalesce(amount, 0) * part / length) AS amount,
       sum(CASE WHEN amount IS NOT NULL AND length <= {GAP_US} THEN part / {SECOND_US} ELSE 0 END) AS s
FROM shared
GROUP BY channel, bin
"""


def with_duckdb(readings: Readings) -> Callable[[], Answer]:
    """DuckDB: one query of window functions on a table of its own."""
    import duckdb  # noqa: PLC0415 - only in the process that measures it

    conn = duckdb.connect()
    columns = {"channel": readings.channel_id, "ts": readings.ts_us, "value": readings.value}
    conn.register("given", columns)
    conn.execute("CREATE TABLE reading AS SELECT * FROM given")

    def answer() -> Answer:
        found = conn.execute(DUCKDB).fetchnumpy()
        return tuple(np.asarray(found[name]) for name in ("channel", "bin", "amount", "s"))  # type: ignore[return-value]

    return answer


CONTESTANTS = {"kawasan": ours, "pandas": with_pandas, "polars": with_polars, "duckdb": with_duckdb}


def contest(name: str, channels: int, repeat: int, folder: Path, told: Connection) -> None:
    """Measure one contestant; its answer goes into a file."""
    answer = CONTESTANTS[name](readings_of(channels))
    before_mb = peak_mb()
    wall, used = [], []
    for _ in range(repeat):
        begun, processor = time.perf_counter(), time.process_time()
        channel, bins, amount, measured_s = answer()
        wall.append(time.perf_counter() - begun)
        used.append(time.process_time() - processor)
    dense = np.zeros((2, channels, BINS))
    inside = (bins >= 0) & (bins < BINS)
    place = channel[inside] - 1, bins[inside].astype(np.int64)
    dense[0][place], dense[1][place] = np.nan_to_num(amount[inside]), measured_s[inside]
    np.save(folder / f"{name}.npy", dense)
    told.send({"s": min(wall), "cpu_s": min(used), "peak_rss_mb": peak_mb(), "rss_before_mb": before_mb})


def peak_mb() -> int:
    """Most memory that this process has had, its readings included. [MB]"""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def measured(name: str, channels: int, repeat: int, folder: Path) -> dict[str, Any] | None:
    """One contestant in a process of its own; None where it is not installed."""
    if name != "kawasan" and find_spec(name) is None:
        return None
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=contest, args=(name, channels, repeat, folder, there))
    process.start()
    there.close()
    try:
        found: dict[str, Any] = here.recv()
    except EOFError:
        raise SystemExit(f"{name} failed; see above") from None
    process.join()
    return found


def differences(folder: Path, name: str) -> int:
    """How many of the cells of a contestant are not ours."""
    mine, theirs = np.load(folder / "kawasan.npy"), np.load(folder / f"{name}.npy")
    same = np.isclose(mine, theirs, rtol=1e-9, atol=1e-6).all(axis=0)
    return int((~same).sum())


def kpi_frame(channels: int, repeat: int) -> dict[str, Any]:
    """How long KPIs of all these channels take. [ms]"""
    registry = registry_of(channels)
    base = amounts_of(registry)
    tree, park = Tree.of(registry), registry.park
    kpis = tuple(kpi for kpi in for_registry(registry) if kpi.key in KPIS)
    everybody = tuple(Subject(kind=SubjectKind.TENANT, id=one.id) for one in registry.tenants)
    whole = (Subject(kind=SubjectKind.PARK, id=park.id),)
    weights = Weights(channel_id=base_ids(registry), day_us=np.array([START_US]), median=np.full((channels, 1), 100.0))
    stop_us = START_US + BINS * BASE_US

    def best(level: Level, subjects: tuple[Subject, ...], keys: tuple[str, ...]) -> tuple[int, float]:
        chosen = tuple(kpi for kpi in kpis if kpi.key in keys)
        spent, rows = [], 0
        for _ in range(repeat + 1):
            begun = time.process_time()
            frame = subject_kpis(registry, subjects, chosen, level, START_US, stop_us, base, weights, tree=tree)
            spent.append(time.process_time() - begun)
            rows = len(frame)
        return rows, round(min(spent) * 1000, 1)

    asked = {
        "park_base_electricity_water": (Level.BASE, whole, ("electricity", "water_intake")),
        f"park_base_{len(KPIS)}_kpis": (Level.BASE, whole, KPIS),
        f"park_day_{len(KPIS)}_kpis": (Level.DAY, whole, KPIS),
        f"park_and_{TENANTS}_tenants_day_{len(KPIS)}_kpis": (Level.DAY, whole + everybody, KPIS),
    }
    made = {name: best(*what) for name, what in asked.items()}
    return {name: {"rows": rows, "cpu_ms": cpu_ms} for name, (rows, cpu_ms) in made.items()}


def base_ids(registry: Registry) -> SmallArray:
    """Ids of all channels, rising."""
    return np.array([channel.id for channel in registry.channels], dtype=np.int32)


def amounts_of(registry: Registry) -> AmountFrame:
    """All base amounts of a day, all measured."""
    ids = np.repeat(base_ids(registry), BINS)
    count = len(ids)
    start_us = np.tile(START_US + np.arange(BINS) * BASE_US, len(registry.channels))
    amount, nothing, none = np.random.default_rng(1).uniform(0, 9, count), np.full(count, np.nan), np.zeros(count)
    whole: NDArray[np.int64] = np.zeros(count, dtype=np.int64)
    return AmountFrame(
        level=Level.BASE,
        channel_id=ids,
        start_us=start_us,
        amount=amount,
        mean=nothing,
        low=nothing,
        high=nothing,
        last=nothing,
        peak=amount * 4,
        peak_at_us=start_us,
        measured_s=np.full(count, 900.0),
        estimated=none,
        inner_gap_s=none,
        gap_s=none,
        gap_stop_us=whole,
        slots=np.full(count, 15, dtype=np.int32),
        received=np.full(count, 15, dtype=np.int32),
        unusable=whole.astype(np.int32),
        flags=whole.astype(np.int32),
    )


def main() -> None:
    """Measure, compare, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=2, help="runs of each; the best counts")
    wanted = parser.parse_args()
    result: dict[str, Any] = {
        "benchmark": "kpi",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "channels": wanted.channels,
        "readings": wanted.channels * MINUTES,
    }
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        for name in CONTESTANTS:
            print(f"{time.strftime('%H:%M:%S')} {name}", file=sys.stderr, flush=True)
            found = measured(name, wanted.channels, wanted.repeat, folder)
            if found is None:
                result[name] = "not installed"
                continue
            if name != "kawasan":
                found["times_ours"] = found["s"] / result["kawasan"]["s"]
                found["times_our_cpu"] = found["cpu_s"] / result["kawasan"]["cpu_s"]
                found["cells_that_differ"] = differences(folder, name)
            result[name] = {key: round(value, 2) for key, value in found.items()}
    result["kpi_frame"] = kpi_frame(wanted.channels, wanted.repeat + 1)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
