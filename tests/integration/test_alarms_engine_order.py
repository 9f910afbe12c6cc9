"""Whatever the order, the batches and the restarts: equal readings end in equal episodes and judgements."""

import random
from typing import Any

import pytest

from service.engine import Known
from tests.support.alarm_parks import MANY, MINUTES, alarm_park, asked, cycles, episodes, judgements, told, write
from tests.support.databases import apply_to, emptied


def ended(url: str) -> tuple[list[Any], list[Any]]:
    return episodes(url), judgements(url)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_order_and_batching_ends_in_equal_episodes_and_judgements(timescale_url: str, seed: int) -> None:
    park = alarm_park(*MANY)
    ids = apply_to(timescale_url, park)
    rows = told(ids, seed)
    write(timescale_url, rows)
    cycles(timescale_url, now=MINUTES + 10, tick=MINUTES)
    expected = ended(timescale_url)
    assert len(expected[0]) > 10
    assert len(expected[1]) > 100

    emptied(timescale_url)
    again = apply_to(timescale_url, park)
    moved = {ids[key]: again[key] for key in ids}
    made = random.Random(seed)
    mixed = [(moved[channel], at_us, value) for channel, at_us, value in rows]
    kind = seed % 3
    if kind == 1:
        made.shuffle(mixed)
    if kind == 2:
        mixed.sort(key=lambda row: (row[1] // 1_800_000_000 % 3, row[1]))
    if kind == 0:
        mixed.sort(key=lambda row: row[1])
    known, step = Known(), len(mixed) // 9 + 1
    for number, first in enumerate(range(0, len(mixed), step)):
        write(timescale_url, mixed[first : first + step])
        tick = (number + 1) * 30 if number % 2 else None
        # Now and then another engine takes over, which knows nothing.
        known = Known() if number % 4 == 3 else known
        cycles(timescale_url, now=number * 40, tick=tick, known=known)
    cycles(timescale_url, now=MINUTES + 10, tick=MINUTES, known=known)

    found = ended(timescale_url)
    for one, other in zip(found, expected, strict=True):
        assert [row[:-1] for row in one] == [row[:-1] for row in other]
        assert one == other
    untold = "SELECT count(*) FROM alarm_transition t WHERE announced AND NOT EXISTS"
    untold += " (SELECT FROM notification n WHERE n.transition_id = t.id)"
    assert asked(timescale_url, untold) == [(0,)]
