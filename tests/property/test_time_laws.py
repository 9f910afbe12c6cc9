"""Laws of the edges of intervals, in any zone and at any time."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.time import HOUR_US, Level, base_edges, from_datetime, level_edges, parse_instant, to_datetime

ZONES = st.sampled_from(
    [
        ZoneInfo(key)
        for key in (
            "Asia/Jakarta",
            "Europe/Rome",
            "Asia/Kolkata",
            "America/New_York",
            "America/Sao_Paulo",
            "Asia/Kathmandu",
        )
    ]
)
INSTANTS = st.integers(from_datetime(datetime(1985, 1, 1, tzinfo=UTC)), from_datetime(datetime(2040, 1, 1, tzinfo=UTC)))
SPANS = st.integers(1, 40 * 24 * HOUR_US)
BASES = st.sampled_from([300, 900, 1800, 3600])
LEVELS = st.sampled_from(list(Level))


@given(ZONES, BASES, LEVELS, INSTANTS, SPANS)
def test_edges_rise_and_cover_the_range_without_an_interval_too_many(
    zone: ZoneInfo, base_s: int, level: Level, start: int, span: int
) -> None:
    edges = level_edges(zone, base_s, level, start, start + span)

    assert (np.diff(edges) > 0).all()
    assert edges[0] <= start < edges[1]
    assert edges[-2] < start + span <= edges[-1]


@given(ZONES, BASES, LEVELS, INSTANTS, SPANS)
def test_edges_do_not_depend_on_where_the_range_is_cut(
    zone: ZoneInfo, base_s: int, level: Level, start: int, span: int
) -> None:
    whole = level_edges(zone, base_s, level, start, start + 2 * span)
    first = level_edges(zone, base_s, level, start, start + span)
    second = level_edges(zone, base_s, level, start + span, start + 2 * span)

    assert set(first.tolist()) | set(second.tolist()) == set(whole.tolist())


@given(ZONES, BASES, st.sampled_from([Level.DAY, Level.WEEK, Level.MONTH, Level.YEAR]), INSTANTS)
def test_every_edge_of_a_day_or_longer_is_an_edge_of_base_intervals_and_of_hours(
    zone: ZoneInfo, base_s: int, level: Level, start: int
) -> None:
    edges = level_edges(zone, base_s, level, start, start + 1)

    around = base_edges(zone, base_s, int(edges[1]) - HOUR_US, int(edges[1]) + HOUR_US)

    assert int(edges[1]) in around.tolist()


@given(ZONES, INSTANTS)
def test_a_day_begins_at_local_midnight_or_at_the_first_time_there_is(zone: ZoneInfo, start: int) -> None:
    edges = level_edges(zone, 900, Level.DAY, start, start + 1)

    local = to_datetime(int(edges[0])).astimezone(zone)
    before = to_datetime(int(edges[0]) - 1).astimezone(zone)
    assert local.date() > before.date()


@given(INSTANTS, st.sampled_from(["Asia/Jakarta", "Asia/Kolkata", "America/New_York"]))
def test_a_written_instant_reads_back_the_same(instant: int, zone: str) -> None:
    assert parse_instant(to_datetime(instant).astimezone(ZoneInfo(zone)).isoformat()) == instant
