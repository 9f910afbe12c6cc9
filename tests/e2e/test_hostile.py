"""Whatever strangers send to a server is answered with a problem, shows nothing of the inside, and harms nobody else."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx2
import psycopg
import pytest
from pydantic import SecretStr

from service.api import create_app
from service.protocol import HEAD_S
from service.settings import Settings
from store import Role, connect
from store.users import set_token, token_hash
from tests.support.hostile import BODIES, Reply, Server, harm_of, hostile_asks, reply_of, serving
from tests.support.isolation_walk import Case
from tests.support.services import new_database
from tests.support.two_parks import token_of, two_parks_on_timescale

__all__ = ["two_parks_on_timescale"]

TOKEN = token_of("operator")
KNOWN = {
    "park": "p", "tenant": "alpha", "meter": "main", "channel": "p/alpha/main/energy_import", "kpi": "electricity", "alarm": 1,
    "subject": "tenant:p/alpha", "rule": "power-high", "source": "p/alpha", "target": "p/alpha", "correction": 1, "fact": 1,
    "session": 1_000_000, "api_key": 1_000_000, "episode": "2026-03-02T10:00:00Z",
}  # fmt: skip


@pytest.fixture(scope="module")
def hostile_url(shared_timescale_url: str, two_parks_on_timescale: str) -> Iterator[str]:
    with new_database(shared_timescale_url, two_parks_on_timescale) as url:
        yield url


@pytest.fixture(scope="module")
def server(hostile_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all of it: what one test does to it the next would notice."""
    folder: Path = tmp_path_factory.mktemp("hostile")
    with serving(folder, hostile_url) as running:
        yield running
    log = (folder / "serve.log").read_text()
    assert "Traceback" not in log, log[-3000:]


@pytest.fixture(autouse=True)
def _still_well(server: Server) -> Iterator[None]:
    yield
    assert server.is_well(TOKEN)


def test_every_parameter_and_every_place_of_a_body_takes_whatever_comes(server: Server, hostile_url: str) -> None:
    schema = create_app(Settings(database_url=SecretStr("postgresql://nobody@localhost/none"))).openapi()
    case = Case(name="hostile", user="operator", known=KNOWN, foreign={})
    harmed, asked = [], 0

    with httpx2.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=60.0) as client:
        for ask in hostile_asks(schema, case):
            headers = [
                (b"authorization", f"Bearer {TOKEN}".encode()),
                *((key.encode(), value) for key, value in ask.headers.items()),
            ]
            answer = client.request(ask.method, ask.target, headers=headers, content=ask.body)
            found = {name.lower(): value for name, value in answer.headers.items()}
            reply = Reply(status=answer.status_code, headers=found, body=answer.content)
            harm = harm_of(reply)
            asked += 1
            if harm:
                harmed.append((ask.name, harm))

    assert harmed == [], "\n".join(f"{name}: {harm}" for name, harm in harmed[:40])
    assert asked > 600
    with psycopg.connect(hostile_url) as conn:
        tables = conn.execute("SELECT count(*) FROM reading").fetchone()
    assert tables is not None
    assert tables[0] > 0


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
@pytest.mark.parametrize("path", ["/api/v1/corrections", "/api/v1/keys", "/api/v1/alarms/1/acts"])
def test_a_body_that_is_none_is_a_mistake_of_the_client(server: Server, path: str, body: bytes) -> None:
    for form in ("application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        reply = server.ask(f"POST {path}", f"Content-Type: {form}", token=TOKEN, body=body)

        assert harm_of(reply) == ""
        assert reply.status in {400, 413, 415, 422, 428}


def test_a_body_without_end_is_cut_off(server: Server) -> None:
    head = f"POST /api/v1/corrections HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10.0) as conn:
        conn.sendall(head.encode())
        sent = 0
        with suppress(ConnectionError):
            while sent < 64_000_000:
                conn.sendall(b"10000\r\n" + b" " * 65_536 + b"\r\n")
                sent += 65_536

    assert sent < 16_000_000


def test_a_body_longer_than_allowed_is_refused_before_it_is_sent(server: Server) -> None:
    reply = server.ask(
        "POST /api/v1/corrections", "Content-Length: 999999999999999999999", "Expect: 100-continue", token=TOKEN
    )

    assert (reply.status, harm_of(reply)) in {(413, ""), (400, "")}


@pytest.mark.parametrize(
    "head",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: +5",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: gzip, chunked, identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\x0bchunked",
        " Folded: header",
        "X: y\nContent-Length: 5",
        "X\x00: y",
        "X: \x00",
        "Host: b",
        ": nameless",
        "no colon",
        "Authorization: Bearer other",
    ],
)
def test_a_head_that_could_be_read_in_two_ways_is_read_in_none(server: Server, head: str) -> None:
    inner = "GET /api/v1/me HTTP/1.1\r\nHost: a\r\n\r\n"
    text = f"POST /api/v1/corrections HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n{head}\r\n\r\n0\r\n\r\n{inner}"

    reply = server.raw(text.encode("latin-1"))

    assert harm_of(reply) == ""
    assert reply.status in {400, 401, 422}
    # Whatever follows is not taken for another request.
    assert reply.headers.get("connection", "").lower() == "close" or reply.status == 422


@pytest.mark.parametrize(
    "headers",
    [
        ("Host: evil.example",), ("Host: [",), ("Host: a b",), ("Host: ../../x",), ("Host: \xff",), ("X-Forwarded-For: ' OR 1=1 --",),
        ("X-Forwarded-Proto: javascript", "X-Forwarded-Host: evil.example"), ("Range: bytes=0-0,-1",), ("X-HTTP-Method-Override: DELETE",),
        ("Accept: " + "a/b;q=0.1," * 900,), ("Accept: \xff\xfe",), ("Accept-Encoding: " + "gzip," * 900,), ("If-None-Match: " + '"a",' * 900,),
        ("If-Match: ' OR 1=1 --",), ("Cookie: " + "a=b; " * 900,), ("Cookie: kawasan_session=a; kawasan_session=b",),
        ("Cookie: __Host-kawasan_session=a",), ("Cookie: kawasan_session=" + "x" * 9000,), ("Cookie: \x80=;=;;",), ("Origin: null",),
        ("Origin: \xff",), ("Sec-Fetch-Site: \xff", "X-Kawasan-Page: 1"), ("Content-Type: \xff/\xff; charset=\xff",),
        ("Content-Type: application/json; charset=utf-7",), ("Expect: 200-ok",), ("Upgrade: websocket", "Connection: Upgrade"),
        ("Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"), ("Last-Event-ID: \xff",), ("X-Request-ID: \xff\xfe' <script>",),
        ("Idempotency-Key: \xff",), ("Traceparent: " + "f" * 3000,), ("Forwarded: for=\xff;host=[",), ("Max-Forwards: 0",),
    ],
)  # fmt: skip
def test_headers_that_lie_change_nothing(server: Server, headers: tuple[str, ...]) -> None:
    own = server.ask("GET /api/v1/me", *headers, token=TOKEN)
    nobody = server.ask("GET /api/v1/me", *headers)
    missing = server.ask("GET /api/v1/parks/", *headers, token=TOKEN)

    assert [harm_of(one) for one in (own, nobody, missing)] == ["", "", ""]
    assert nobody.status in {400, 401, 406}
    assert own.status >= 400 or b'"name":"operator"' in own.body
    for reply in (own, nobody, missing):
        assert "evil.example" not in str(reply.headers)
        assert b"evil.example" not in reply.body


@pytest.mark.parametrize(
    "head", ["X: " + "y" * 70_000, "\r\n".join(f"X{n}: y" for n in range(9000)), "Cookie: a=" + "b" * 70_000]
)
def test_headers_without_end_are_cut_off(server: Server, head: str) -> None:
    reply = server.ask("GET /api/v1/me", head, token=TOKEN)

    assert (reply.status, harm_of(reply)) in {(431, ""), (0, "status 0: b''")}


@pytest.mark.parametrize(
    "target",
    [
        "/static/../app.py", "/static/..%2f..%2fapi%2fapp.py", "/static/%2e%2e/%2e%2e/settings.py", "/static/....//app.py", "/static/%00",
        "/static/live.js%00.png", "/static/\\..\\..\\settings.py", "/static//etc/passwd", "/static/%c0%ae%c0%ae/settings.py", "/static/",
        "/static", "//evil.example/api/v1/parks", "//evil.example", "/%2f%2fevil.example", "/api/v1//parks", "/api/v1/./parks", "/api/v1/%2e%2e/x",
        "/api/v1/parks%00", "/api/v1/parks/%ff", "/api/v1/kpis/%2e%2e", "/api/v1/parks;a=b", "/api/v1/parks%3Fa=b", "/api/v1/parks#a",
        "/API/V1/PARKS", "/api/v1/parks?%00", "/api/v1/parks?%ff=%ff", "/api/v1/parks?" + "&".join(["a=1"] * 300),
        "/api/v1/parks?a=" + "x" * 20_000, "/" + "a/" * 5000, "/api/v1/meters/%2F/%2F/%2F/life", "/api/v1/episodes/1/%0d%0aSet-Cookie:%20a=b",
        "http://evil.example/api/v1/parks", "*", "/\x7f", "/api/v1/alarms/1e5", "/api/v1/alarms/99999999999999999999",
        "/api/v1/alarms/-1", "/api/v1/alarms/0x1", "/.git/config", "/.env", "/openapi.json?x=" + "y" * 20_000, "/login?next=//evil.example",
    ],
)  # fmt: skip
def test_paths_lead_nowhere_else(server: Server, target: str) -> None:
    reply = server.ask(f"GET {target}", token=TOKEN)

    assert harm_of(reply, problem=not target.startswith("/static")) == ""
    assert b"import " not in reply.body
    assert b"root:" not in reply.body
    assert "evil.example" not in reply.headers.get("location", "")
    assert "set-cookie" not in reply.headers


@pytest.mark.parametrize(
    "method", ["TRACE", "CONNECT", "OPTIONS", "PATCH", "PROPFIND", "FOO", "get", "GET" * 5000, "G\x00T", ""]
)
def test_methods_that_nothing_here_knows_are_refused(server: Server, method: str) -> None:
    reply = server.ask(f"{method} /api/v1/parks", token=TOKEN)

    assert harm_of(reply) == ""
    assert reply.status in {400, 405, 431}
    assert TOKEN.encode() not in reply.body


@pytest.mark.parametrize(
    "line",
    [
        "GET",
        "GET /",
        "GET / HTTP/9.9",
        "GET / HTTP/1.1 x",
        "\x16\x03\x01\x02\x00\x01\x00",
        "PRI * HTTP/2.0\r\n\r\nSM",
        "\x00" * 100,
        "{}",
    ],
)
def test_what_is_no_http_is_told_so(server: Server, line: str) -> None:
    reply = server.raw(f"{line}\r\n\r\n".encode("latin-1"))

    # A line without a version is a request of HTTP/0.9.
    assert (reply.status, harm_of(reply)) == (303 if line == "GET /" else 400, "")


@pytest.mark.parametrize(
    "credentials",
    [
        "Bearer", "Bearer ", "Bearer x", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"bearer{TOKEN}", f"Basic {TOKEN}", f"Token {TOKEN}", TOKEN,
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.", "Bearer ' OR '1'='1", "Bearer \xff\xfe", "Bearer " + "x" * 9000, f"Bearer {TOKEN}, Bearer x",
        "Digest username=admin", "Negotiate YII=", "Bearer expired", "Bearer revoked",
    ],
)  # fmt: skip
def test_whoever_has_no_token_that_holds_is_nobody(server: Server, hostile_url: str, credentials: str) -> None:
    with connect(hostile_url, Role.AUTH) as conn:
        set_token(conn, "operator", token_hash("expired"), label="expired")
        conn.execute("UPDATE token SET expires_at = now() - interval '1 s' WHERE label = 'expired'")

    reply = server.ask("GET /api/v1/parks", f"Authorization: {credentials}")

    assert (reply.status, harm_of(reply)) == (401, "")
    assert reply.headers["www-authenticate"].startswith("Bearer")


def test_what_was_typed_into_a_form_is_shown_as_text(server: Server) -> None:
    for text in ("<script>alert(1)</script>", "{{7*7}}", '" onfocus="alert(1)', "${7*7}", "\x00'", "x" * 5000):
        with httpx2.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
            answer = client.post("/login", data={"name": text, "password": "wrong words that are long"})

        assert 400 <= answer.status_code < 500
        assert "<script>alert" not in answer.text
        assert 'onfocus="alert' not in answer.text
        assert "49" not in answer.text.replace("149", "")


def test_who_says_a_request_slowly_does_not_keep_others_waiting(server: Server) -> None:
    with ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=HEAD_S + 5))
            for _ in range(60)
        ]
        for number, conn in enumerate(slow):
            conn.sendall(b"GET /api/v1/parks HTTP/1.1\r\nHost: a\r\nX-Slow: " if number % 2 else b"G")
        assert server.is_well(TOKEN)
        time.sleep(HEAD_S / 2)
        for conn in slow:
            conn.sendall(b"E")
        began = time.monotonic()
        replies = [reply_of(conn) for conn in slow]

    assert {(reply.status, harm_of(reply)) for reply in replies} == {(408, "")}
    assert time.monotonic() - began < HEAD_S


def test_several_requests_at_once_on_one_connection_are_answered_in_order(server: Server) -> None:
    head = f"Host: a\r\nAuthorization: Bearer {TOKEN}\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10.0) as conn:
        conn.sendall(
            "".join(f"GET /api/v1/{name} HTTP/1.1\r\n{head}\r\n" for name in ("parks", "nothing", "me")).encode()
        )
        conn.sendall(f"GET /api/v1/tenants HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
        said = b""
        while piece := conn.recv(65_536):
            said += piece

    assert [part.split(b" ", 1)[0] for part in said.split(b"HTTP/1.1 ")[1:]] == [b"200", b"404", b"200", b"200"]
