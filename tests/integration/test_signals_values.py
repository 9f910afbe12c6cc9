"""Samples of KPIs, findings, rates of change and corrected readings on a real database."""

import numpy as np
import pytest

from domain.alarms import (
    Alignment,
    Signal,
    Source,
    Status,
)
from domain.corrections import Action
from domain.frames import Subject, SubjectKind
from domain.time import DAY_US, Level
from store import Role, connect
from store.corrections import correct
from store.kpis import read_kpis
from tests.support.databases import apply_to
from tests.support.sampling import (
    FAR_US,
    MINUTE_US,
    PARK,
    START_US,
    computed,
    energy,
    gauge,
    hours_of,
    knowing,
    park_subject,
    sampled,
    watch,
)


@pytest.fixture
def ids(timescale_url: str) -> dict[str, int]:
    return apply_to(timescale_url, PARK)


def test_a_running_kpi_ends_as_that_of_the_closed_interval(timescale_url: str, ids: dict[str, int]) -> None:
    computed(timescale_url, energy(ids, 33 * 24), START_US + 33 * DAY_US)
    subject = park_subject(timescale_url)
    sources = [
        Source(signal=Signal.KPI, subject=subject, kpi="electricity_supply", level=level, alignment=alignment)
        for level in (Level.DAY, Level.MONTH)
        for alignment in (Alignment.CLOCK, Alignment.RUNNING)
    ]

    found = sampled(timescale_url, *(watch(source) for source in sources), from_us=START_US + 1)

    day, day_so_far, month, month_so_far = (
        dict(zip(hours_of(found.at_us[mine]), found.greatest[mine].tolist(), strict=True))
        for mine in (found.watch == one for one in range(4))
    )
    assert len(day) == 33
    assert len(day_so_far) == 33 * 24
    assert list(month) == [31 * 24.0]
    assert [day_so_far[24.0 * one] for one in range(1, 34)] == pytest.approx(list(day.values()))
    assert day_so_far[10.0] == pytest.approx(100.0)
    assert month_so_far[31 * 24.0] == pytest.approx(month[31 * 24.0])
    assert month_so_far[24.0 * 5] == pytest.approx(24 * 50.0)
    assert (found.status == Status.VALID).all()
    with connect(timescale_url, Role.WRITE) as conn:
        kinds, whose = np.array([subject.kind.code], dtype=np.int16), np.array([subject.id], dtype=np.int32)
        stored = read_kpis(conn, ["electricity_supply"], (kinds, whose), Level.DAY, start_us=START_US, stop_us=FAR_US)
    assert stored.value[:33].tolist() == list(day.values())


def test_a_kpi_that_is_not_kept_is_made(timescale_url: str, ids: dict[str, int]) -> None:
    computed(timescale_url, energy(ids, 48), START_US + 2 * DAY_US)
    with knowing(timescale_url) as (_, known):
        channels = known.plan.registry.channel_by_id
        main = Subject(kind=SubjectKind.METER, id=channels[ids["alpha/main/energy_import"]].meter_id)
        alpha = Subject(kind=SubjectKind.TENANT, id=known.plan.registry.tenants[0].id)
    sources = [
        Source(signal=Signal.KPI, subject=one, kpi="electricity", level=level)
        for one, level in ((main, Level.DAY), (alpha, Level.HOUR))
    ]

    found = sampled(timescale_url, *(watch(source) for source in sources), from_us=START_US + 1)

    assert found.greatest[found.watch == 0].tolist() == pytest.approx([156.0, 156.0])
    assert found.greatest[found.watch == 1][:3].tolist() == pytest.approx([6.5, 6.5, 6.5])
    assert (found.watch == 1).sum() == 48


def test_a_finding_is_one_while_it_lasts(timescale_url: str, ids: dict[str, int]) -> None:
    ph = ids["_park/outlet/ph"]
    rows = [
        (ph, START_US + minute * MINUTE_US, 13.0 if minute == 26 * 60 else 7.0 + minute % 7 / 10)
        for minute in range(0, 4 * 1440, 2)
    ]
    computed(timescale_url, rows, START_US + 4 * DAY_US)
    source = Source(signal=Signal.FINDING, channel_id=ph, finding="range")

    found = sampled(timescale_url, watch(source, highest=0.0), from_us=START_US)

    assert hours_of(found.start_us[found.greatest > 0]) == [26.0]
    # One sample for the day before it; the day after it is looked at as closely as its own.
    assert hours_of(found.at_us)[:3] == [0.0, 24.0, 24.25]
    assert len(found) == 2 + 96 + 96 + 1
    assert found.known_s.sum() == 5 * 86_400


def test_a_rate_of_change_is_per_hour(timescale_url: str, ids: dict[str, int]) -> None:
    ph = ids["_park/outlet/ph"]
    rows = [(ph, START_US + minute * MINUTE_US, 7.0 + minute / 60) for minute in range(0, 20, 2)]
    computed(timescale_url, rows, None)

    found = sampled(timescale_url, watch(Source(signal=Signal.RATE, channel_id=ph, window_s=600), highest=0.5))

    assert found.status.tolist() == [Status.MISSING] * 5 + [Status.VALID] * 5
    assert found.greatest[5:].tolist() == pytest.approx([1.0] * 5)


def test_samples_are_of_corrected_readings_and_multiplied(timescale_url: str, ids: dict[str, int]) -> None:
    cod = ids["_park/outlet/cod"]
    computed(timescale_url, gauge(cod, range(0, 20, 2), 50.0), None)
    tss = ids["_park/outlet/tss"]
    computed(timescale_url, gauge(tss, range(0, 8, 2), 10.0), None)
    with connect(timescale_url, Role.MIGRATE, autocommit=True) as conn:
        one, first, last = (START_US + minute * MINUTE_US for minute in (4, 8, 10))
        correct(conn, cod, Action.SET, first_us=one, last_us=one, value=70.0, why="typed wrong", by="ana")
        correct(conn, cod, Action.VOID, first_us=first, last_us=last, value=None, why="rinsed", by="ana")
    computed(timescale_url, [], None)

    found = sampled(timescale_url, *(watch(Source(signal=Signal.VALUE, channel_id=one)) for one in (cod, tss)))

    assert found.greatest[found.watch == 0].tolist() == [50, 50, 70, 50, 50, 50, 50, 50, 50, 50]
    assert found.status.tolist() == [0, 0, 0, 0, Status.MISSING, Status.MISSING, *[0] * 8]
    assert found.greatest[found.watch == 1].tolist() == [10, 10, 20, 20]
