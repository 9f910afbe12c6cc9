"""Silence on a real database, and why samples do not count: calibration, outages, schedules, suppression."""

import json

import numpy as np
import pytest

from domain.alarms import (
    Schedule,
    Signal,
    Source,
    Status,
    Suppression,
    WindowStatistic,
)
from domain.quality import Quality
from domain.time import DAY_US, HOUR_US
from service.engine.signals import samples_of
from store import Role, connect
from tests.support.databases import apply_to
from tests.support.sampling import (
    FAR_US,
    MINUTE_US,
    PARK,
    START_US,
    computed,
    gauge,
    hours_of,
    knowing,
    sampled,
    watch,
)

ACID = {
    "key": "acid",
    "name": "Acid",
    "category": "warning",
    "severity": "low",
    "below": 6,
    "valid_from": "2026-01-01T00:00:00+07:00",
}


@pytest.fixture
def ids(timescale_url: str) -> dict[str, int]:
    return apply_to(timescale_url, PARK)


def test_silence_is_the_age_at_each_tick_until_it_is_certain_then_at_midnights(
    timescale_url: str, ids: dict[str, int]
) -> None:
    ph = ids["_park/outlet/ph"]
    computed(timescale_url, gauge(ph, range(0, 20, 2), 7.0), START_US + 3 * DAY_US)
    source = Source(signal=Signal.SILENCE, channel_id=ph)

    found = sampled(timescale_url, watch(source, highest=3600.0), from_us=START_US)

    # The last reading came at 00:18, and an outage ended at 07:00: from there on an hour and two intervals are looked at.
    last = (8.0 + 0.5) * HOUR_US + START_US
    dense = np.arange(START_US, last + 1, 15 * MINUTE_US)
    heard_until = dense <= START_US + 1.75 * HOUR_US
    midnights = START_US + np.arange(1, 4) * DAY_US
    outage = (dense > START_US + 6 * HOUR_US) & (dense <= START_US + 7 * HOUR_US)
    expected = np.concatenate([dense[heard_until | (dense >= START_US + 7 * HOUR_US)], midnights])
    assert hours_of(found.at_us) == hours_of(expected)
    assert found.greatest[found.at_us == START_US + HOUR_US].tolist() == [42 * 60]
    assert found.greatest[found.at_us == midnights[0]].tolist() == [17 * 3600]
    # Beyond from 08:00 on, known to the first tick after that; then the time up to midnight.
    beyond = found.greatest > 3600.0
    assert hours_of(found.start_us[beyond])[-5:] == [8.0, 8.25, 8.5, 24.0, 48.0]
    assert outage.any()


def test_who_never_sent_is_silent_since_it_is_expected(timescale_url: str, ids: dict[str, int]) -> None:
    computed(timescale_url, gauge(ids["_park/outlet/ph"], range(0, 20, 2), 7.0), START_US + HOUR_US)
    source = Source(signal=Signal.SILENCE, channel_id=ids["alpha/main/energy_import"])

    found = sampled(timescale_url, watch(source, highest=7200.0), from_us=START_US - DAY_US)

    assert hours_of(found.at_us) == [-24.0, 0.0]
    assert found.greatest.tolist() == [58 * 86_400, 59 * 86_400]
    assert found.known_s.tolist() == [86_400, 86_400]


def test_a_meter_is_heard_when_any_of_its_channels_is(timescale_url: str, ids: dict[str, int]) -> None:
    rows = gauge(ids["_park/outlet/ph"], range(0, 60, 2), 7.0) + gauge(ids["_park/outlet/cod"], range(0, 120, 2), 50.0)
    computed(timescale_url, rows, START_US + 2 * HOUR_US)
    with knowing(timescale_url) as (_, known):
        meter_id = known.plan.registry.channel_by_id[ids["_park/outlet/ph"]].meter_id

    found = sampled(
        timescale_url, watch(Source(signal=Signal.SILENCE, meter_id=meter_id), highest=900.0), from_us=START_US
    )

    assert found.greatest.max() <= 120.0
    assert len(found) == 9


def test_calibration_and_maintenance_are_told_apart_from_what_is_missing(
    timescale_url: str, ids: dict[str, int]
) -> None:
    cod = ids["_park/outlet/cod"]
    rows = gauge(cod, range(0, 60, 2), 50.0)
    rows += gauge(cod, range(60, 120, 2), 400.0, quality=int(Quality.CALIBRATION))
    rows += gauge(cod, range(120, 180, 2), 400.0, quality=int(Quality.MAINTENANCE))
    computed(timescale_url, rows + gauge(cod, range(240, 300, 2), 50.0), START_US + 5 * HOUR_US)
    hourly = Source(signal=Signal.VALUE, channel_id=cod, statistic=WindowStatistic.MEAN, window_s=3600)
    short = Source(signal=Signal.VALUE, channel_id=cod, statistic=WindowStatistic.MEAN, window_s=600)

    found = sampled(timescale_url, watch(hourly), watch(short), watch(Source(signal=Signal.VALUE, channel_id=cod)))

    by_watch = [found.status[found.watch == one].tolist() for one in range(3)]
    assert by_watch[0] == [Status.VALID, Status.CALIBRATION, Status.MAINTENANCE, Status.MISSING, Status.VALID]
    assert (
        by_watch[1]
        == [Status.VALID] * 6
        + [Status.CALIBRATION] * 6
        + [Status.MAINTENANCE] * 6
        + [Status.MISSING] * 6
        + [Status.VALID] * 6
    )
    assert (
        by_watch[2] == [Status.VALID] * 30 + [Status.CALIBRATION] * 30 + [Status.MAINTENANCE] * 30 + [Status.VALID] * 30
    )


def test_samples_during_an_outage_or_outside_of_the_schedule_do_not_count(
    timescale_url: str, ids: dict[str, int]
) -> None:
    cod = ids["_park/outlet/cod"]
    computed(timescale_url, gauge(cod, range(0, 600, 2), 50.0), START_US + 10 * HOUR_US)
    hourly = Source(signal=Signal.VALUE, channel_id=cod, statistic=WindowStatistic.MEAN, window_s=3600)
    # 2026-03-01 is a Sunday.
    night = Schedule(days=(6,), from_minute=22 * 60, to_minute=4 * 60)

    found = sampled(
        timescale_url, watch(hourly), watch(hourly, schedule=Schedule(from_minute=120)), watch(hourly, schedule=night)
    )

    by_watch = [found.status[found.watch == one].tolist() for one in range(3)]
    out = [Status.VALID] * 6 + [Status.OUT_OF_SERVICE] + [Status.VALID] * 3
    assert by_watch[0] == out
    assert by_watch[1] == [Status.UNSCHEDULED] * 2 + out[2:]
    # The early hours of Sunday belong to Saturday's night.
    assert by_watch[2] == [Status.UNSCHEDULED] * 10


def test_a_gauge_suppresses_while_its_value_says_so(timescale_url: str, ids: dict[str, int]) -> None:
    cod, flow = ids["_park/outlet/cod"], ids["_park/outlet/effluent_flow"]
    rows = gauge(cod, range(0, 60, 2), 50.0) + gauge(flow, range(0, 30, 2), 60.0) + gauge(flow, range(30, 50, 2), 0.0)
    computed(timescale_url, rows, None)
    still = Suppression(channel_id=flow, highest=0.5)

    found = sampled(timescale_url, watch(Source(signal=Signal.VALUE, channel_id=cod), suppressions=(still,)))

    suppressed = found.at_us[found.status == Status.SUPPRESSED]
    assert [(at - START_US) / MINUTE_US for at in suppressed] == list(range(30, 52, 2))


def test_an_alarm_suppresses_while_its_condition_is_raised(timescale_url: str, ids: dict[str, int]) -> None:
    cod, ph = ids["_park/outlet/cod"], ids["_park/outlet/ph"]
    acid = dict.fromkeys(range(20, 40, 2), 4.0)
    rows = gauge(cod, range(0, 60, 2), 50.0)
    rows += [(ph, START_US + minute * MINUTE_US, acid.get(minute, 7.0), 0) for minute in range(0, 60, 2)]
    computed(timescale_url, rows, None)
    cause = watch(
        Source(signal=Signal.VALUE, channel_id=ph), rule="acid", target="p/_park/outlet/ph", lowest=6.0, on_delay_s=240
    )
    effect = watch(
        Source(signal=Signal.VALUE, channel_id=cod), suppressions=(Suppression(alarm="acid@p/_park/outlet/ph"),)
    )
    from_us = START_US + 30 * MINUTE_US

    with knowing(timescale_url) as (conn, known):
        found = samples_of(conn, known, (cause, effect), np.array([FAR_US, from_us]), np.array([FAR_US, FAR_US]))
        whole = samples_of(conn, known, (cause, effect), np.array([FAR_US, 0]), np.array([FAR_US, FAR_US]))
        alone = samples_of(conn, known, (effect,), np.array([0]), np.array([FAR_US]))

    assert set(found.watch.tolist()) == {1}
    minutes = [(at - START_US) / MINUTE_US for at in found.at_us[found.status == Status.SUPPRESSED]]
    assert minutes == list(range(30, 40, 2))
    minutes = [(at - START_US) / MINUTE_US for at in whole.at_us[whole.status == Status.SUPPRESSED]]
    assert minutes == list(range(24, 40, 2))
    assert (alone.status == Status.VALID).all()


def test_an_alarm_without_a_watch_at_hand_suppresses_by_its_stored_episodes(
    timescale_url: str, ids: dict[str, int]
) -> None:
    computed(timescale_url, gauge(ids["_park/outlet/cod"], range(0, 60, 2), 50.0), None)
    moments = [(START_US + minute * MINUTE_US) / 1e6 for minute in (10, 14, 20, 40)]
    with connect(timescale_url, Role.MIGRATE, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO alarm_rule (park_id, key, version, document, origin, valid_from)"
            " SELECT id, 'acid', 1, %s, 'file', 'epoch' FROM park",
            [json.dumps({**ACID, "watch": {"channel": "_park/outlet/ph"}})],
        )
        conn.execute(
            "INSERT INTO alarm (park_id, rule_key, target, category, severity)"
            " SELECT id, 'acid', 'p/_park/outlet/ph', 'warning', 1 FROM park"
        )
        for start, raised, cleared in ((*moments[:2], moments[2]), (moments[3], moments[3], None)):
            conn.execute(
                "INSERT INTO episode (alarm_id, start, rule_id, stop, raised_at, cleared_at, last_at, beyond_s, valid, missing,"
                " excluded, final, revision, computed_at)"
                " SELECT a.id, to_timestamp(%(start)s), r.id, to_timestamp(%(start)s), to_timestamp(%(raised)s),"
                " to_timestamp(%(cleared)s), to_timestamp(%(start)s), 0, 1, 0, 0, false, 0, now() FROM alarm a, alarm_rule r",
                {"start": start, "raised": raised, "cleared": cleared},
            )
    every = Source(signal=Signal.VALUE, channel_id=ids["_park/outlet/cod"])
    others = [
        watch(every, suppressions=(Suppression(alarm=name),)) for name in ("acid", "acid@p/_park/outlet/ph", "acid@p")
    ]

    found = sampled(timescale_url, *others)

    minutes = [
        [(at - START_US) / MINUTE_US for at in found.at_us[(found.watch == one) & (found.status == Status.SUPPRESSED)]]
        for one in range(3)
    ]
    assert minutes == [[14, 16, 18, *range(40, 60, 2)]] * 2 + [[]]
