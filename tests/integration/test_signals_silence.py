"""Silence, held against plain Python: whatever was heard when, with and without a change of clocks."""

import random
from itertools import pairwise

import numpy as np
import pytest

from domain.alarms import Signal, Source
from domain.time import DAY_US, Level, base_edges, level_edges, parse_instant
from tests.support.databases import apply_to, channel, meter, park_file, tenant
from tests.support.sampling import MINUTE_US, computed, knowing, sampled, watch

ZONES = {"Asia/Jakarta": "2026-03-27T00:00:00+07:00", "Europe/Rome": "2026-03-28T00:00:00+01:00"}
LIMIT_US = 90 * MINUTE_US
DENSE_US = LIMIT_US + 10 * MINUTE_US + 2 * 15 * MINUTE_US
"""The bound, the on-delay, and two base intervals."""
OUTAGE = (26 * 60, 27 * 60 + 10)
"""In minutes after the beginning."""


def expected(heard: list[int], since: list[int], edges: list[int], midnights: set[int]) -> list[tuple[int, int, int]]:
    """Time, age, and start of each sample after the first edge."""
    found = []
    for before, at in pairwise(edges):
        waited = max(one for one in heard + since if one <= at)
        age = at - waited
        if age > DENSE_US and at not in midnights:
            continue
        earlier = max((one for one in midnights if one < at), default=0)
        start = before if age <= DENSE_US else max(waited + DENSE_US, earlier)
        found.append((at, age, max(start, waited + LIMIT_US) if age > LIMIT_US else start))
    return found


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("seed", range(2))
def test_silence_is_what_plain_python_says(kawasan_url: str, zone: str, seed: int) -> None:
    begin_us = parse_instant(ZONES[zone])
    outage = {
        "valid_from": str(np.datetime64(begin_us + OUTAGE[0] * MINUTE_US, "us")) + "Z",
        "valid_to": str(np.datetime64(begin_us + OUTAGE[1] * MINUTE_US, "us")) + "Z",
        "reason": "pump",
    }
    gauges = (channel("ph", interval_s=60), channel("cod", interval_s=60))
    file = park_file(
        tenant("t", meter("a", *gauges, outages=[outage]), meter("b", channel("ph", interval_s=60))),
        timezone=zone,
        valid_from=ZONES[zone],
        base_minutes=15,
    )
    ids = apply_to(kawasan_url, file)
    chance = random.Random(seed)
    times = {
        key: sorted(
            begin_us + chance.randrange(60 * 24 * 3) * MINUTE_US + chance.choice([0, 0, 17]) for _ in range(count)
        )
        for key, count in (("t/a/ph", 12), ("t/a/cod", 4), ("t/b/ph", 3))
    }
    tick_us = begin_us + 3 * DAY_US + 90 * MINUTE_US
    computed(kawasan_url, [(ids[key], at, 7.0) for key, every in times.items() for at in every], tick_us)
    with knowing(kawasan_url) as (_, known):
        park, channels = known.plan.park, known.plan.registry.channel_by_id
        meter_id = channels[ids["t/a/ph"]].meter_id
        tenant_id = known.plan.registry.tenants[0].id
    sources = {
        ("t/a/ph",): Source(signal=Signal.SILENCE, channel_id=ids["t/a/ph"]),
        ("t/a/ph", "t/a/cod"): Source(signal=Signal.SILENCE, meter_id=meter_id),
        ("t/a/ph", "t/a/cod", "t/b/ph"): Source(signal=Signal.SILENCE, tenant_id=tenant_id),
    }
    watches = [watch(source, highest=5400.0, on_delay_s=600, valid_from_us=begin_us) for source in sources.values()]

    found = sampled(kawasan_url, *watches, from_us=begin_us + 1)

    edges = base_edges(park.zone, park.base_s, begin_us, tick_us).tolist()
    edges = [one for one in edges if one <= tick_us]
    midnights = set(level_edges(park.zone, park.base_s, Level.DAY, begin_us, tick_us).tolist())
    for place, keys in enumerate(sources):
        heard = [at for key in keys for at in times[key]]
        since = [begin_us] + ([begin_us + OUTAGE[1] * MINUTE_US] if len(keys) < 3 else [])
        plain = expected(heard, since, edges, midnights)
        mine = found.watch == place
        assert found.at_us[mine].tolist() == [at for at, *_ in plain]
        assert found.greatest[mine].tolist() == [age / 1e6 for _, age, _ in plain]
        assert found.start_us[mine].tolist() == [start for *_, start in plain]
