"""What strangers send: a server over real sockets, texts that mean harm, and requests that are none."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPException, HTTPResponse
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from service.embedded.ports import free_port
from tests.support.installation import PROJECT, until
from tests.support.isolation_walk import NO_ANSWER, Case, body_of, name_of, operations, values_of

__all__ = ["BODIES", "Reply", "Server", "harm_of", "hostile_asks", "serving"]

_INNER = re.compile(
    rb"Traceback|site-packages|psycopg|syntax error|LINE \d|asyncio|pg_catalog|RuntimeError|KeyError", re.IGNORECASE
)  # fmt: skip
"""What no answer ever shows."""

TEXTS = (
    "' OR '1'='1", "'; DROP TABLE reading; --", "1); SELECT pg_sleep(5); --", '"', "\\", "%s%s%n", "{0.__class__}", "{{7*7}}", "${7*7}",
    "<script>alert(1)</script>", "../../../../etc/passwd", "\u202e\u0000x", "\ufffe\uffff", "\u0130\u212a", "x" * 3000, "", " ", "None",
    "NaN", "-1", "0", "9" * 40, "1e999", "-0.0", "٣", "=1+1", "\r\nSet-Cookie: a=b", "p/alpha/main/power\x00",
)  # fmt: skip
TIMES = (
    "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999+14:00", "9999-12-31T23:59:59.999999-14:00", "2026-06-30T23:59:60Z",
    "2026-03-02T00:00:00", "2026-02-30T00:00:00Z", "2026-03-02T24:00:00Z", "2026-W10-1", "1767225600", "-2026-01-01T00:00:00Z",
    "2026-03-02T00:00:00+99:99", "2026-13", "0000-00", "٢٠٢٦-٠٣",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, [], {}, -1, 0, 2**63, 10**400, 1.7e308, -1.7e308, 5e-324, "\ud800", "\x00", "' OR 1=1 --", "x" * 5000, [[]], {"$ne": 1},
    "9999-12-31T23:59:59.999999+14:00", "0001-01-01T00:00:00-14:00",
)  # fmt: skip
BODIES = (
    b"", b"{", b"[", b"null", b"nul", b"\xff\xfe", b"\x00", b'{"a": "\xff"}', b'{"a": "\xed\xa0\x80"}', b"[" * 100_000, b'{"a":' * 100_000,
    b'{"a": NaN}', b'{"a": 1e999}', b'{"a": -Infinity}', b"1" * 5000, b'{"channel": {"channel": 1}}', b'{"channel": "a", "channel": "b"}',
    b'\xef\xbb\xbf{"a": 1}', b'"\\ud800"', b'{"\\u0000": 1}', b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    b"a=1&b=2", b"[" + b"{}," * 150_000 + b"{}]",
)  # fmt: skip
_OF_TIME = frozenset({"start", "stop", "as_of", "month", "episode", "ts", "at", "from", "to", "until"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back; no status: the connection was closed without an answer."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def harm_of(reply: Reply, *, problem: bool = True) -> str:
    """What is wrong with an answer to a stranger; empty: nothing. Errors must be problems, unless `problem` is false."""
    if not 200 <= reply.status < 500:
        return f"status {reply.status}: {reply.body[:300]!r}"
    found = _INNER.search(reply.body)
    if found is not None:
        return f"it shows {found[0]!r}: {reply.body[:300]!r}"
    if problem and reply.status >= 400:
        if reply.headers.get("content-type") != "application/problem+json":
            return f"{reply.status} is no problem: {reply.headers}"
        if json.loads(reply.body)["status"] != reply.status:
            return f"{reply.status} says another status: {reply.body!r}"
    return ""


@dataclass(frozen=True, slots=True)
class Server:
    """A server of ours in a process of its own."""

    port: int
    process: "subprocess.Popen[bytes]"

    def raw(self, *pieces: bytes, timeout_s: float = 10.0) -> Reply:
        """What it answers to these bytes, sent as they are, each piece by itself."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as conn:
            with suppress(ConnectionError):
                for piece in pieces:
                    conn.sendall(piece)
            return reply_of(conn)

    def ask(self, line: str, *headers: str, token: str | None = None, body: bytes = b"") -> Reply:
        """What it answers to a request of this first line."""
        lines = [
            f"{line} HTTP/1.1",
            *([] if any(one.lower().startswith("host:") for one in headers) else ["Host: 127.0.0.1"]),
        ]
        lines += ["Connection: close", *([f"Authorization: Bearer {token}"] if token else []), *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return self.raw("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def is_well(self, token: str) -> bool:
        """Whether it runs, and answers a good request rightly."""
        reply = self.ask("GET /api/v1/parks", token=token)
        return self.process.poll() is None and reply.status == 200 and b'"key":"p"' in reply.body


def reply_of(conn: socket.socket) -> Reply:
    """The next answer of a connection."""
    answer = HTTPResponse(conn)
    try:
        answer.begin()
        body = answer.read()
    except (HTTPException, ConnectionError):
        return Reply(status=0)
    return Reply(status=answer.status, headers={name.lower(): value for name, value in answer.getheaders()}, body=body)


@contextmanager
def serving(folder: Path, url: str, **settings: str) -> Iterator[Server]:
    """A server on a database, until the block ends; that it stops when it is told to is a part of it."""
    port, log = free_port(), folder / "serve.log"
    known = {name: value for name, value in os.environ.items() if not name.startswith("KAWASAN_")}
    env = known | {"KAWASAN_DATABASE_URL": url, "KAWASAN_PORT": str(port), "KAWASAN_REQUESTS_PER_MIN": "0"} | settings
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "serve"], cwd=PROJECT, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )  # fmt: skip
    server = Server(port, process)

    def answers() -> bool:
        with suppress(OSError):
            return server.ask("GET /healthz").status == 200
        return False

    try:
        until(answers, f"a server (its log: {log})")
        yield server
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError("the server did not stop within 20 s of SIGTERM") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileAsk:
    """A request with one thing in it that means harm."""

    name: str
    method: str
    target: str
    headers: dict[str, bytes]
    body: bytes | None


def hostile_asks(schema: Mapping[str, Any], case: Case, *, most: int = 3) -> Iterator[HostileAsk]:
    """
    Each operation with each of its parameters, and each place of its body, filled with texts that mean harm.

    Each place with `most` of them, where one before stopped the next goes on: all of them come up, and it ends within a minute.
    """
    texts, times, values = cycle(TEXTS), cycle(TIMES), cycle(VALUES)
    for method, path, operation in operations(schema):
        if path in NO_ANSWER:
            continue
        places: dict[str, dict[str, Any]] = {"path": {}, "query": {}, "header": {}}
        for one in operation.get("parameters", []):
            known = values_of(case, name_of(path, one["name"].lower()))
            if one.get("required") or one["in"] == "header":
                places[one["in"]][one["name"]] = known[0] if known else "x"
        bodies = body_of(schema, case, operation, set())
        body = None if bodies is None else bodies[0]
        for one in operation.get("parameters", []):
            named = name_of(path, one["name"].lower())
            for text in (*islice(texts, most), *islice(times, most if named in _OF_TIME else 0)):
                filled = {**places, one["in"]: {**places[one["in"]], one["name"]: text}}
                yield _ask(method, path, filled, body, f"{one['name']}={text[:40]!r}")
        for name, harmful in _harmful(body, partial(islice, values, most)):
            yield _ask(method, path, places, harmful, name)


def _ask(method: str, path: str, places: dict[str, dict[str, Any]], body: Any, name: str) -> HostileAsk:
    target = path.format(**{key: quote(str(value), safe="") or "%20" for key, value in places["path"].items()})
    query = urlencode(places["query"], doseq=True)
    # What no client sends in a header is tried over a raw socket.
    headers = {
        key: re.sub(r"[^\x20-\x7e]", "?", str(value)).strip().encode() for key, value in places["header"].items()
    }
    return HostileAsk(
        name=f"{method} {path} {name}",
        method=method,
        target=f"{target}?{query}" if query else target,
        headers=headers | ({} if body is None else {"content-type": b"application/json"}),
        body=None if body is None else json.dumps(body).encode(),
    )


def _harmful(body: Any, values: Callable[[], Iterable[Any]], place: str = "") -> Iterator[tuple[str, Any]]:
    """The body with each of its places filled with values that mean harm."""
    if place:
        yield from ((f"body{place}={str(value)[:40]!r}", value) for value in values())
    if isinstance(body, dict):
        for key, inner in body.items():
            yield from ((name, {**body, key: value}) for name, value in _harmful(inner, values, f"{place}.{key}"))
        if body:
            yield f"body{place}+extra", {**body, "__proto__": {"role": "admin"}}
    elif isinstance(body, list):
        for number, inner in enumerate(body):
            yield from (
                (name, [*body[:number], value, *body[number + 1 :]])
                for name, value in _harmful(inner, values, f"{place}[{number}]")
            )
