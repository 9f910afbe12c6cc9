"""A treatment plant's outlet every two minutes, with exceedances on demand: samples, and the episodes they make."""

from contextlib import closing
from typing import Any

import numpy as np
import pytest

from alerts.conditions import WatchTable
from alerts.evaluate import Evaluation, evaluate
from domain.alarms import (
    OPEN_US,
    Alignment,
    SampleFrame,
    Signal,
    Source,
    Status,
    Watch,
    WindowStatistic,
)
from domain.time import HOUR_US, Level
from kpi.catalogue import for_registry
from service.engine import run_cycle
from service.engine.signals import samples_of
from store import ReadingSink, Role, connect, load_registry
from store.kpis import read_kpis
from store.spans import append_tick
from tests.support.databases import apply_to, batch_of
from tests.support.outlet import BEGIN_US, OUTLET, OUTLET_PARK, Slug, outlet_readings
from tests.support.sampling import knowing, watch

MINUTE_US = 60_000_000
FAR_US = BEGIN_US + 400 * 24 * HOUR_US
SLUGS = (
    Slug(quantity="cod", value=180.0, from_minute=120, to_minute=240),
    Slug(quantity="cod", value=115.0, from_minute=430, to_minute=436),
    Slug(quantity="ph", value=4.0, from_minute=610, to_minute=620),
)


def evaluated(url: str, *watches: Watch, from_us: int = BEGIN_US) -> tuple[SampleFrame, Evaluation]:
    with knowing(url) as (conn, known):
        count = len(watches)
        samples = samples_of(conn, known, watches, np.full(count, from_us), np.full(count, FAR_US))
    return samples, evaluate(WatchTable.of(watches), samples)


def minutes(instants_us: Any) -> list[float]:
    return [float(one) for one in (np.asarray(instants_us) - BEGIN_US) / MINUTE_US]


@pytest.fixture
def ids(timescale_url: str) -> dict[str, int]:
    """A day of the outlet; the ids of its channels by quantity."""
    by_key = apply_to(timescale_url, OUTLET_PARK)
    found = {key.rsplit("/", 1)[1]: number for key, number in by_key.items() if key.startswith(OUTLET)}
    with closing(ReadingSink(timescale_url)) as sink:
        sink.write(
            batch_of([(found[quantity], ts_us, value) for quantity, ts_us, value in outlet_readings(1440, SLUGS)])
        )
    with connect(timescale_url, Role.WRITE, autocommit=True) as conn:
        park = load_registry(conn, "p").park
        append_tick(conn, park.id, BEGIN_US + 24 * HOUR_US)
        while run_cycle(conn, park, cycle_rows=200_000, now_us=FAR_US).spans:
            continue
    return found


def test_single_readings_raise_where_the_slugs_are(timescale_url: str, ids: dict[str, int]) -> None:
    every = Source(signal=Signal.VALUE, channel_id=ids["cod"])
    acid = Source(signal=Signal.VALUE, channel_id=ids["ph"])

    _, made = evaluated(
        timescale_url,
        watch(every, highest=100.0, merge_gap_s=240),
        watch(every, highest=100.0, on_delay_s=600),
        watch(acid, lowest=6.0, highest=9.0),
    )

    episodes = made.episodes
    starts = [minutes(episodes.start_us[episodes.watch == one]) for one in range(3)]
    stops = [minutes(episodes.stop_us[episodes.watch == one]) for one in range(3)]
    assert starts == [[120.0, 430.0], [120.0], [610.0]]
    assert stops == [[240.0, 436.0], [240.0], [620.0]]
    assert minutes(episodes.raised_us) == [120.0, 430.0, 130.0, 610.0]
    assert episodes.peak[0] == pytest.approx(180.0, rel=0.1)
    assert episodes.final.all()


def test_the_excess_load_of_an_episode_is_that_of_its_readings(timescale_url: str, ids: dict[str, int]) -> None:
    _, made = evaluated(timescale_url, watch(Source(signal=Signal.VALUE, channel_id=ids["cod"]), highest=100.0))

    told = {(quantity, ts_us): value for quantity, ts_us, value in outlet_readings(1440, SLUGS)}
    grams = sum(
        (told["cod", ts_us] - 100.0) * told["effluent_flow", ts_us] / 30.0
        for ts_us in range(BEGIN_US + 120 * MINUTE_US, BEGIN_US + 240 * MINUTE_US, 2 * MINUTE_US)
    )
    assert made.episodes.excess_kg[0] == pytest.approx(grams * 1e-3)


def test_compliance_windows_are_exceeded_where_the_kpi_counts_them(timescale_url: str, ids: dict[str, int]) -> None:
    watches = tuple(
        watch(
            Source(
                signal=Signal.COMPLIANCE,
                channel_id=ids[quantity],
                statistic=WindowStatistic.RANGE if quantity == "ph" else WindowStatistic.MEAN,
                level=Level.HOUR,
                window_s=3600,
            ),
        )
        for quantity in ("cod", "tss", "ph")
    )

    samples, made = evaluated(timescale_url, *watches, from_us=BEGIN_US + 1)

    exceeded = [minutes(samples.start_us[(samples.watch == one) & (made.verdict == 2)]) for one in range(3)]
    assert exceeded == [[120.0, 180.0], [], [600.0]]
    assert minutes(made.episodes.start_us) == [120.0, 600.0]
    assert minutes(made.episodes.cleared_us) == [300.0, 720.0]
    with knowing(timescale_url) as (conn, known):
        kinds, whose = np.array([0], dtype=np.int16), np.array([known.plan.park.id], dtype=np.int32)
        keys = [kpi.key for kpi in for_registry(known.plan.registry) if kpi.key.startswith("compliance_")]
        stored = read_kpis(conn, keys, (kinds, whose), Level.DAY, start_us=BEGIN_US, stop_us=BEGIN_US + 1)
    counted = dict(zip(stored.kpi.tolist(), stored.terms[:, :3].tolist(), strict=True))
    for place, key in enumerate(("compliance_cod_hour", "compliance_tss_hour", "compliance_ph_hour")):
        mine = samples.watch == place
        valid = mine & (samples.status == Status.VALID)
        beyond = (mine & (made.verdict == 2)).sum()
        assert counted[key] == [valid.sum() - beyond, beyond, (mine & (samples.status != Status.VALID)).sum()]


def test_the_mean_of_the_hour_so_far_warns_before_it_is_over(timescale_url: str, ids: dict[str, int]) -> None:
    source = Source(
        signal=Signal.COMPLIANCE,
        channel_id=ids["cod"],
        statistic=WindowStatistic.MEAN,
        level=Level.HOUR,
        window_s=3600,
        alignment=Alignment.RUNNING,
        share=0.9,
    )

    samples, made = evaluated(timescale_url, watch(source), from_us=BEGIN_US + 1)

    assert set(samples.highest.tolist()) == {90.0}
    assert minutes(made.episodes.raised_us) == [135.0]
    assert np.diff(samples.at_us).tolist() == [15 * MINUTE_US] * (len(samples) - 1)


def test_an_exceedance_that_is_still_going_on_is_open(timescale_url: str, ids: dict[str, int]) -> None:
    with closing(ReadingSink(timescale_url)) as sink:
        more = [(ids["cod"], BEGIN_US + minute * MINUTE_US, 200.0) for minute in range(1440, 1460, 2)]
        sink.write(batch_of(more))
    with connect(timescale_url, Role.WRITE, autocommit=True) as conn:
        run_cycle(conn, load_registry(conn, "p").park, cycle_rows=200_000, now_us=FAR_US)

    samples, made = evaluated(timescale_url, watch(Source(signal=Signal.VALUE, channel_id=ids["cod"]), highest=100.0))

    assert (made.episodes.cleared_us[-1], made.episodes.final[-1]) == (OPEN_US, False)
    assert samples.final.sum() == 721


def test_measurements_of_this_system_are_samples(timescale_url: str, ids: dict[str, int]) -> None:
    with connect(timescale_url, Role.MIGRATE, autocommit=True) as conn:
        park_id = load_registry(conn, "p").park.id
        for minute, value in ((0, 1.0), (1, 70.0), (2, 80.0), (30, 90.0)):
            conn.execute(
                "INSERT INTO health_sample (park_id, name, at, value) VALUES (%s, 'ingest_lag', to_timestamp(%s), %s)",
                [park_id if minute else None, (BEGIN_US + minute * MINUTE_US) / 1e6, value],
            )

    samples, made = evaluated(
        timescale_url, watch(Source(signal=Signal.HEALTH, health="ingest_lag"), highest=60.0, on_delay_s=60)
    )

    assert ids
    assert samples.greatest.tolist() == [1.0, 70.0, 80.0, 90.0]
    assert samples.known_s.tolist() == [0.0, 60.0, 60.0, 0.0]
    assert minutes(made.episodes.raised_us) == [2.0]
