"""One-minute readings of registers, and four ways from them to 15-minute amounts: ours, pandas, polars, DuckDB."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from domain.frames import FloatArray, Readings
from domain.registry import Channel, Registry
from domain.time import HOUR_US, SECOND_US, IntArray, parse_instant
from kpi.amounts import interval_amounts
from kpi.ranges import Ranges
from kpi.table import ChannelTable
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
