"""
How long a cycle of the engine takes on a park of 10,000 channels with its history stored, TimescaleDB included.

One run, one JSON line. A park is laid out with 30 days of history, cycles are timed, the history is grown to 365 days,
and cycles are timed again; then a long import runs beside live batches, and the age of the live numbers is measured.

- `batch`: a cycle after one new batch of readings (half of the channels, one reading each)
- `tick`: a cycle that makes a base interval final, for all tenants and up to the year
- `start_s`: the first cycle of an engine, which reads what it will know from then on

History is made in the database, row by row as the engine would have left it: days of every channel for the whole time;
hours, base intervals and readings of every channel for the last days (`--full-days`), of every hundredth before that, so
that each chunk is there. Run it by `make bench` or `python -m benchmarks.bench_engine [--channels N] [--import-readings N]`.
A whole year's import (`--import-readings 14000000`) takes hours; it is watched for `--import-minutes`, with a line a minute
on stderr, and then given up.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString

import numpy as np
import psycopg
from psycopg import Connection

from benchmarks.engine_park import (
    BASE_US,
    FEW_DAYS,
    MANY_DAYS,
    MINUTE_US,
    NOW_US,
    SPARSE,
    Layout,
    Live,
    Sizes,
    batch_of,
    park,
)
from domain.registry import Registry
from domain.time import DAY_US, IntArray, to_datetime
from service.embedded import PrivatePostgres
from service.engine import Known, run_cycle
from store import ReadingSink, Role, apply_park, connect, load_registry, migrate
from store.spans import append_tick
from tests.support.leftovers import held_folder
from tests.support.timescale import HOW_TO_GET_IT, folders_in, timescale_installation

CYCLE_ROWS = 200_000
LIVE_EVERY_S = 5.0
LIVE_BATCHES = 20
"""At least so many are written beside an import."""
TOLD_EVERY_S = 60.0
SETTINGS = {"shared_buffers": "2GB", "max_wal_size": "4GB", "work_mem": "64MB", "autovacuum_naptime": "10s"}
AMOUNTS_LEFT = "SELECT EXISTS (SELECT FROM span_queue WHERE channel_id IS NOT NULL)"
DAYS_LEFT = "SELECT sum(extract(epoch FROM to_ts - from_ts) / 86400)::int FROM span_queue WHERE of_context"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """How long cycles took. [s]"""

    wall_s: list[float]
    python_s: list[float]
    """Processor time of this process; the rest is the database's."""

    def summary(self) -> dict[str, Any]:
        """Median and worst of the wall clock, median of our own processor time."""
        return {
            "cycles": len(self.wall_s),
            "median_s": round(statistics.median(self.wall_s), 3),
            "worst_s": round(max(self.wall_s), 3),
            "python_cpu_median_s": round(statistics.median(self.python_s), 3),
        }


class Engine:
    """Runs the cycles of one park on one connection, as the engine's loop does."""

    def __init__(self, url: str, registry: Registry) -> None:
        self._conn = connect(url, Role.WRITE, autocommit=True)
        self._park = registry.park
        self._known = Known()

    def cycle(self, now_us: int) -> int:
        """One cycle; how many spans it took."""
        done = run_cycle(self._conn, self._park, cycle_rows=CYCLE_ROWS, now_us=now_us, known=self._known)
        if done.faults:
            raise RuntimeError("a span was set aside: see table engine_fault")
        return done.spans

    def drain(self, now_us: int) -> int:
        """Cycles until the queue is empty; how many."""
        cycles = 0
        while self.cycle(now_us):
            cycles += 1
        return cycles

    def tick(self, tick_us: int) -> None:
        """Put a tick into the queue."""
        append_tick(self._conn, self._park.id, tick_us)

    def timed(self, now_us: int, timed: Timed) -> None:
        """One cycle, its times noted."""
        wall, used = time.perf_counter(), time.process_time()
        self.cycle(now_us)
        timed.wall_s.append(time.perf_counter() - wall)
        timed.python_s.append(time.process_time() - used)


def measure(url: str, registry: Registry, live: Live, cycles: int) -> dict[str, Any]:
    """Cycles after batches, and after ticks."""
    engine, start_s = started(url, registry, live)
    batches, ticks = Timed(wall_s=[], python_s=[]), Timed(wall_s=[], python_s=[])
    for _ in range(cycles):
        live.write()
        engine.timed(live.now_us, batches)
        engine.drain(live.now_us)
    for _ in range(max(2, cycles // 4)):
        live.tick_us += BASE_US
        engine.tick(live.tick_us)
        engine.timed(live.now_us, ticks)
        engine.drain(live.now_us)
    return {"batch": batches.summary(), "tick": ticks.summary(), "start_s": round(start_s, 1)}


def started(url: str, registry: Registry, live: Live) -> tuple[Engine, float]:
    """An engine that has just read what it needs to know, and how long that took. [s]"""
    engine, begun = Engine(url, registry), time.perf_counter()
    live.write()
    live.tick_us += BASE_US
    engine.tick(live.tick_us)
    engine.drain(live.now_us)
    seconds = time.perf_counter() - begun
    live.write()
    engine.drain(live.now_us)
    return engine, seconds


def import_year(url: str, ids: list[int], readings: int) -> None:
    """Store a year's readings of some channels, minute by minute, channel by channel."""
    last_us = NOW_US // BASE_US * BASE_US - 5 * DAY_US
    times = last_us - np.arange((MANY_DAYS - 5) * DAY_US // MINUTE_US)[::-1] * MINUTE_US
    with ReadingSink(url) as sink:
        for channel_id in ids:
            for part in np.array_split(times[: min(readings, len(times))], 10):
                sink.write(batch_of(np.full(len(part), channel_id, dtype=np.int32), part))
            readings -= len(times)
            if readings <= 0:
                break


def live_lag(url: str, registry: Registry, live: Live, readings: int, most_s: float) -> dict[str, Any]:
    """
    How old live readings are when their numbers are committed, while an import runs and until its amounts are computed.

    The KPIs of the past days that it changed are made in between and after that; how many are left is said too. After `most_s`
    it is given up, and what was seen by then is said.
    """
    ids = [channel.id for channel in registry.channels if channel.id % SPARSE]
    stop, failed = threading.Event(), []
    cycles: list[float] = []
    worker = started(url, registry, live)[0]

    def engine() -> None:
        try:
            while not stop.is_set():
                begun = time.perf_counter()
                if worker.cycle(live.now_us):
                    cycles.append(time.perf_counter() - begun)
                else:
                    stop.wait(0.1)
        except Exception as error:  # the top of a thread
            failed.append(error)
            raise

    importing = multiprocessing.get_context("spawn").Process(target=import_year, args=(url, ids, readings))
    thread = threading.Thread(target=engine)
    lags, begun = [], time.perf_counter()
    imported_s = None
    told, before_mb = 0, peak_mb()
    thread.start()
    importing.start()
    try:
        with psycopg.connect(url, autocommit=True) as conn:
            while not failed:
                channels, ts_us = live.write()
                lags.append(_seconds_until_taken(conn, channels, ts_us, failed))
                if importing.exitcode is not None and imported_s is None:
                    imported_s = time.perf_counter() - begun
                spent_s = time.perf_counter() - begun
                if spent_s > most_s:
                    importing.terminate()
                    break
                if imported_s is not None and not _said(conn, AMOUNTS_LEFT, {}) and len(lags) >= LIVE_BATCHES:
                    break
                told = _told(told, spent_s, cycles, lags)
                time.sleep(max(0.0, LIVE_EVERY_S - lags[-1]))
            computed_s = time.perf_counter() - begun
            left = conn.execute(DAYS_LEFT).fetchone()
    finally:
        stop.set()
        thread.join()
        importing.join()
    if importing.exitcode and computed_s <= most_s:
        raise RuntimeError("the import failed; see above")
    return {
        "readings": readings,
        "given_up": computed_s > most_s,
        "import_s": round(imported_s or 0.0, 1),
        "observed_s": round(computed_s, 1),
        "past_days_left": None if left is None else int(left[0] or 0),
        "cycles": len(cycles),
        "cycle_median_s": round(statistics.median(cycles), 2),
        "cycle_worst_s": round(max(cycles), 2),
        "live_batches": len(lags),
        "lag_median_s": round(statistics.median(lags), 2),
        "lag_worst_s": round(max(lags), 2),
        "peak_rss_mb": {"before": before_mb, "after": peak_mb()},
    }


def _told(told: int, spent_s: float, cycles: list[float], lags: list[float]) -> int:
    """Say once a minute how it goes; answers how many minutes were told of."""
    minutes = int(spent_s // TOLD_EVERY_S)
    if minutes > told:
        note(
            f"{minutes} min: {len(cycles)} cycles, lag {lags[-1]:.1f} s, worst {max(lags):.1f} s, {peak_mb()} MB at most"
        )
    return minutes


def peak_mb() -> int:
    """Most memory that this process, and the engine in it, has had. [MB]"""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _seconds_until_taken(conn: Connection[Any], channels: IntArray, ts_us: int, failed: list[Exception]) -> float:
    """Seconds from a batch's commit until no cycle has yet to compute it."""
    begun = time.perf_counter()
    parameters = {"ids": channels.tolist(), "ts": to_datetime(ts_us)}
    statement = "SELECT EXISTS (SELECT FROM span_queue WHERE to_ts >= %(ts)s AND channel_id = ANY (%(ids)s))"
    while _said(conn, statement, parameters) and not failed:
        time.sleep(0.05)
    return time.perf_counter() - begun


def _said(conn: Connection[Any], statement: LiteralString, parameters: dict[str, Any]) -> bool:
    """The answer to a question of one truth value."""
    row = conn.execute(statement, parameters).fetchone()
    return bool(row and row[0])


@contextmanager
def database() -> Iterator[str]:
    """A private, durable TimescaleDB."""
    installation = timescale_installation()
    if installation is None:
        raise SystemExit(HOW_TO_GET_IT)
    parent = Path(tempfile.gettempdir()) if installation.root is None else folders_in(installation.root)
    with held_folder(parent) as folder:
        server = PrivatePostgres(folder / "server", installation=installation, settings=SETTINGS)
        try:
            server.start()
            yield server.url
        finally:
            server.erase()


def note(text: str) -> None:
    """Say on stderr what is being done."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def run(url: str, sizes: Sizes) -> dict[str, Any]:
    """Lay out, measure, grow, measure, import."""
    with connect(url, Role.MIGRATE) as conn:
        apply_park(conn, park(sizes.channels), now_us=NOW_US)
    with connect(url, Role.WRITE) as conn:
        registry = load_registry(conn, "p")
    layout, live = Layout(url, registry, sizes), Live(url, registry, sizes.batch)
    note("laying out the first days")
    layout.grow(FEW_DAYS - 1, 0)
    with psycopg.connect(url) as conn:
        conn.execute("UPDATE park SET ticked_to = %s", [to_datetime(live.tick_us)])
        conn.execute("DELETE FROM span_queue")
    note("measuring")
    few = measure(url, registry, live, sizes.cycles)
    note("laying out the rest")
    layout.grow(MANY_DAYS - 1, FEW_DAYS)
    note("measuring")
    many = measure(url, registry, live, sizes.cycles)
    result: dict[str, Any] = {
        f"{FEW_DAYS}_days": few,
        f"{MANY_DAYS}_days": many,
        "batch_ratio": round(many["batch"]["median_s"] / few["batch"]["median_s"], 2),
        "tick_ratio": round(many["tick"]["median_s"] / few["tick"]["median_s"], 2),
    }
    if sizes.import_readings:
        note("importing")
        result["import"] = live_lag(url, registry, live, sizes.import_readings, sizes.import_s)
    return result


def main() -> None:
    """Measure, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=5_000, help="readings of a batch")
    parser.add_argument("--cycles", type=int, default=12, help="batches measured")
    parser.add_argument("--full-days", type=int, default=3, help="days stored in full; 35 takes an hour to lay out")
    parser.add_argument("--import-readings", type=int, default=500_000, help="14000000: a year of 27 channels; 0: none")
    parser.add_argument("--import-minutes", type=float, default=30.0, help="after so long the import is given up")
    wanted = parser.parse_args()
    sizes = Sizes(
        channels=wanted.channels,
        full_days=wanted.full_days,
        batch=wanted.batch,
        cycles=wanted.cycles,
        import_readings=wanted.import_readings,
        import_s=wanted.import_minutes * 60.0,
    )
    result: dict[str, Any] = {
        "benchmark": "engine",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "channels": sizes.channels,
        "batch_readings": sizes.batch,
        "full_days": sizes.full_days,
    }
    with database() as url:
        migrate(url)
        print(json.dumps(result | run(url, sizes)))


if __name__ == "__main__":
    main()
