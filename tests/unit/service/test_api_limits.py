"""What a request may be at most, compression, other origins, and parameters that an operation does not know."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Depends, FastAPI, Query
from fastapi.responses import StreamingResponse
from pydantic import SecretStr, ValidationError

from service.api import create_app
from service.api.compression import CompressionMiddleware, wants_gzip
from service.api.limits import MOST_ITEMS, LimitsMiddleware, address_fault, json_fault
from service.api.problem import Problem, add_problems
from service.api.strict import known_parameters
from service.settings import Settings

MOST = 2000


async def _pieces() -> AsyncIterator[bytes]:
    for piece in (b"first," * 400, b"second," * 400):
        yield piece


def small_app() -> FastAPI:
    """An application with one operation of each kind, inside the limits."""
    app = FastAPI(dependencies=[Depends(known_parameters)])
    add_problems(app)

    @app.post("/api/v1/echo")
    async def echo(asked: dict[str, Any]) -> dict[str, Any]:
        return asked

    @app.post("/api/v1/context")
    async def context(asked: dict[str, Any]) -> int:
        return len(asked)

    @app.get("/api/v1/streamed")
    async def streamed() -> StreamingResponse:
        return StreamingResponse(_pieces(), media_type="text/csv", headers={"ETag": '"7"'})

    @app.get("/api/v1/events")
    async def events() -> StreamingResponse:
        return StreamingResponse(_pieces(), media_type="text/event-stream")

    @app.get("/api/v1/keys")
    async def keys() -> str:
        return "secret" * 500

    @app.get("/api/v1/list")
    async def listed(level: str = "", channel: Annotated[list[str] | None, Query()] = None) -> list[str]:
        return [level, *(channel or [])]

    app.add_middleware(LimitsMiddleware, body_bytes=MOST, body_s=0.2)
    app.add_middleware(CompressionMiddleware)
    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=small_app(), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://kawasan.test") as made:
        yield made


async def _chunks(*pieces: bytes, pause_s: float = 0.0) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
        await asyncio.sleep(pause_s)


async def test_a_body_that_is_too_large_is_refused_whether_its_length_is_said_or_not(
    client: httpx2.AsyncClient,
) -> None:
    said = await client.post("/api/v1/echo", json={"a": "x" * MOST})
    unsaid = await client.post("/api/v1/echo", content=_chunks(b"x" * 900, b"x" * 900, b"x" * 900))

    assert [answer.status_code for answer in (said, unsaid)] == [413, 413]
    assert said.json()["detail"] == f"the body is larger than {MOST} bytes; send it in parts"
    assert said.headers["content-type"] == "application/problem+json"
    assert said.headers["connection"] == "close"


async def test_entered_values_may_come_in_a_larger_body(client: httpx2.AsyncClient) -> None:
    assert (await client.post("/api/v1/context", json={"a": "x" * MOST})).status_code == 200
    assert (await client.post("/api/v1/context", json={"a": "x" * 4 * MOST})).status_code == 413


async def test_a_body_arrives_as_it_was_sent(client: httpx2.AsyncClient) -> None:
    answer = await client.post(
        "/api/v1/echo", content=_chunks(b'{"a": ', b"[1, 2]}"), headers={"Content-Type": "application/json"}
    )

    assert answer.json() == {"a": [1, 2]}


async def test_a_body_that_does_not_come_is_not_waited_for(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/api/v1/echo", content=_chunks(b"{", b" ", b" ", b"}", pause_s=0.15))

    assert answer.status_code == 408
    assert answer.json()["detail"].startswith("the body did not come within 0.2 s")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 33 + b"]" * 33, 400),
        (b"[" * 500_000, 400),
        (b'{"a":' * 33, 400),
        (b'{"value": NaN}', 400),
        (b"[-Infinity]", 400),
        (b'["\\u0000"]', 400),
        (b'["\\\\\\u0000"]', 400),
        (b"[" + b"1," * MOST_ITEMS + b"1]", 413),
        (b"[" * 32 + b"]" * 32, None),
        (b'["' + b"[" * 500 + b'"]', None),
        (b'["NaN", "Infinity \\" NaN"]', None),
        (b'["\\\\u0000"]', None),
        (b'"' + b'\\"' * 300_000, None),
        (b'"' * 300_001, None),
        (b"", None),
    ],
)
def test_bodies_are_looked_at_before_they_are_read(body: bytes, status: int | None) -> None:
    fault = json_fault(body)

    assert (None if fault is None else int(fault.status)) == status


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        (b"/api/v1/parks", b"", None),
        (b"/api/v1/parks", b"a=" + b"x" * 16_400, 414),
        (b"/" + b"x" * 16_400, b"", 414),
        (b"/api/v1/parks", b"&".join([b"a=1"] * 201), 400),
        (b"/api/v1/parks", b"park=%00", 400),
        (b"/api/v1/kpis/%00", b"", 400),
    ],
)
def test_addresses_have_bounds(path: bytes, query: bytes, status: int | None) -> None:
    fault: Problem | None = address_fault(path, query)

    assert (None if fault is None else int(fault.status)) == status


async def test_a_header_that_may_come_once_does(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/v1/list", headers=[("Authorization", "Bearer a"), ("Authorization", "Bearer b")])

    assert answer.status_code == 400
    assert "authorization came more than once" in answer.json()["detail"]


async def test_a_misspelt_parameter_is_told_the_nearest_and_not_left_out(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/api/v1/list?chanel=a&level=day")

    assert answer.status_code == 422
    assert answer.json()["detail"] == "'chanel' is no parameter of this; did you mean channel?"


async def test_a_parameter_that_means_one_comes_once(client: httpx2.AsyncClient) -> None:
    twice = await client.get("/api/v1/list?level=day&level=hour")

    assert twice.json()["detail"] == "level came 2 times; give it once"
    assert (await client.get("/api/v1/list?channel=a&channel=b")).json() == ["", "a", "b"]


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("gzip", True), ("br, gzip;q=0.1", True), ("*", True), ("GZIP", True), ("x-gzip", True),
        ("", False), ("gzip;q=0", False), ("gzip;q=0.0, *", False), ("*;q=0", False), ("identity", False), ("gzip;q=nonsense", False),
        ("gzipped", False),
    ],
)  # fmt: skip
def test_gzip_comes_to_whoever_asks_for_it(accept: str, wanted: bool) -> None:
    assert wants_gzip(accept) is wanted


async def test_each_piece_of_a_compressed_table_can_be_read_when_it_was_sent() -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "GET", "path": "/api/v1/streamed", "raw_path": b"/api/v1/streamed", "query_string": b"", "root_path": "",
        "headers": [(b"accept-encoding", b"gzip")], "http_version": "1.1", "scheme": "http", "server": ("a", 80), "client": ("b", 1),
    }  # fmt: skip
    await small_app()(scope, receive, send)

    headers = dict(sent[0]["headers"])
    reader = zlib.decompressobj(31)
    assert reader.decompress(sent[1]["body"]) == b"first," * 400
    assert reader.decompress(sent[2]["body"]) == b"second," * 400
    assert (headers[b"content-encoding"], headers[b"etag"]) == (b"gzip", b'W/"7"')
    assert b"Accept-Encoding" in headers[b"vary"]


async def test_what_never_ends_and_what_is_secret_is_not_compressed(client: httpx2.AsyncClient) -> None:
    asked = {"Accept-Encoding": "gzip"}

    assert "content-encoding" not in (await client.get("/api/v1/events", headers=asked)).headers
    assert "content-encoding" not in (await client.get("/api/v1/keys", headers=asked)).headers
    assert "content-encoding" not in (await client.get("/api/v1/list", headers=asked)).headers
    refused = await client.get("/api/v1/streamed", headers={"Accept-Encoding": "gzip;q=0"})
    assert "content-encoding" not in refused.headers
    assert refused.headers["vary"] == "Accept-Encoding"
    assert refused.text.startswith("first,")


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "portal.example", "https://portal.example/", "https://a,b", "ftp://a", "https://A", "https://u@a"],
)
def test_an_origin_is_scheme_host_and_port(origin: str) -> None:
    with pytest.raises(ValidationError):
        Settings(cors_origins=(origin,))


@pytest.mark.parametrize(
    ("origins", "allowed"), [((), None), (("https://portal.example:8443",), "https://portal.example:8443")]
)
async def test_other_sites_may_ask_only_where_they_are_named(origins: tuple[str, ...], allowed: str | None) -> None:
    app = create_app(Settings(database_url=SecretStr("postgresql://nobody@localhost/none"), cors_origins=origins))
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    preflight = {"Access-Control-Request-Method": "POST"}
    # It starts without a database, and these answers need none.
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://a.test") as client,
    ):

        async def asked(origin: str, header: str) -> httpx2.Response:
            headers = {**preflight, "Origin": origin, "Access-Control-Request-Headers": header}
            return await client.options("/api/v1/alarms/1/acts", headers=headers)

        good = await asked("https://portal.example:8443", "authorization,idempotency-key")
        page_header = await asked("https://portal.example:8443", "x-kawasan-page")
        other = await asked("https://elsewhere.example", "authorization")

    assert good.headers.get("access-control-allow-origin") == allowed
    assert "access-control-allow-credentials" not in good.headers
    assert "access-control-allow-origin" not in other.headers
    assert "x-kawasan-page" not in good.headers.get("access-control-allow-headers", "").lower()
    assert [answer.status_code for answer in (page_header, other)] == [405 if not allowed else 400] * 2
