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

`kpi_frame` is the time in which KPIs of a park with as many channels are made from such amounts (96 intervals each), up to
the whole catalogue at once.
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
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kpi_contestants import (
    BINS,
    CONTESTANTS,
    MINUTES,
    readings_of,
)
from benchmarks.kpi_frame import kpi_frame


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
