"""Local days, hours and base intervals in zones with and without clock changes."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from domain.errors import InputError
from domain.time import (
    HOUR_US,
    SECOND_US,
    Level,
    base_edges,
    day_number,
    from_datetime,
    level_edges,
    parse_instant,
    to_datetime,
)

JAKARTA = ZoneInfo("Asia/Jakarta")
ROME = ZoneInfo("Europe/Rome")
KOLKATA = ZoneInfo("Asia/Kolkata")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")


def days_between(zone: ZoneInfo, first: str, last: str, base_s: int = 900) -> list[int]:
    edges = level_edges(zone, base_s, Level.DAY, parse_instant(first), parse_instant(last))
    return [int(length) // HOUR_US for length in np.diff(edges)]


def test_a_day_in_jakarta_runs_from_17_to_17_utc() -> None:
    edges = level_edges(
        JAKARTA, 900, Level.DAY, parse_instant("2026-03-01T00:00:00+07:00"), parse_instant("2026-03-02T00:00:00+07:00")
    )

    assert [to_datetime(int(edge)) for edge in edges] == [
        datetime(2026, 2, 28, 17, tzinfo=UTC),
        datetime(2026, 3, 1, 17, tzinfo=UTC),
    ]


def test_the_spring_day_in_rome_has_23_hours_and_the_autumn_day_25() -> None:
    spring = days_between(ROME, "2026-03-28T00:00:00+01:00", "2026-03-31T00:00:00+02:00")
    autumn = days_between(ROME, "2026-10-24T00:00:00+02:00", "2026-10-27T00:00:00+01:00")

    assert spring == [24, 23, 24]
    assert autumn == [24, 25, 24]


@pytest.mark.parametrize(("day", "intervals"), [("2026-03-29", 92), ("2026-10-25", 100), ("2026-06-01", 96)])
def test_a_local_day_holds_as_many_quarters_as_it_has_hours(day: str, intervals: int) -> None:
    start = datetime.fromisoformat(day).replace(tzinfo=ROME)
    stop = (datetime.fromisoformat(day) + timedelta(days=1)).replace(tzinfo=ROME)

    edges = base_edges(ROME, 900, from_datetime(start.astimezone(UTC)), from_datetime(stop.astimezone(UTC)))

    assert len(edges) - 1 == intervals


def test_base_intervals_in_a_half_hour_zone_begin_at_local_quarters() -> None:
    edges = base_edges(
        KOLKATA, 3600, parse_instant("2026-05-01T10:10:00+05:30"), parse_instant("2026-05-01T11:00:00+05:30")
    )

    assert [to_datetime(int(edge)).astimezone(KOLKATA).strftime("%H:%M") for edge in edges] == ["10:00", "11:00"]


def test_a_day_with_a_half_hour_change_ends_with_a_shorter_hour() -> None:
    start, stop = parse_instant("2026-10-03T13:30:00Z"), parse_instant("2026-10-04T13:00:00Z")

    edges = level_edges(LORD_HOWE, 1800, Level.HOUR, start, stop)

    assert np.diff(edges)[-1] == HOUR_US // 2
    assert edges[-1] - edges[0] == int(23.5 * HOUR_US)


def test_a_range_inside_one_interval_is_covered_by_that_interval() -> None:
    edges = base_edges(
        JAKARTA, 900, parse_instant("2026-03-01T08:16:00+07:00"), parse_instant("2026-03-01T08:17:00+07:00")
    )

    assert [to_datetime(int(edge)).strftime("%H:%M") for edge in edges] == ["01:15", "01:30"]


def test_a_range_that_ends_on_an_edge_takes_no_interval_beyond_it() -> None:
    edges = base_edges(
        JAKARTA, 900, parse_instant("2026-03-01T08:15:00+07:00"), parse_instant("2026-03-01T08:45:00+07:00")
    )

    assert len(edges) == 3


def test_weeks_begin_on_monday() -> None:
    edges = level_edges(
        JAKARTA, 900, Level.WEEK, parse_instant("2026-01-01T00:00:00+07:00"), parse_instant("2026-01-06T00:00:00+07:00")
    )

    assert [day_number(JAKARTA, int(edge)) for edge in edges] == [
        date(2025, 12, 29),
        date(2026, 1, 5),
        date(2026, 1, 12),
    ]


def test_months_have_their_own_lengths() -> None:
    edges = level_edges(
        ROME, 900, Level.MONTH, parse_instant("2024-02-10T00:00:00Z"), parse_instant("2024-04-15T00:00:00Z")
    )

    assert [day_number(ROME, int(edge)) for edge in edges] == [
        date(2024, 2, 1),
        date(2024, 3, 1),
        date(2024, 4, 1),
        date(2024, 5, 1),
    ]
    assert np.diff(edges)[1] == (31 * 24 - 1) * HOUR_US


def test_years_begin_at_local_new_year() -> None:
    edges = level_edges(
        JAKARTA, 900, Level.YEAR, parse_instant("2025-12-31T16:59:59Z"), parse_instant("2025-12-31T17:00:01Z")
    )

    assert [day_number(JAKARTA, int(edge)) for edge in edges] == [date(2025, 1, 1), date(2026, 1, 1), date(2027, 1, 1)]


def test_an_empty_range_is_refused_with_both_its_ends() -> None:
    at = parse_instant("2026-01-01T00:00:00Z")

    for level in (Level.BASE, Level.DAY):
        with pytest.raises(InputError, match="2026-01-01 00:00:00"):
            level_edges(JAKARTA, 900, level, at, at)


def test_a_naive_moment_names_no_instant() -> None:
    with pytest.raises(InputError, match="no UTC offset"):
        from_datetime(datetime(2026, 1, 1))  # noqa: DTZ001


def test_instants_go_to_datetimes_and_back_without_loss() -> None:
    instant = parse_instant("2026-07-01T12:34:56.789012+07:00")

    assert from_datetime(to_datetime(instant)) == instant
    assert from_datetime(to_datetime(instant).astimezone(timezone(timedelta(hours=-3)))) == instant


def test_moments_before_1970_are_negative() -> None:
    assert parse_instant("1969-12-31T23:59:59Z") == -SECOND_US


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-31",
        "20260131T081500Z",
        "2026-01-31 08:15:00",
        "2026-13-01T00:00:00Z",
        "2026-01-31T25:00:00Z",
        "yesterday at eight o'clock",
        "0001-01-01T00:00:00+23:00",
    ],
)
def test_text_that_names_no_instant_is_refused_and_shown(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_instant(text)

    assert text[:10] in str(caught.value)


def test_levels_are_known_by_the_keys_of_the_api() -> None:
    assert [level.key for level in Level] == ["base", "hour", "day", "week", "month", "year"]
