"""Order and crashes do not matter: the same readings, however they come, end in the same numbers."""

import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.embedded import PrivateBroker, PrivatePostgres
from simulators.publisher import Publisher
from simulators.reports import Outgoing
from tests.support.brokers import private_broker
from tests.support.disorder import disorder_park, disordered, in_order, readings
from tests.support.installation import DEADLINE_S, Installation, installation, until
from tests.support.services import new_database
from tests.support.snapshots import Snapshot, check_ledger, check_same

SEED = 20_240_330
LONGEST_PAUSE_S = 0.4
REPEATED_S = 60.0
"""What a gateway that stores and forwards repeats after it reconnects."""

FAULTS = 11
"""Values set aside in the broken messages, one or several in each."""

ROUNDS = int(os.environ.get("KAWASAN_CRASH_ROUNDS", "10"))
"""Kills in all, shared by the two brokers; CI asks for at least 50."""


@pytest.fixture(scope="module")
def clean(
    tmp_path_factory: pytest.TempPathFactory, shared_timescale_url: str, server_folders: Path
) -> Iterator[Snapshot]:
    """How the readings end in order, one a message, one ingest, nothing killed."""
    folder = tmp_path_factory.mktemp("clean")
    with (
        new_database(shared_timescale_url) as url,
        private_broker("mosquitto", server_folders / "clean.mosquitto") as broker,
        installation(folder, url, broker) as whole,
    ):
        begin(whole, ingests=1)
        with Publisher(broker.url, client_id="gateway") as gateway:
            gateway.publish(in_order(readings(SEED)))
            gateway.settle(DEADLINE_S)
        yield settled(whole, None)


def begin(whole: Installation, *, ingests: int) -> None:
    whole.run("migrate")
    whole.apply(disorder_park())
    for number in range(ingests):
        whole.start(f"ingest{number}", "ingest", KAWASAN_MQTT_CLIENT_ID=f"ingest-{number}")
    whole.start("engine", "engine")
    until(lambda: whole.row("SELECT count(ticked_to) FROM park") == (1,), "the first tick")
    until(lambda: all(subscribed(whole, number) for number in range(ingests)), "the subscriptions")


def subscribed(whole: Installation, number: int) -> bool:
    return said(whole, f"ingest{number}", "ingest runs") > 0


def said(whole: Installation, name: str, text: str) -> int:
    """How often a process has said something in its log, all its lives together."""
    return (whole.folder / f"{name}.log").read_text().count(text)


def expected_keys() -> int:
    """How many distinct channels and times the good readings name."""
    return len(
        {(topic, reading["ts"], quantity) for topic, reading in readings(SEED) for quantity in reading["values"]}
    )


def settled(whole: Installation, like: Snapshot | None) -> Snapshot:
    """The state once all readings are stored and computed (and as many conflicts and rejections as in another run)."""
    keys = expected_keys()
    aside = (None, FAULTS) if like is None else (len(like.conflicts), len(like.rejections))

    def is_settled() -> bool | str:
        stored, conflicts, rejections, waiting = whole.row(
            "SELECT (SELECT count(*) FROM reading), (SELECT count(*) FROM reading_conflict),"
            " (SELECT count(*) FROM rejection), (SELECT count(*) FROM span_queue)"
        )
        same = rejections == aside[1] and (aside[0] is None or conflicts == aside[0])
        if stored == keys and waiting == 0 and same:
            return True
        return f"{stored}/{keys} readings, {conflicts}/{aside[0]} conflicts, {rejections}/{aside[1]} rejections, {waiting} spans"

    until(is_settled, "all readings stored and computed", deadline_s=180, every_s=0.2)
    # The cycle that emptied the queue has committed: the queue is emptied and the numbers are written in one.
    return Snapshot.of(whole.database_url)


def crash(whole: Installation, server: PrivatePostgres, broker: PrivateBroker, what: str) -> None:
    """Kill one part without warning, and start it again."""
    if what == "database":
        server.kill()
        server.start()
    elif what == "broker":
        broker.kill()
        broker.start()
    elif what == "engine":
        before = said(whole, what, "cycle")
        whole.kill(what)
        whole.start(what, "engine")
        # The next kill is to meet a part at work, not one that has yet to come up; an engine with no work says nothing.
        until(lambda: said(whole, what, "cycle") > before or idle(whole), "the engine at work again")
    else:
        before = said(whole, what, "ingest runs")
        whole.kill(what)
        whole.start(what, "ingest", KAWASAN_MQTT_CLIENT_ID=what.replace("ingest", "ingest-"))
        until(lambda: said(whole, what, "ingest runs") > before, f"{what} at work again")


def idle(whole: Installation) -> bool:
    return whole.row("SELECT count(*) FROM span_queue") == (0,)


def run_with_kills(
    whole: Installation, server: PrivatePostgres, broker: PrivateBroker, messages: list[Outgoing], kills: list[str]
) -> None:
    """Publish while parts are killed at random moments."""
    dice = random.Random(len(kills))
    if broker.kind == "mosquitto":
        # The sessions are half a minute old in life; here they are written to the store at once.
        os.kill(broker.pid, signal.SIGUSR1)
    share = -(-len(messages) // (len(kills) + 1))
    repeat_s = REPEATED_S if broker.kind == "mosquitto" else 0.0
    with Publisher(broker.url, client_id="gateway", repeat_s=repeat_s) as gateway:
        for number in range(len(kills) + 1):
            gateway.publish(messages[number * share : (number + 1) * share])
            if number < len(kills):
                threading.Event().wait(dice.uniform(0, LONGEST_PAUSE_S))
                crash(whole, server, broker, kills[number])
        gateway.settle(DEADLINE_S)


def kills_of(rounds: int) -> list[str]:
    parts = ["ingest0", "engine", "broker", "database", "ingest1"]
    kills = [parts[number % len(parts)] for number in range(rounds)]
    random.Random(SEED).shuffle(kills)
    return kills


@pytest.mark.parametrize("kind", ["mosquitto", "nats"])
def test_crashes_of_every_part_change_no_number(
    kind: str, clean: Snapshot, tmp_path: Path, timescale_server: PrivatePostgres, request: pytest.FixtureRequest
) -> None:
    broker: PrivateBroker = request.getfixturevalue(kind)
    with new_database(timescale_server.url) as url, installation(tmp_path, url, broker) as whole:
        begin(whole, ingests=2)

        run_with_kills(whole, timescale_server, broker, disordered(readings(SEED), 1), kills_of(-(-ROUNDS // 2)))

        crashed = settled(whole, clean)
        check_same(clean, crashed)
        check_ledger(crashed)


def test_order_and_cut_change_no_number_on_the_embedded_database(
    clean: Snapshot, tmp_path: Path, embedded_server: PrivatePostgres, nats: PrivateBroker
) -> None:
    with new_database(embedded_server.url) as url, installation(tmp_path, url, nats) as whole:
        begin(whole, ingests=2)

        run_with_kills(whole, embedded_server, nats, disordered(readings(SEED), 2), ["database"])

        other = settled(whole, clean)
        check_same(clean, other)
        check_ledger(other)


def test_the_clean_run_has_something_of_everything(clean: Snapshot) -> None:
    check_ledger(clean)
    assert clean.conflicts
    assert len(clean.rejections) == FAULTS
    assert clean.amounts
    assert len(clean.kpis) > 100
