"""
How soon a year of one tenant's hourly KPIs begins as CSV, how long it takes, and what memory the server takes for it.

Tenants' hours are not stored: they are made of a year of base amounts while they are sent. A real server answers over
TCP; its peak of resident memory is read from the kernel, for a month and for the year, each after a request that warms
it up. One run, one JSON line. Run it by `make bench` or `python -m benchmarks.bench_export`.
"""

import argparse
import http.client
import json
import os
import platform
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

import psycopg

from benchmarks.bench_engine import database, note
from benchmarks.engine_park import BASE_US, NOW_US, park
from domain.time import DAY_US, HOUR_US, Level, to_datetime
from service.embedded.ports import free_port
from store import Role, connect, migrate
from store.registry import apply_park
from store.users import UserRole, create_user, set_token, token_hash

TOKEN = "a-token-of-the-benchmark"
KPI, SUBJECT, TENANT = "electricity", "tenant:p/t7", "t7"
STOP_US = NOW_US // DAY_US * DAY_US - 7 * HOUR_US
START_US = STOP_US - 365 * DAY_US
RUNS = 5

AMOUNTS = """
    INSERT INTO amount (channel_id, level, start, amount, peak, peak_at, measured_s, estimated, inner_gap_s, gap_s, slots, received,
                        unusable, flags, revision, computed_at)
    SELECT c.id, %(level)s, t, c.id %% 7 + 1, 1, t, %(length)s, 0, 0, 0, 15, 15, 0, 0, 0, now()
    FROM generate_series(%(start)s::timestamptz, %(last)s, make_interval(secs => %(length)s)) t
    CROSS JOIN (SELECT c.id FROM channel c JOIN meter m ON m.id = c.meter_id JOIN tenant t ON t.id = m.tenant_id
                WHERE %(whose)s::text IS NULL OR t.key = %(whose)s::text) c
"""


def fill(url: str, channels: int) -> None:
    """A park with its registry, the base amounts of one tenant for a year, and the day amounts of all."""
    with connect(url, Role.MIGRATE) as conn:
        apply_park(conn, park(channels), now_us=NOW_US)
    with psycopg.connect(url) as conn:
        for level, step_us, whose in ((Level.BASE, BASE_US, TENANT), (Level.DAY, DAY_US, None)):
            conn.execute(
                AMOUNTS,
                {
                    "level": int(level),
                    "length": step_us / 1_000_000,
                    "start": to_datetime(START_US - 30 * DAY_US),
                    "last": to_datetime(STOP_US - 1),
                    "whose": whose,
                },
            )
        conn.execute("UPDATE park SET ticked_to = %s", [to_datetime(STOP_US)])
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE")
    with connect(url, Role.AUTH) as conn:
        create_user(conn, "tenant", UserRole.TENANT, tenants=[f"p/{TENANT}"])
        set_token(conn, "tenant", token_hash(TOKEN), label="bench")


@contextmanager
def server(url: str, **settings: str) -> Iterator[tuple[int, int]]:
    """A running `kawasan serve` with some settings of its environment: its port and process id."""
    port = free_port()
    known = {name: value for name, value in os.environ.items() if not name.startswith("KAWASAN_")}
    running = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "serve", "--port", str(port)],
        env={**known, "KAWASAN_DATABASE_URL": url, **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            with (
                suppress(OSError),
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2) as answer,
            ):
                if answer.status == 200:
                    break
            if time.monotonic() > deadline or running.poll() is not None:
                raise SystemExit("the server did not come up")
            time.sleep(0.1)
        yield port, running.pid
    finally:
        running.terminate()
        running.wait(20)


def exported(port: int, start_us: int, stop_us: int) -> tuple[float, float, int, int]:
    """Seconds to the first byte and to the last, rows and bytes of one table."""
    query = urlencode(
        {
            "subject": SUBJECT,
            "level": "hour",
            "start": to_datetime(start_us).isoformat(),
            "stop": to_datetime(stop_us).isoformat(),
            "format": "csv",
        }
    )
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    begun = time.perf_counter()
    conn.request("GET", f"/api/v1/kpis/{KPI}?{query}", headers={"Authorization": f"Bearer {TOKEN}"})
    answer = conn.getresponse()
    first = answer.read(1)
    first_s = time.perf_counter() - begun
    rows, size = first.count(b"\n"), len(first)
    while piece := answer.read(65536):
        rows, size = rows + piece.count(b"\n"), size + len(piece)
    whole_s = time.perf_counter() - begun
    conn.close()
    if answer.status != 200:
        raise SystemExit(f"the server answered {answer.status}")
    return first_s, whole_s, rows - 1, size


def peak_mb(pid: int) -> float:
    """The greatest resident memory since it was forgotten last. [MB]"""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def measured(port: int, pid: int, start_us: int) -> dict[str, Any]:
    """Several exports of one range, and the memory they took."""
    exported(port, start_us, STOP_US)
    before = Path(f"/proc/{pid}/clear_refs")
    before.write_text("5")
    resting = peak_mb(pid)
    runs = [exported(port, start_us, STOP_US) for _ in range(RUNS)]
    return {
        "rows": runs[0][2],
        "mb": round(runs[0][3] / 1e6, 2),
        "first_byte_ms": round(median(run[0] for run in runs) * 1000),
        "first_byte_worst_ms": round(max(run[0] for run in runs) * 1000),
        "whole_s": round(median(run[1] for run in runs), 2),
        "peak_mb": round(peak_mb(pid), 1),
        "peak_above_rest_mb": round(peak_mb(pid) - resting, 1),
    }


def main() -> None:
    """Measure, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=800, help="of the park of a hundred tenants")
    wanted = parser.parse_args()
    result: dict[str, Any] = {
        "benchmark": "export",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "channels": wanted.channels,
    }
    with database() as url:
        migrate(url)
        note("laying out")
        fill(url, wanted.channels)
        note("measuring")
        with server(url) as (port, pid):
            result["month"] = measured(port, pid, STOP_US - 31 * DAY_US)
            result["year"] = measured(port, pid, START_US)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
