"""`max_points`: the finest level that fits, and readings of which the ends and extremes are left, through the API."""

from contextlib import closing
from typing import Any

import psycopg
import pytest

from domain.time import DAY_US
from store import ReadingSink
from tests.support.databases import batch_of
from tests.support.served import DAY, DAY_START_US, Api, api_on_both

__all__ = ["api_on_both"]

ALPHA, COD = "p/alpha/main/energy_import", "p/_park/outlet/cod"
YEAR = {"start": "2026-01-01T00:00:00+07:00", "stop": "2027-01-01T00:00:00+07:00"}


async def test_the_answer_names_the_level_that_was_chosen(api_on_both: Api) -> None:
    fine = await api_on_both.api("amounts", channel=ALPHA, max_points=96, **DAY)
    coarse = await api_on_both.api("amounts", channel=ALPHA, max_points=30, **DAY)
    named = await api_on_both.api("amounts", channel=ALPHA, level="hour", **DAY)
    kpi = await api_on_both.api("kpis/electricity", subject="tenant:p/alpha", max_points=400, **YEAR)
    table = await api_on_both.api("amounts", channel=ALPHA, max_points=400, format="csv", **YEAR)

    assert [(one.body[0]["level"], len(one.body[0]["values"])) for one in (fine, coarse)] == [
        ("base", 96),
        ("hour", 24),
    ]
    assert coarse.body == named.body
    assert (kpi.body["level"], len(kpi.body["values"])) == ("day", 365)
    assert table.body.count("\n") == 366


@pytest.mark.parametrize(
    ("path", "query", "words"),
    [
        ("amounts", {"channel": ALPHA, **DAY}, "say the level"),
        ("amounts", {"channel": ALPHA, "level": "base", "max_points": 10, **DAY}, "leave the level out"),
        ("amounts", {"channel": ALPHA, "max_points": 0, **DAY}, "greater than or equal to 1"),
        ("amounts", {"channel": ALPHA, "max_points": 10_001, **DAY}, "less than or equal to 10000"),
        ("readings", {"channel": ALPHA, "max_points": 3, **DAY}, "greater than or equal to 4"),
        ("readings", {"channel": ALPHA, "max_points": 100, "format": "csv", **DAY}, "max_points thins JSON only"),
        ("readings", {"channel": ALPHA, "max_points": 100, "start": DAY["start"], "stop": "2126-01-01T00:00:00Z"}, "fewer channels"),
        ("readings", {"channel": ALPHA, **YEAR}, "longer than 31 days"),
    ],
)  # fmt: skip
async def test_what_is_too_much_or_says_too_little_is_refused(
    api_on_both: Api, path: str, query: dict[str, Any], words: str
) -> None:
    answer = await api_on_both.api(path, **query)

    assert answer.status == 422
    assert words in answer.body["detail"]


async def test_few_readings_stand_for_a_year_of_them(api_on_both: Api) -> None:
    with psycopg.connect(api_on_both.url) as conn:
        (cod,) = conn.execute("SELECT id FROM channel WHERE quantity = 'cod'").fetchone() or (0,)
    minutes = range(30 * 24 * 60)
    begin_us = DAY_START_US + 2 * DAY_US
    with closing(ReadingSink(api_on_both.url)) as sink:
        sink.write(
            batch_of(
                [
                    (cod, begin_us + n * 60_000_000, 777.0 if n == 12_345 else 3.0 if n == 34_567 else 50.0 + n % 7)
                    for n in minutes
                ],
                source="p/_park",
            )
        )

    answer = await api_on_both.api("readings", channel=COD, max_points=200, **YEAR)
    whole = await api_on_both.api("readings", channel=COD, max_points=2000, **DAY)

    (series,) = answer.body
    values = [one["value"] for one in series["readings"]]
    times = [one["ts"] for one in series["readings"]]
    assert (series["thinned"], series["complete"], len(values) <= 200) == (True, True, True)
    assert {777.0, 3.0, 150.0} <= set(values)
    assert times == sorted(times)
    assert (times[0], times[-1]) == ("2026-03-02T00:00:00+07:00", "2026-04-02T23:59:00+07:00")
    assert (whole.body[0]["thinned"], len(whole.body[0]["readings"])) == (False, 1440)
