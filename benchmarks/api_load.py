"""
Requests over kept-alive connections, as fast as they are answered or at a given rate; a process of its own.

It parses of an answer no more than its status and length, on the event loop of libuv, so that it is not the bottleneck:
`busy` says which share of a core it took. Times of a given rate count from when a request was due, not from when a
connection was free for it.

Run as `python -m benchmarks.api_load PORT CONNECTIONS SECONDS RATE < requests`; they are sent in turn, and it prints one JSON
line.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import numpy as np
import uvloop

_END = b"\r\n\r\n"


@dataclass(slots=True, kw_only=True)
class Load:
    """What is to be sent, what is due, and what came of it."""

    requests: Iterator[bytes]
    is_paced: bool
    free: list["Talk"] = field(default_factory=list)
    due: deque[float] = field(default_factory=deque)
    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    is_over: bool = False

    def answered(self, talk: "Talk", status: int, seconds: float) -> None:
        """Count an answer, and send the next request."""
        if self.is_over:
            return
        self.statuses[status] += 1
        self.seconds.append(seconds)
        if not self.is_paced:
            talk.ask(time.perf_counter())
        elif self.due:
            talk.ask(self.due.popleft())
        else:
            self.free.append(talk)

    async def pace(self, rate: float, seconds: float) -> None:
        """Send requests at a rate. [1/s]"""
        begun = time.perf_counter()
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            if (ahead := due - time.perf_counter()) > 0:
                await asyncio.sleep(ahead)
            if self.free:
                self.free.pop().ask(due)
            else:
                self.due.append(due)


class Talk(asyncio.Protocol):
    """One connection, with one request under way at most."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._asked_s = 0.0
        self._left = 0
        self._head = b""
        self._status = 0
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Keep what requests are written to."""
        self._transport = transport

    def ask(self, asked_s: float) -> None:
        """Send the request that was due at a time."""
        self._asked_s = asked_s
        self._transport.write(next(self._load.requests))

    def data_received(self, data: bytes) -> None:
        """Count what came, and note when an answer is whole."""
        if self._left:
            self._left -= len(data)
        else:
            self._head += data
            end = self._head.find(_END)
            if end < 0:
                return
            self._status = int(self._head[9:12])
            self._left = end + 4 + _length(self._head[:end], self._status) - len(self._head)
            self._head = b""
        if self._left == 0:
            self._load.answered(self, self._status, time.perf_counter() - self._asked_s)


def _length(head: bytes, status: int) -> int:
    if status == 304:
        return 0
    at = head.lower().index(b"content-length:") + 15
    return int(head[at:].split(b"\r\n", 1)[0])


async def _run(port: int, connections: int, seconds: float, rate: float, request: bytes) -> dict[str, Any]:
    requests = cycle(one + _END for one in request.removesuffix(_END).split(_END))
    load = Load(requests=requests, is_paced=rate > 0)
    loop = asyncio.get_running_loop()
    talks = [(await loop.create_connection(lambda: Talk(load), "127.0.0.1", port))[1] for _ in range(connections)]
    begun, busy = time.perf_counter(), time.process_time()
    if rate:
        load.free = list(talks)
        await load.pace(rate, seconds)
    else:
        for talk in talks:
            talk.ask(time.perf_counter())
        await asyncio.sleep(seconds)
    took, busy = time.perf_counter() - begun, time.process_time() - busy
    load.is_over = True
    times = np.sort(np.array(load.seconds))
    return {
        "per_s": round(len(times) / took, 1),
        "p50_ms": round(float(np.quantile(times, 0.5)) * 1000, 2),
        "p99_ms": round(float(np.quantile(times, 0.99)) * 1000, 2),
        "busy": round(busy / took, 2),
        "statuses": {str(status): count for status, count in load.statuses.items()},
    }


def loaded(port: int, request: bytes, *, connections: int, seconds: float, rate: float = 0.0) -> dict[str, Any]:
    """What a generator process measured; `rate` 0: as fast as answers come. [1/s]"""
    command = [sys.executable, "-m", "benchmarks.api_load", str(port), str(connections), str(seconds), str(rate)]
    ended = subprocess.run(command, input=request, stdout=subprocess.PIPE, check=True, timeout=seconds + 60)
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


if __name__ == "__main__":
    port, connections, seconds, rate = sys.argv[1:]
    wanted = sys.stdin.buffer.read()
    print(json.dumps(uvloop.run(_run(int(port), int(connections), float(seconds), float(rate), wanted))))
