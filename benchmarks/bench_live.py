"""
What many live streams cost the server: 500 clients at one update per second.

A real server over a real database; each second readings of 20 of 400 channels are stored by the sink that ingest uses, which
notifies. The clients are in a process of their own, and take each update apart as far as its value: every one has to get
the newest value; `passed_over` counts those that a newer one had replaced before they could be told. CPU time is that of the server process, memory what 500 clients add to its resident size. Once all
clients are one user, and once they are 25. One run, one JSON line. Run it by `make bench` or `python -m benchmarks.bench_live`.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import re
import time
from multiprocessing.connection import Connection
from statistics import median, quantiles
from typing import Any

import numpy as np
import psutil

from benchmarks.bench_engine import database, note
from benchmarks.bench_export import server
from benchmarks.engine_park import NOW_US, park
from domain.readings import Outcome
from domain.registry import Registry
from store import ReadingSink, Role, connect, load_registry, migrate
from store.registry import apply_park
from store.users import UserRole, create_user, set_token, token_hash
from tests.support.databases import batch_of

CHANNELS = 400
UPDATED = 20
"""Channels that have a new reading each second; 400 that report each minute are about 7."""
WARM_S = 2.0
_VALUE = re.compile(rb'"channel":"([^"]+)"[^}]*?"value":([0-9.]+)')


def token(user: int) -> str:
    return f"a-token-of-the-benchmark-{user}"


def fill(url: str, users: int) -> Registry:
    """A park, and users that see all of it: what they are told is then the same, though each is read for by itself."""
    with connect(url, Role.MIGRATE) as conn:
        apply_park(conn, park(CHANNELS), now_us=NOW_US)
    with connect(url, Role.AUTH) as conn:
        for user in range(users):
            create_user(conn, f"operator-{user}", UserRole.OPERATOR, parks=["p"])
            set_token(conn, f"operator-{user}", token_hash(token(user)), label="bench")
    with connect(url, Role.WRITE) as conn:
        return load_registry(conn, "p")


def listen(port: int, clients: int, users: int, watched: str, pipe: Connection) -> None:
    """The process of the clients: says when all have begun, and at the end when each got which value. [s, monotonic]"""
    asyncio.run(_listen(port, clients, users, watched.encode(), pipe))


async def _listen(port: int, clients: int, users: int, watched: bytes, pipe: Connection) -> None:
    got: list[dict[float, float]] = [{} for _ in range(clients)]
    begun = asyncio.Semaphore(0)

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        head = f"GET /api/v1/live HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token(number % users)}\r\n\r\n"
        writer.write(head.encode())
        status = await reader.readuntil(b"\r\n\r\n")
        if not status.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"a stream was answered with {status[:200]!r}")
        rest, is_told = b"", False
        while piece := await reader.read(1 << 16):
            at_s = time.monotonic()
            rest += piece
            if not is_told and b"event: flow" in rest:
                # It comes last of everything that there is at first.
                is_told = True
                begun.release()
            for channel, value in _VALUE.findall(rest):
                if channel == watched:
                    got[number].setdefault(float(value), at_s)
            rest = rest[max(rest.rfind(b"}"), len(rest) - 400) :]

    tasks = [asyncio.create_task(client(number)) for number in range(clients)]
    for _ in range(clients):
        await begun.acquire()
    await asyncio.to_thread(pipe.send, "begun")
    await asyncio.to_thread(pipe.recv)
    failed = [task for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    pipe.send((len(failed), got))


def publish(sink: ReadingSink, registry: Registry, value: float) -> Outcome:
    """A reading of some channels, committed and notified."""
    now_us = time.time_ns() // 1000
    rows = [(channel.id, now_us, value) for channel in registry.channels[:UPDATED]]
    return sink.write(batch_of(rows, source="p/t0", received_us=now_us))


def measured(
    port: int, pid: int, url: str, registry: Registry, *, clients: int, users: int, seconds: int
) -> dict[str, Any]:
    """One run with so many clients."""
    process = psutil.Process(pid)
    watched = registry.channels[0].key
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    listening = multiprocessing.get_context("spawn").Process(
        target=listen, args=(port, clients, users, watched, theirs)
    )
    listening.start()
    ours.recv()
    sink = ReadingSink(url)
    time.sleep(WARM_S)
    told: dict[float, float] = {}
    cpu_s, began_s = sum(process.cpu_times()[:2]), time.monotonic()
    for second in range(seconds):
        time.sleep(max(0.0, began_s + second - time.monotonic()))
        value = float(second + 1) + clients * 1000.0
        publish(sink, registry, value)
        told[value] = time.monotonic()
    time.sleep(max(0.0, began_s + seconds - time.monotonic()))
    cpu = (sum(process.cpu_times()[:2]) - cpu_s) / (time.monotonic() - began_s)
    rss = process.memory_info().rss
    time.sleep(2.0)
    ours.send("end")
    failed, got = ours.recv()
    listening.join(20)
    sink.close()
    waits = [at_s - told[value] for one in got for value, at_s in one.items() if value in told]
    return {
        "clients": clients,
        "users": users,
        "ended_early": failed,
        "cpu_share_of_core": round(cpu, 3),
        "rss_mb": round(rss / 1e6, 1),
        "updates": len(told),
        "passed_over": sum(len(told) - sum(value in told for value in one) for one in got),
        "without_the_last": sum(max(told) not in one for one in got),
        "latency_ms_p50": round(median(waits) * 1000, 1) if waits else None,
        "latency_ms_p99": round(quantiles(waits, n=100)[-1] * 1000, 1) if len(waits) > 1 else None,
        "_rss": rss,
    }


def main() -> None:
    """Measure, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=500)
    parser.add_argument("--users", type=int, default=25, help="of the second run; the first has one")
    parser.add_argument("--seconds", type=int, default=12)
    wanted = parser.parse_args()
    result: dict[str, Any] = {
        "benchmark": "live", "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(), "channels": CHANNELS, "updated": UPDATED,
    }  # fmt: skip
    with database() as url:
        migrate(url)
        registry = fill(url, wanted.users)
        for name, users in (("one_user", 1), ("many_users", wanted.users)):
            with server(url, KAWASAN_LIVE_STREAMS=str(wanted.clients + 10)) as (port, pid):
                note(f"{name}: one client of each")
                alone = measured(port, pid, url, registry, clients=users, users=users, seconds=5)
                note(f"{name}: all")
                full = measured(port, pid, url, registry, clients=wanted.clients, users=users, seconds=wanted.seconds)
                added = np.float64(full.pop("_rss") - alone.pop("_rss")) / (wanted.clients - users)
                result[name] = {
                    **full,
                    "kb_per_client": round(float(added) / 1e3, 1),
                    "cpu_share_alone": alone["cpu_share_of_core"],
                }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
