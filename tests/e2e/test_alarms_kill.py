"""Engine and notifier killed at any point: no transition is lost, nobody is told twice, and nobody is forgotten."""

import json
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from alerts.channels.email import message_id
from domain.time import HOUR_US, to_datetime
from simulators.publisher import Publisher
from simulators.reports import Outgoing
from tests.support.alarm_parks import episodes
from tests.support.alarmed_outlet import alarmed_outlet, asked, messages, rule, shifted, steps
from tests.support.brokers import private_broker
from tests.support.databases import apply_to
from tests.support.forks import Forks, forks
from tests.support.installation import DEADLINE_S, Installation, until
from tests.support.outlet import Slug
from tests.support.receivers import HttpReceiver, MailServer
from tests.support.services import new_database

SEED = 4
MINUTES = 480
LONGEST_PAUSE_S = 0.4
ANSWER_S = 0.03
"""How long the receivers take to answer: time in which the notifier does not know yet that it was taken."""

ROUNDS = int(os.environ.get("KAWASAN_CRASH_ROUNDS", "10"))
"""Kills in all."""

SENDER = "kawasan@plant.example"
COD, PH, TSS = (f"_park/wwtp_outlet/{quantity}" for quantity in ("cod", "ph", "tss"))
TARGET = f"p/{COD}"

SLUGS = (
    Slug(quantity="cod", value=130.0, from_minute=20, to_minute=24),
    Slug(quantity="cod", value=180.0, from_minute=60, to_minute=100),
    Slug(quantity="tss", value=300.0, from_minute=90, to_minute=110),
    Slug(quantity="ph", value=4.0, from_minute=130, to_minute=134),
    Slug(quantity="ph", value=10.5, from_minute=138, to_minute=140),
    # Above, below and above again: three times raised, one exceedance for the rule that merges.
    *(Slug(quantity="cod", value=150.0, from_minute=minute, to_minute=minute + 2) for minute in (160, 164, 168)),
    Slug(quantity="cod", value=160.0, from_minute=240, to_minute=290),
    *(Slug(quantity="cod", value=140.0, from_minute=minute, to_minute=minute + 2) for minute in range(300, 420, 12)),
    Slug(quantity="tss", value=250.0, from_minute=380, to_minute=400),
    Slug(quantity="cod", value=170.0, from_minute=450, to_minute=480),
)
BOTH = ("officer", "tickets")
RULES = (
    rule("high", {"channel": COD}, *BOTH, above=100, deadband=5, merge_gap_s=0),
    rule("merged", {"channel": COD}, *BOTH, above=100, deadband=5),
    rule("delayed", {"channel": COD}, *BOTH, above=100, deadband=5, on_delay_s=240, off_delay_s=240, merge_gap_s=0),
    rule("range", {"channel": PH}, *BOTH, below=6, above=9, merge_gap_s=0),
    rule(
        "worst",
        {"channel": TSS, "statistic": "max", "window": "10min", "alignment": "rolling"},
        "officer",
        above=150,
        merge_gap_s=0,
    ),
    rule("limit", {"compliance": COD}, *BOTH, category="exceedance", severity="high"),
)


@dataclass(frozen=True, slots=True)
class Receivers:
    """Who is told."""

    mails: MailServer
    hook: HttpReceiver

    @property
    def contacts(self) -> tuple[dict[str, Any], ...]:
        about: dict[str, Any] = {"name": "One", "hourly": 1000}
        return (
            {"key": "officer", "way": "email", "address": "officer@plant.example", **about},
            {"key": "tickets", "way": "webhook", "address": self.hook.url, **about},
        )

    @property
    def settings(self) -> dict[str, str]:
        return {
            "KAWASAN_SMTP_URL": f"smtp://127.0.0.1:{self.mails.port}",
            "KAWASAN_SMTP_FROM": SENDER,
            "KAWASAN_WEBHOOK_ALLOW": "127.0.0.1",
        }


@pytest.fixture
def receivers(mails: MailServer, hook: HttpReceiver) -> Receivers:
    """An SMTP server and an HTTP receiver that take their time."""
    mails.before_answer = lambda: time.sleep(ANSWER_S)
    return Receivers(mails, hook)


@contextmanager
def begun(
    folder: Path, server_url: str, template: str, broker_folder: Path, receivers: Receivers
) -> Iterator[tuple[Installation, Forks]]:
    """Ingest and engine at work on a park with alarms; nothing is published yet."""
    folder.mkdir()
    with new_database(server_url, template) as url, private_broker("mosquitto", broker_folder) as broker:
        # Nothing of the last week is final: what is late is told of otherwise.
        apply_to(url, alarmed_outlet(RULES, receivers.contacts, lateness_minutes=7 * 24 * 60))
        whole = Installation(folder, url, broker)
        with forks(folder, {**whole.env, **receivers.settings}) as parts:
            parts.start("ingest", "ingest")
            parts.start("engine", "engine")
            until(lambda: parts.said("ingest", "ingest runs") > 0, "the subscription")
            waiting = "SELECT count(*) FROM alarm_rule WHERE judged_at IS NULL"
            until(lambda: whole.row(waiting) == (0,) and parts.said("engine", "cycle") > 0, "the first cycle")
            yield whole, parts


def until_computed(whole: Installation, sent: list[Outgoing]) -> None:
    whole.until_computed(4 * len(sent), deadline_s=DEADLINE_S)


def until_told(whole: Installation) -> None:
    """Wait until everything is sent. What a killed notifier had taken is free again in two minutes; the test does not wait for it."""
    with psycopg.connect(whole.database_url) as conn:
        conn.execute("UPDATE notification SET leased_until = now() WHERE state = 'pending'")
    until(lambda: asked(whole.database_url, "SELECT DISTINCT state FROM notification") == [("sent",)], "all are told")


def kill_and_start(parts: Forks, name: str, dice: random.Random) -> None:
    """Kill a part, and start it again; half of the times the next kill waits until it is at work, the others meet it on its way."""
    sign = {"engine": "cycle", "notify": "notifier runs"}[name]
    before = parts.said(name, sign)
    parts.kill(name)
    parts.start(name, name)
    if dice.random() < 0.5:
        ends = time.monotonic() + 5
        while parts.said(name, sign) == before and time.monotonic() < ends:
            time.sleep(0.02)


def run_with_kills(whole: Installation, parts: Forks, sent: list[Outgoing]) -> None:
    """Publish while the engine and the notifier are killed at random moments."""
    dice = random.Random(SEED)
    share = -(-len(sent) // (ROUNDS + 1))
    with Publisher(whole.broker.url, client_id="gateway") as gateway:
        for number in range(ROUNDS + 1):
            gateway.publish(sent[number * share : (number + 1) * share])
            if number < ROUNDS:
                threading.Event().wait(dice.uniform(0, LONGEST_PAUSE_S))
                for name in dice.choice((("engine",), ("notify",), ("engine", "notify"))):
                    kill_and_start(parts, name, dice)
        gateway.settle(DEADLINE_S)


def published(whole: Installation, sent: list[Outgoing]) -> None:
    """Publish in small parts, each computed before the next."""
    with Publisher(whole.broker.url, client_id="gateway") as gateway:
        for first in range(0, len(sent), 8):
            gateway.publish(sent[first : first + 8])
            time.sleep(0.02)
        gateway.settle(DEADLINE_S)


def test_kills_of_engine_and_notifier_lose_no_transition_and_tell_nobody_twice(
    tmp_path: Path, shared_timescale_url: str, timescale_template: str, server_folder: Path, receivers: Receivers
) -> None:
    begin_us = (time.time_ns() // 1000 // HOUR_US - 9) * HOUR_US
    sent = messages(shifted(MINUTES, SLUGS, begin_us))
    where = shared_timescale_url, timescale_template
    with begun(tmp_path / "calm", *where, server_folder.with_suffix(".calm"), receivers) as (whole, _):
        published(whole, sent)
        until_computed(whole, sent)
        calm = Ending.of(whole)

    with begun(tmp_path / "killed", *where, server_folder.with_suffix(".killed"), receivers) as (whole, parts):
        parts.start("notify", "notify")
        run_with_kills(whole, parts, sent)
        until_computed(whole, sent)
        until_told(whole)
        killed = Ending.of(whole)

    raised = [row for row in calm.steps if row[0] == "high" and row[2] == "raise"]
    assert [row[3] for row in raised] == [
        to_datetime(begin_us + slug.from_minute * 60_000_000) for slug in SLUGS if slug.quantity == "cod"
    ]
    assert killed.steps == calm.steps
    assert killed.episodes == calm.episodes
    assert killed.keys == calm.keys
    assert all(announced for *_, announced in killed.steps)
    heard = [key for key in calm.keys if key.endswith("/tickets")]
    mailed = [message_id(key, SENDER) for key in calm.keys if key.endswith("/officer")]
    assert sorted(set(receivers.hook.keys)) == sorted(heard)
    assert sorted(set(receivers.mails.ids)) == sorted(mailed)
    check_once(receivers)


def check_once(receivers: Receivers) -> None:
    """What comes again under its key is the same to the letter, and no step comes under two keys."""
    calls = {call.headers["idempotency-key"]: call.body for call in receivers.hook.calls}
    assert {(call.headers["idempotency-key"], call.body) for call in receivers.hook.calls} == set(calls.items())
    told = [json.loads(body) for body in calls.values()]
    assert len({(one["alarm"], one["step"], one["at"]) for one in told}) == len(calls)
    mails = {(str(one["Message-ID"]), one["Subject"], one.get_content()) for one in receivers.mails.messages}
    assert len(mails) == len(set(receivers.mails.ids))


@dataclass(frozen=True, slots=True)
class Ending:
    """What a run left."""

    steps: list[tuple[Any, ...]]
    episodes: list[tuple[Any, ...]]
    keys: list[str]
    """Of the notifications, sorted."""

    @classmethod
    def of(cls, whole: Installation) -> "Ending":
        url = whole.database_url
        keys = [key for (key,) in asked(url, "SELECT dedup_key FROM notification ORDER BY 1")]
        return cls(steps(url), episodes(url), keys)
