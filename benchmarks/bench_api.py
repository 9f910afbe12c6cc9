"""
Requests per second for one day of 15-minute amounts of one channel, beside a bare FastAPI route that sends the same bytes.

- `bare`: a FastAPI application of one route and no middleware, under the same settings of uvicorn, that sends the bytes
- `database`: kawasan, every answer read from the database (`Cache-Control: no-cache`), and written anew only if that differs from
  what was read before; who asks and the registry are kept
- `database_many`: the same, asked for 240 other days and channels in turn, so that no two wait for the same
- `kept`: kawasan, the answer kept from before and still valid, sent whole
- `unchanged`: kawasan, with `If-None-Match`: 304

None of them leaves a line in a log for a request. Contestants take turns in short rounds, and `of_bare` is the median of the
shares of the rounds; the load is made by a process of its own (`benchmarks.api_load`). Latencies are those at half of the rate that was reached.
One run, one JSON line.
Run it by `make bench` or `python -m benchmarks.bench_api`.
"""

import argparse
import http.client
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

import psycopg
import uvicorn
from fastapi import FastAPI, Response

from benchmarks.api_load import loaded
from benchmarks.bench_engine import database, note
from benchmarks.bench_export import AMOUNTS, STOP_US, TENANT, TOKEN, server
from benchmarks.engine_park import BASE_US, NOW_US, park
from domain.time import DAY_US, Level, to_datetime
from service.embedded.ports import free_port
from store import Role, connect, migrate
from store.registry import apply_park
from store.users import UserRole, create_user, set_token, token_hash

CHANNEL = f"p/{TENANT}/e0/energy_import"
DAYS = 60
ASKED_DAYS = 30


def fill(url: str, channels: int) -> None:
    """A park with its registry, and the base amounts of one tenant for two months."""
    with connect(url, Role.MIGRATE) as conn:
        apply_park(conn, park(channels), now_us=NOW_US)
    with psycopg.connect(url) as conn:
        first = {"start": to_datetime(STOP_US - DAYS * DAY_US), "last": to_datetime(STOP_US - 1)}
        conn.execute(AMOUNTS, {"level": int(Level.BASE), "length": BASE_US / 1e6, "whose": TENANT, **first})
        conn.execute("UPDATE park SET ticked_to = %s", [to_datetime(STOP_US)])
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("VACUUM ANALYZE")
    with connect(url, Role.AUTH) as conn:
        create_user(conn, "tenant", UserRole.TENANT, tenants=[f"p/{TENANT}"])
        set_token(conn, "tenant", token_hash(TOKEN), label="bench")


def path(day: int = 1, channel: str = CHANNEL) -> str:
    """What is asked for: one day, so many days ago, of a channel."""
    start_us = STOP_US - day * DAY_US
    bounds = {"start": to_datetime(start_us).isoformat(), "stop": to_datetime(start_us + DAY_US).isoformat()}
    return "/api/v1/amounts?" + urlencode({"channel": channel, "level": "base", **bounds})


def request(asked: str = "", **headers: str) -> bytes:
    """A request for the day, or for another path, byte by byte."""
    fields = {"Host": "127.0.0.1", "Authorization": f"Bearer {TOKEN}", "Accept": "application/json", **headers}
    return (
        f"GET {asked or path()} HTTP/1.1\r\n" + "".join(f"{n}: {v}\r\n" for n, v in fields.items()) + "\r\n"
    ).encode()


def answer(port: int) -> tuple[bytes, str]:
    """The bytes of the answer, and its ETag."""
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    conn.request("GET", path(), headers={"Authorization": f"Bearer {TOKEN}"})
    got = conn.getresponse()
    body, tag = got.read(), got.headers.get("ETag", "")
    conn.close()
    if got.status != 200:
        raise SystemExit(f"the server answered {got.status}: {body[:500]!r}")
    return body, tag


def many(port: int) -> bytes:
    """Requests for many days of all channels of the tenant; each was asked for once, and so understood."""
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    conn.request("GET", "/api/v1/channels", headers=headers)
    channels = [one["key"] for one in json.load(conn.getresponse())]
    paths = [path(day, channel) for day in range(1, ASKED_DAYS + 1) for channel in channels]
    for one in paths:
        conn.request("GET", one, headers=headers)
        got = conn.getresponse()
        if got.status != 200 or not got.read():
            raise SystemExit(f"the server answered {got.status} to {one}")
    conn.close()
    return b"".join(request(one, **{"Cache-Control": "no-cache"}) for one in paths)


def bare_app(body: bytes) -> FastAPI:
    """One route that sends some bytes."""
    app = FastAPI()

    @app.get("/api/v1/amounts")
    async def amounts() -> Response:
        return Response(body, media_type="application/json")

    return app


@contextmanager
def bare(body: bytes) -> Iterator[int]:
    """A running bare server: its port."""
    port = free_port()
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(body)
        command = [sys.executable, "-m", "benchmarks.bench_api", "--bare", str(port), file.name]
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 30
            while True:
                with (
                    suppress(OSError),
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/amounts", timeout=2) as got,
                ):
                    if got.read() == body:
                        break
                if time.monotonic() > deadline or running.poll() is not None:
                    raise SystemExit("the bare server did not come up")
                time.sleep(0.1)
            yield port
        finally:
            running.terminate()
            running.wait(20)


def measured(ports: dict[str, int], requests: dict[str, bytes], wanted: argparse.Namespace) -> dict[str, Any]:
    """Medians of the rounds, and latencies at half of the rate."""
    options = {"connections": wanted.connections, "seconds": wanted.seconds}
    for name, port in ports.items():
        loaded(port, requests[name], **options)
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in ports}
    for _ in range(wanted.rounds):
        for name, runs in rounds.items():
            runs.append(loaded(ports[name], requests[name], **options))
    result: dict[str, Any] = {}
    for name, runs in rounds.items():
        rate = median(run["per_s"] for run in runs)
        half = loaded(ports[name], requests[name], **options, rate=rate / 2)
        result[name] = {
            "per_s": round(rate),
            "rounds_per_s": [round(run["per_s"]) for run in runs],
            "generator_busy": max(run["busy"] for run in runs),
            "statuses": sorted({status for run in [*runs, half] for status in run["statuses"]}),
            "half_load_p50_ms": half["p50_ms"],
            "half_load_p99_ms": half["p99_ms"],
        }
    for name, one in result.items():
        # Of the same round, so that what else the machine does weighs on both.
        shares = [run["per_s"] / bare["per_s"] for run, bare in zip(rounds[name], rounds["bare"], strict=True)]
        one["of_bare"] = round(median(shares), 2)
    return result


def main() -> None:
    """Measure, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channels", type=int, default=800, help="of the park of a hundred tenants")
    parser.add_argument("--connections", type=int, default=32, help="kept alive at once")
    parser.add_argument("--seconds", type=float, default=2.0, help="of one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bare", nargs=2, metavar=("PORT", "FILE"), help="only serve the bytes of a file")
    wanted = parser.parse_args()
    if wanted.bare:
        uvicorn.run(
            bare_app(Path(wanted.bare[1]).read_bytes()),
            port=int(wanted.bare[0]),
            log_config=None,
            access_log=False,
            server_header=False,
        )
        return
    result: dict[str, Any] = {
        "benchmark": "api",
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "channels": wanted.channels,
        "connections": wanted.connections,
    }
    with database() as url:
        migrate(url)
        note("laying out")
        fill(url, wanted.channels)
        with server(url, KAWASAN_REQUESTS_PER_MIN="10000000", KAWASAN_LOG_LEVEL="warning") as (port, _):
            body, tag = answer(port)
            with bare(body) as bare_port:
                note("measuring")
                ports = {"bare": bare_port, "database": port, "database_many": port, "kept": port, "unchanged": port}
                requests = {
                    "bare": request(),
                    "database": request(**{"Cache-Control": "no-cache"}),
                    "database_many": many(port),
                    "kept": request(),
                    "unchanged": request(**{"If-None-Match": tag}),
                }
                result |= {"bytes": len(body), **measured(ports, requests, wanted)}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
