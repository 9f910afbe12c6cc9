"""From the PUBLISH of a reading to the e-mail and the call of a webhook, with all processes: raised, escalated, acknowledged, cleared."""

import hashlib
import hmac
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.time import to_datetime
from service.embedded import PrivateBroker
from simulators.publisher import Publisher
from tests.support.alarmed_outlet import alarmed_outlet, messages, rule
from tests.support.forks import Forks, forks
from tests.support.installation import DEADLINE_S, Installation, until
from tests.support.receivers import HttpReceiver, MailServer

SECRET = "what the ticket system knows"
ESCALATED_S = 8
COD, PH = "_park/wwtp_outlet/cod", "_park/wwtp_outlet/ph"


@pytest.fixture
def whole(
    tmp_path: Path, kawasan_url: str, mosquitto: PrivateBroker, mails: MailServer, hook: HttpReceiver
) -> Iterator[Installation]:
    """Ingest, engine, notifier and server at work on a park with two rules; nothing was published yet."""
    made = Installation(tmp_path, kawasan_url, mosquitto)
    settings = {
        "KAWASAN_SMTP_URL": f"smtp://127.0.0.1:{mails.port}",
        "KAWASAN_SMTP_FROM": "kawasan@plant.example",
        "KAWASAN_WEBHOOK_ALLOW": "127.0.0.1",
        "KAWASAN_WEBHOOK_SECRET": SECRET,
    }
    contacts = (
        {"key": "officer", "name": "Officer", "way": "email", "address": "officer@plant.example"},
        {"key": "head", "name": "Head", "way": "email", "address": "head@plant.example"},
        {"key": "tickets", "name": "Tickets", "way": "webhook", "address": hook.url},
    )
    tell = [
        {"contact": "officer"},
        {"contact": "tickets"},
        {"contact": "head", "after_s": ESCALATED_S},
    ]
    rules = (
        rule(
            "cod_high", {"channel": COD}, above="100 mg/L", deadband=5, category="warning", severity="high", tell=tell
        ),
        rule("ph_low", {"channel": PH}, below=6, deadband=0.2, tell=tell),
    )
    made.apply(alarmed_outlet(rules, contacts))
    with forks(tmp_path, made.env | settings) as parts:
        for command in ("ingest", "engine", "notify", "serve"):
            parts.start(command, command)
        until(made.is_ready, "a ready server")
        until(lambda: is_at_work(made, parts), "ingest, engine and notifier at work")
        yield made


def is_at_work(made: Installation, parts: Forks) -> bool:
    judged = made.row("SELECT count(*) FROM alarm_rule WHERE judged_at IS NULL") == (0,)
    return judged and parts.said("ingest", "ingest runs") > 0 and parts.said("notify", "notifier runs") > 0


def publish(whole: Installation, **values: float) -> int:
    """The outlet says something now; when. [us UTC]"""
    now_us = time.time_ns() // 1_000_000 * 1000
    with Publisher(whole.broker.url, client_id="gateway") as gateway:
        gateway.publish(messages([(quantity, now_us, value) for quantity, value in values.items()]))
        gateway.settle(DEADLINE_S)
    return now_us


def alarms(whole: Installation, token: str) -> dict[str, dict[str, Any]]:
    """Alarms as the API shows them, by the key of their rule."""
    return {one["rule"]: one for one in whole.get("alarms", token)["alarms"]}


def steps(whole: Installation, token: str, alarm: dict[str, Any]) -> list[tuple[str, str]]:
    """The journal of an alarm in order of time: what, and by whom."""
    told = whole.get(f"alarms/{alarm['id']}/transitions", token)["transitions"]
    return [(one["step"], one["actor"]) for one in reversed(told)]


def acknowledge(whole: Installation, token: str, alarm: dict[str, Any]) -> dict[str, Any]:
    """Acknowledge an alarm as it was seen; how it stands then."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{whole.port}/api/v1/alarms/{alarm['id']}/acts",
        data=json.dumps({"act": "acknowledge"}).encode(),
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "If-Match": f'"{alarm["version"]}"',
        },
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        shown: dict[str, Any] = json.load(answer)
    return shown


def calls(hook: HttpReceiver) -> list[tuple[str, str]]:
    """What the ticket system was told, if it was us who called: rule and step."""
    told = []
    for call in hook.calls:
        about = dict(part.split("=", 1) for part in call.headers["kawasan-signature"].split(","))
        signed = hmac.new(SECRET.encode(), f"{about['t']}.".encode() + call.body, hashlib.sha256).hexdigest()
        assert about["v1"] == signed
        content = json.loads(call.body)
        assert content["key"] == call.headers["idempotency-key"]
        told.append((content["alarm"].split("@")[0], content["step"]))
    return sorted(told)


def mailed(mails: MailServer, name: str) -> list[str]:
    """Subjects of the mails to somebody, sorted."""
    pairs = zip(mails.receivers, mails.messages, strict=True)
    return sorted(str(one["Subject"]).strip() for receiver, one in pairs if receiver == f"{name}@plant.example")


def test_a_reading_that_exceeds_is_told_escalated_acknowledged_and_cleared(
    whole: Installation, mails: MailServer, hook: HttpReceiver
) -> None:
    token = whole.token("ani", "officer", parks=("p",))
    publish(whole, cod=60.0, ph=7.2)

    begun_us = publish(whole, cod=140.0, ph=5.1)
    until(lambda: len(mails.messages) >= 2, "two e-mails")
    seen = alarms(whole, token)

    assert {key: one["state"] for key, one in seen.items()} == dict.fromkeys(seen, "active_unacked")
    assert seen["cod_high"]["episode"]["peak"] == 140.0
    assert acknowledge(whole, token, seen["cod_high"])["state"] == "active_acked"
    high, low = mailed(mails, "officer")
    assert high.startswith("High warning in Park, Rule cod_high: ")
    assert "140 mg/L" in high
    assert "100 mg/L" in high
    assert low.startswith("Medium warning in Park, Rule ph_low: ")
    assert "5.1" in low
    until(lambda: calls(hook) == [("cod_high", "raise"), ("ph_low", "raise")], "two calls")

    # Both were raised at once: when nobody acknowledged the pH, the time of the COD is over too.
    until(lambda: len(mailed(mails, "head")) > 0, "the escalation of the pH")
    assert [subject.split(", ")[1] for subject in mailed(mails, "head")] == [
        f"Rule ph_low: not acknowledged for {ESCALATED_S} s"
    ]
    escalated = alarms(whole, token)
    assert (escalated["cod_high"]["level"], escalated["ph_low"]["level"]) == (0, 1)
    assert acknowledge(whole, token, escalated["ph_low"])["state"] == "active_acked"

    ended_us = publish(whole, cod=60.0, ph=7.2)
    until(lambda: {one["state"] for one in alarms(whole, token).values()} == {"normal"}, "both normal again")
    until(lambda: ("ph_low", "clear") in calls(hook) and ("cod_high", "clear") in calls(hook), "the calls of the end")
    until(lambda: len(mailed(mails, "officer")) == 4, "the e-mails of the end")

    cod, ph = (alarms(whole, token)[key] for key in ("cod_high", "ph_low"))
    assert steps(whole, token, cod) == [("raise", "engine"), ("acknowledge", "ani"), ("clear", "engine")]
    assert [step for step, _ in steps(whole, token, ph)][:3] == ["raise", "escalate", "acknowledge"]
    assert not [subject for subject in mailed(mails, "head") if "cod_high" in subject]
    (episode,) = whole.get(
        "episodes",
        token,
        start=to_datetime(begun_us).isoformat(),
        stop=to_datetime(ended_us).isoformat(),
        rule="cod_high",
    )["episodes"]
    assert (episode["peak"], episode["bound"], episode["duration_s"]) == (140.0, 100.0, (ended_us - begun_us) / 1e6)
    report = whole.get(f"episodes/{cod['id']}/{episode['start']}/report", token)
    assert [(one["contact"], one["state"]) for one in report["told"]].count(("officer", "sent")) == 2
    assert len(mails.ids) == len(set(mails.ids))
    assert len(hook.keys) == len(set(hook.keys))
