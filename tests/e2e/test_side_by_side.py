"""Several servers on one port: what is seen through one is seen through all, and one that dies takes only its own requests along."""

import http.client
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest

from store import ReadingSink, Role, connect
from store.repeats import CLAIM_S
from store.users import set_token, token_hash
from tests.support.databases import batch_of
from tests.support.hostile import serving
from tests.support.installation import until
from tests.support.served import TOKENS, filled_template
from tests.support.services import new_database
from tests.support.sidebyside import Answered, SideBySide, asked, is_running, told_live

__all__ = ["filled_template"]

TOKEN = TOKENS["operator"]
LATEST_S = 1.0
"""So long something may be answered that does not hold any more. [s]"""
ALPHA = "p/alpha/main/energy_import"
WAITING = "SELECT count(*) FROM pg_locks WHERE relation = 'correction'::regclass AND NOT granted"
CORRECTIONS = "SELECT count(*) FROM correction"
HOURS = "start=2026-03-02T00:00:00%2B07:00&stop=2026-03-02T06:00:00%2B07:00"
CORRECTION = {
    "channel": ALPHA, "action": "set", "ts": "2026-03-02T05:00:00+07:00", "value": 1301.0, "why": "read at the meter"
}  # fmt: skip
SETTINGS = {
    "KAWASAN_WORKERS": "2", "KAWASAN_METRICS_PUBLIC": "true", "KAWASAN_REQUESTS_PER_MIN": "60001", "KAWASAN_LIVE_STREAMS": "3"
}  # fmt: skip


@contextmanager
def side_by_side(folder: Path, url: str) -> Iterator[SideBySide]:
    with serving(folder, url, **SETTINGS) as server:
        both = SideBySide(server)
        both.until_there(1, 2)
        yield both
    log = (folder / "serve.log").read_text()
    assert "Traceback" not in log, log[-3000:]


@contextmanager
def connected_to_both(servers: SideBySide) -> Iterator[list[http.client.HTTPConnection]]:
    with ExitStack() as stack:
        yield [stack.enter_context(servers.connected(number)) for number in (1, 2)]


@pytest.fixture(scope="module")
def filled_url(shared_timescale_url: str, filled_template: str) -> Iterator[str]:
    with new_database(shared_timescale_url, filled_template) as url:
        yield url


@pytest.fixture(scope="module")
def lasting(filled_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SideBySide]:
    """Servers that tests share which end none."""
    with side_by_side(tmp_path_factory.mktemp("lasting"), filled_url) as both:
        yield both


@pytest.fixture
def both(lasting: SideBySide) -> Iterator[list[http.client.HTTPConnection]]:
    """A connection to each of the lasting servers."""
    with connected_to_both(lasting) as conns:
        yield conns


@pytest.fixture
def servers(filled_url: str, tmp_path: Path) -> Iterator[SideBySide]:
    with side_by_side(tmp_path, filled_url) as both:
        yield both


def count(url: str, statement: str) -> int:
    with psycopg.connect(url) as conn:
        row = conn.execute(statement.encode()).fetchone()
    assert row is not None
    return int(row[0])


def listen(conn: http.client.HTTPConnection, told: list[str], last: str) -> None:
    """Take down what a stream tells until it tells of `last`, or ends."""
    for line in told_live(conn, TOKENS["tenant"]):
        told.append(line)
        if last in line:
            return


def test_each_has_its_part_of_what_a_user_may_ask(both: list[http.client.HTTPConnection]) -> None:
    answers = [asked(conn, "GET /api/v1/parks", TOKEN) for conn in both]

    assert [(one.status, one.headers["ratelimit-limit"]) for one in answers] == [(200, "30001")] * 2


def test_a_token_that_was_revoked_opens_nothing_in_either(
    both: list[http.client.HTTPConnection], filled_url: str
) -> None:
    with connect(filled_url, Role.AUTH) as auth:
        set_token(auth, "operator", token_hash("to be revoked"), label="revoked")
    before = [asked(conn, "GET /api/v1/parks", "to be revoked").status for conn in both]
    with psycopg.connect(filled_url) as conn:
        conn.execute("DELETE FROM token WHERE hash = %s", [token_hash("to be revoked")])

    def refused() -> bool:
        return [asked(conn, "GET /api/v1/parks", "to be revoked").status for conn in both] == [401, 401]

    assert before == [200, 200]
    until(refused, "refusing the token", deadline_s=LATEST_S)


def test_what_is_changed_through_one_is_seen_through_the_other(both: list[http.client.HTTPConnection]) -> None:
    line = f"GET /api/v1/readings?channel={ALPHA}&{HOURS}"
    before = [asked(conn, line, TOKEN) for conn in both]
    # The second time it is what the server kept.
    kept = [asked(conn, line, TOKEN).body for conn in both]

    made = asked(both[0], "POST /api/v1/corrections", TOKEN, CORRECTION)

    def corrected() -> list[float]:
        rows = asked(both[1], line, TOKEN).body[0]["readings"]
        return [row["corrected"] for row in rows if row.get("corrected") is not None]

    assert (made.status, kept) == (201, [one.body for one in before])
    until(lambda: corrected() == [1301.0], "the corrected reading", deadline_s=LATEST_S)


def test_streams_of_both_are_told_what_comes(both: list[http.client.HTTPConnection], filled_url: str) -> None:
    told: list[list[str]] = [[], []]

    listeners = [
        threading.Thread(target=listen, args=(conn, lines, "4711.5")) for conn, lines in zip(both, told, strict=True)
    ]
    for listener in listeners:
        listener.start()
    until(lambda: all("event: readings" in lines for lines in told), "what there is")
    with connect(filled_url, Role.WRITE) as conn:
        row = conn.execute("SELECT id FROM channel WHERE quantity = 'power'").fetchone()
    assert row is not None
    sink, now_us = ReadingSink(filled_url), time.time_ns() // 1000
    sink.write(batch_of([(row[0], now_us, 4711.5)], source="p/alpha", received_us=now_us))
    sink.close()

    for listener in listeners:
        listener.join(20.0)

    assert ["4711.5" in lines[-1] for lines in told] == [True, True]


def test_a_server_that_is_killed_takes_only_its_own_request_along(
    servers: SideBySide, filled_url: str, tmp_path: Path
) -> None:
    before, lost, corrections = servers.pids, [], count(filled_url, CORRECTIONS)
    entry = CORRECTION | {"ts": "2026-03-02T09:00:00+07:00"}

    def sent(conn: http.client.HTTPConnection) -> Answered:
        return asked(conn, "POST /api/v1/corrections", TOKEN, entry, Idempotency_Key="once")

    def send(conn: http.client.HTTPConnection) -> None:
        try:
            sent(conn)
        except (http.client.HTTPException, ConnectionError) as error:
            lost.append(type(error))

    with connected_to_both(servers) as (one, other):
        sender = threading.Thread(target=send, args=(one,))
        with psycopg.connect(filled_url) as conn:
            conn.execute("LOCK TABLE correction IN SHARE MODE")
            sender.start()
            until(lambda: count(filled_url, WAITING) == 1, "a change that waits")
            os.kill(before[1], signal.SIGKILL)
            sender.join(20.0)
            meanwhile = asked(other, "GET /api/v1/parks", TOKEN)
        busy = sent(other)
        with psycopg.connect(filled_url) as conn:
            # As if so long had passed: until then it could still be at work.
            conn.execute("UPDATE idempotency SET claimed_at = claimed_at - make_interval(secs => %s)", [CLAIM_S])
        done = sent(other)
    servers.until_there(1, 2)
    with servers.connected(1) as anew:
        again = sent(anew)

    assert lost in ([http.client.RemoteDisconnected], [ConnectionResetError])
    assert [one.status for one in (meanwhile, busy, done, again)] == [200, 409, 201, 201]
    assert (again.headers.get("idempotency-replayed"), again.body) == ("true", done.body)
    assert count(filled_url, CORRECTIONS) == corrections + 1
    assert servers.pids[1] != before[1]
    assert servers.pids[2] == before[2]
    assert "server 1 ended with code -9" in (tmp_path / "serve.log").read_text()


def test_all_end_when_they_are_told_to(servers: SideBySide) -> None:
    told: list[str] = []
    pids = servers.pids
    with servers.connected(1) as conn:
        listener = threading.Thread(target=listen, args=(conn, told, "never"))
        listener.start()
        until(lambda: "event: readings" in told, "a stream")

        servers.server.process.terminate()
        code = servers.server.process.wait(20)
        listener.join(20.0)

    assert code == 0
    assert [pid for pid in pids.values() if is_running(pid)] == []
    assert "event: bye" in told


def test_none_is_left_when_the_one_that_keeps_them_is_killed(servers: SideBySide) -> None:
    pids = servers.pids

    servers.server.process.kill()
    servers.server.process.wait()

    until(lambda: not any(is_running(pid) for pid in pids.values()), "the end of all", deadline_s=20.0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", servers.server.port), timeout=5.0)
