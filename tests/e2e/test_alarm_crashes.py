"""SIGKILL of the engine at any point loses no step of an alarm, and puts no notification into the outbox twice."""

import random
import threading
from pathlib import Path
from typing import Any

from domain.time import to_datetime
from service.embedded import PrivateBroker, PrivatePostgres
from tests.support.alarm_parks import (
    MANY,
    MINUTES,
    Row,
    alarm_park,
    asked,
    at,
    broken_chains,
    cycles,
    episodes,
    judgements,
    told,
    untold,
    write,
)
from tests.support.databases import apply_to, migrated_database
from tests.support.installation import installation, until

SEED = 11
KILLS = 12
LONGEST_PAUSE_S = 0.6

_LAST, _AT = 6, 3
"""Places of `last_at` in an episode's row, and of the end in a judgement's."""
ESCALATED = [{"contact": "officer"}, {"contact": "officer", "after_s": 1}]


def ended(url: str) -> tuple[list[Any], list[Any]]:
    """Episodes and judgements, but what follows from how far the clock has ticked since the last reading."""
    stop = to_datetime(at(MINUTES))
    return (
        [(*row[:_LAST], *row[_LAST + 1 :]) for row in episodes(url)],
        [row for row in judgements(url) if row[_AT] <= stop],
    )


def in_one_go(url: str, rows: list[Row]) -> tuple[list[Any], list[Any]]:
    write(url, rows)
    cycles(url, now=MINUTES + 100, tick=MINUTES + 60)
    return ended(url)


def unknown_episodes(url: str) -> list[tuple[Any, ...]]:
    """Alarms with an episode that is open and that do not stand as active, and the other way round."""
    return asked(
        url,
        "SELECT a.rule_key, a.state FROM alarm a WHERE (a.state IN ('active_unacked', 'active_acked')) <>"
        " EXISTS (SELECT FROM episode e WHERE e.alarm_id = a.id AND e.cleared_at IS NULL)",
    )


def test_kills_of_the_engine_lose_no_step_of_an_alarm(
    tmp_path: Path, timescale_server: PrivatePostgres, nats: PrivateBroker
) -> None:
    park = alarm_park(*({**rule, "tell": ESCALATED} for rule in MANY if rule["key"] != "silent"))
    with migrated_database(timescale_server.url) as url:
        expected = in_one_go(url, told(apply_to(url, park), SEED))

    with migrated_database(timescale_server.url) as url, installation(tmp_path, url, nats) as whole:
        rows = told(apply_to(url, park), SEED)
        dice = random.Random(SEED)
        lot = 40
        lots = [rows[first : first + lot] for first in range(0, len(rows), lot)]
        dice.shuffle(lots)
        whole.start("engine", "engine")
        until(lambda: whole.row("SELECT count(ticked_to) FROM park") == (1,), "the first tick")
        share = -(-len(lots) // KILLS)
        for number in range(KILLS):
            for one in lots[number * share : (number + 1) * share]:
                write(url, one)
            # The engine is at work on them, or has just told of it.
            threading.Event().wait(dice.uniform(0, LONGEST_PAUSE_S))
            whole.kill("engine")
            whole.start("engine", "engine")
            until(lambda: whole.row("SELECT count(*) FROM span_queue") == (0,), "the engine at work again")
        whole.until_computed(len(rows))
        until(lambda: escalated(url), "every alarm escalated that nobody acknowledged", every_s=0.2)

        found = ended(url)
        assert broken_chains(url) == []
        assert untold(url) == []
        assert unknown_episodes(url) == []
        assert found[0] == expected[0]
        assert found[1] == expected[1]
        assert asked(url, "SELECT count(*) FROM engine_fault") == [(0,)]
        assert asked(url, "SELECT count(*) FROM alarm_transition")[0][0] > 2 * KILLS


def escalated(url: str) -> bool:
    """Whether whoever had to be told by now was told."""
    waiting = asked(
        url, "SELECT count(*) FROM alarm WHERE state IN ('active_unacked', 'returned_unacked') AND level = 0"
    )
    return waiting == [(0,)]
