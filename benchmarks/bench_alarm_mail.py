"""
How soon after the PUBLISH of a reading that exceeds a limit its e-mail is at the SMTP server, while many others are published.

One run, one JSON line. A park of 10,000 gauges publishes 1,000 readings a second over MQTT; ingest, engine and notifier are
processes of their own, the database is TimescaleDB. A hundred of the gauges are watched. After a time to warm up each of
these is beyond its limit in every other of its messages, so it is raised and cleared again and again; the contact has no
hourly limit that matters. A time is that of a raise: from just before the PUBLISH to the moment at which a real SMTP server
in this process has the message.

Run it by `make bench` or `python -m benchmarks.bench_alarm_mail [--seconds N] [--readings-per-s N]`.
"""

import argparse
import json
import os
import platform
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psycopg

from alerts.channels.email import message_id
from benchmarks.bench_engine import database
from domain.parkfile import ParkFile
from domain.time import from_datetime
from service.embedded import PrivateBroker
from simulators.publisher import Publisher
from simulators.reports import Outgoing
from store import Role, apply_park, connect, migrate
from tests.support.forks import Forks, forks
from tests.support.installation import Installation, until
from tests.support.leftovers import held_folder
from tests.support.receivers import MailServer, mail_server

METERS, TENANTS, WATCHED = 2000, 20, 100
QUANTITIES = ("cod", "bod", "tss", "ph", "effluent_flow")
LIMIT = 100.0
WARM_UP_S = 10
SENDER = "kawasan@plant.example"
TARGET_P99_S = 10.0
LAST_MAIL_S = 60.0


def park(interval_s: int) -> ParkFile:
    """Meters with five gauges each, read every `interval_s`; the first of each tenant are watched. [s]"""
    channels = [{"quantity": one, "kind": "gauge", "interval_s": interval_s} for one in QUANTITIES]
    each = METERS // TENANTS
    tenants = [
        {
            "key": f"t{tenant}",
            "name": f"T{tenant}",
            "meters": [
                {
                    "key": f"{'w' if meter < WATCHED // TENANTS else 'm'}{meter}",
                    "name": f"M{meter}",
                    "role": "discharge",
                    "channels": channels,
                }
                for meter in range(each)
            ],
        }
        for tenant in range(TENANTS)
    ]
    rule = {
        "key": "high",
        "name": "COD of a manhole is high",
        "category": "exceedance",
        "severity": "high",
        "watch": {"channel": "*/w*/cod"},
        "above": LIMIT,
        "merge_gap_s": 0,
        "tell": [{"contact": "officer"}],
    }
    officer = {"key": "officer", "name": "Officer", "way": "email", "address": "officer@plant.example", "hourly": 1000}
    return ParkFile.model_validate(
        {
            "park": {"key": "p", "name": "P", "timezone": "Asia/Jakarta", "valid_from": "2026-01-01T00:00:00+07:00"},
            "tenants": tenants,
            "alarms": [rule],
            "contacts": [officer],
        }
    )


def outgoing(seconds: int, readings_per_s: int) -> Iterator[Outgoing]:
    """Messages of all meters in turn, each stamped when it is asked for, at an even pace; late ones come at once."""
    every_s = len(QUANTITIES) / readings_per_s
    places = [(tenant, meter) for meter in range(METERS // TENANTS) for tenant in range(TENANTS)]
    # The watched ones are spread over the round.
    places = [places[number * 7 % len(places)] for number in range(len(places))]
    begun = time.monotonic()
    for number in range(round(seconds / every_s)):
        time.sleep(max(0.0, begun + number * every_s - time.monotonic()))
        tenant, meter = places[number % METERS]
        is_watched = meter < WATCHED // TENANTS
        is_beyond = is_watched and number * every_s > WARM_UP_S and number // METERS % 2 == 1
        values = {"cod": LIMIT + 40 if is_beyond else 60.0, "bod": 20.0, "tss": 30.0, "ph": 7.1, "effluent_flow": 5.0}
        key = f"{'w' if is_watched else 'm'}{meter}"
        now_us = time.time_ns() // 1_000_000 * 1000
        content = {"ts": now_us // 1000, "values": values}
        yield Outgoing(
            topic=f"kawasan/v1/p/t{tenant}/{key}", payload=json.dumps(content).encode(), due_us=now_us, read_us=now_us
        )


@dataclass(frozen=True, slots=True)
class Run:
    """What one run found."""

    published: int
    publish_s: float
    mails_s: list[float]
    """From PUBLISH to e-mail, of each raise. [s]"""
    missing: int
    """Raises without an e-mail."""
    cycles: int
    longest_lag_s: float


def begun(whole: Installation, parts: Forks) -> None:
    """Wait until ingest, engine and notifier are at work."""
    for command in ("ingest", "engine", "notify"):
        parts.start(command, command)
    until(lambda: parts.said("ingest", "ingest runs") > 0, "the subscription")
    until(lambda: parts.said("notify", "notifier runs") > 0, "the notifier")
    until(lambda: whole.row("SELECT count(*) FROM alarm_rule WHERE judged_at IS NULL") == (0,), "the first cycle")


def measured(whole: Installation, parts: Forks, mails: MailServer, seconds: int, readings_per_s: int) -> Run:
    """Publish, and time each raise."""
    arrived: list[float] = []
    mails.before_answer = lambda: arrived.append(time.time())
    began = time.monotonic()
    with Publisher(whole.broker.url, client_id="bench-gateway", window=2000) as gateway:
        count = gateway.publish(outgoing(seconds, readings_per_s))
        spent_s = time.monotonic() - began
        gateway.settle(LAST_MAIL_S)
    whole.until_computed(count * len(QUANTITIES), deadline_s=LAST_MAIL_S)
    waiting = "SELECT count(*) FROM notification WHERE state = 'pending'"
    ends = time.monotonic() + LAST_MAIL_S
    while whole.row(waiting) != (0,) and time.monotonic() < ends:
        threading.Event().wait(0.2)
    first = dict(reversed(list(zip(mails.ids, arrived, strict=False))))
    with psycopg.connect(whole.database_url) as conn:
        raised = conn.execute(
            "SELECT n.dedup_key, t.at FROM alarm_transition t LEFT JOIN notification n ON n.transition_id = t.id"
            " WHERE t.step = 'raise'"
        ).fetchall()
    times = [
        first[message_id(key, SENDER)] - from_datetime(at) / 1e6
        for key, at in raised
        if key is not None and message_id(key, SENDER) in first
    ]
    lag = whole.row("SELECT max(value)::float8 FROM health_sample WHERE name = 'ingest_lag'")[0]
    return Run(
        published=count * len(QUANTITIES),
        publish_s=spent_s,
        mails_s=times,
        missing=len(raised) - len(times),
        cycles=parts.said("engine", "cycle"),
        longest_lag_s=0.0 if lag is None else lag,
    )


def main() -> None:
    """Measure, and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--readings-per-s", type=int, default=1000)
    wanted = parser.parse_args()
    load = round(os.getloadavg()[0], 1)
    interval_s = METERS * len(QUANTITIES) // wanted.readings_per_s
    with ExitStack() as stack:
        folder = stack.enter_context(held_folder(Path(tempfile.gettempdir())))
        url = stack.enter_context(database())
        broker = PrivateBroker(folder / "broker")
        stack.callback(broker.erase)
        broker.start()
        mails = stack.enter_context(mail_server())
        migrate(url)
        with connect(url, Role.MIGRATE) as conn:
            apply_park(conn, park(interval_s))
        whole = Installation(folder, url, broker)
        settings = {"KAWASAN_SMTP_URL": f"smtp://127.0.0.1:{mails.port}", "KAWASAN_SMTP_FROM": SENDER}
        env = {name: value for name, value in whole.env.items() if name != "KAWASAN_CYCLE_S"} | settings
        parts = stack.enter_context(forks(folder, env))
        begun(whole, parts)
        run = measured(whole, parts, mails, wanted.seconds, wanted.readings_per_s)
    p50, p90, p99, most = (
        np.quantile(run.mails_s, [0.5, 0.9, 0.99, 1.0]).round(2).tolist() if run.mails_s else [None] * 4
    )
    result: dict[str, Any] = {
        "benchmark": "alarm_mail",
        "cores": os.cpu_count(),
        "load_before": load,
        "load_after": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "channels": METERS * len(QUANTITIES),
        "watched": WATCHED,
        "readings": run.published,
        "readings_per_s": round(run.published / run.publish_s),
        "cycles": run.cycles,
        "mails": len(run.mails_s),
        "missing": run.missing,
        "publish_to_mail_s": {"p50": p50, "p90": p90, "p99": p99, "max": most},
        "target_p99_s": TARGET_P99_S,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
