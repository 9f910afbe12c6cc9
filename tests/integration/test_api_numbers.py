"""Numbers through the API, over a real database and computed by the real engine."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.served import DAY, Api, api, api_on_both, filled_template

__all__ = ["api", "api_on_both", "filled_template"]


async def test_the_numbers_of_a_day_come_out_of_the_api(api_on_both: Api) -> None:
    answer = await api_on_both.api("kpis/electricity", subject="park:p", level="day", **DAY)

    (value,) = answer.body["values"]
    assert answer.status == 200
    assert value["value"] == pytest.approx(24 * 90.0)
    assert value["measured"] == pytest.approx(24 * 90.0)
    assert (value["unit"], value["reason"], value["estimated_share"]) == ("kWh", None, 0.0)
    assert (value["profile_coverage"], value["total_coverage"]) == (pytest.approx(1.0), pytest.approx(1.0))
    assert (value["start"], value["stop"]) == ("2026-03-02T00:00:00+07:00", "2026-03-03T00:00:00+07:00")
    assert value["computed_at"] is not None


@pytest.mark.parametrize("level", ["base", "hour"])
async def test_the_parts_of_a_day_sum_to_the_day(api: Api, level: str) -> None:
    answer = await api.api("kpis/electricity", subject="park:p", level=level, **DAY)

    assert len(answer.body["values"]) == {"base": 96, "hour": 24}[level]
    assert sum(value["value"] for value in answer.body["values"]) == pytest.approx(24 * 90.0)


@pytest.mark.parametrize(
    ("subject", "level"),
    [("meter:p/alpha/main", "day"), ("meter:p/alpha/main", "week"), ("tenant:p/alpha", "month"), ("park:p", "week")],
)
async def test_kpis_are_answered_for_all_subjects_and_levels(api: Api, subject: str, level: str) -> None:
    span = {"start": "2026-03-01T00:00:00+07:00", "stop": "2026-03-03T00:00:00+07:00"}

    answer = await api.api("kpis/electricity", subject=subject, level=level, **span)

    rate = 90.0 if subject == "park:p" else 60.0
    assert answer.status == 200, answer.body
    assert max(value["measured"] or 0.0 for value in answer.body["values"]) == pytest.approx(24 * rate)


async def test_a_peak_says_when_it_was(api: Api) -> None:
    answer = await api.api("kpis/demand_peak", subject="tenant:p/alpha", level="day", **DAY)

    (value,) = answer.body["values"]
    assert value["value"] == pytest.approx(60.0)
    assert value["peak_at"] == "2026-03-02T00:00:00+07:00"


async def test_days_of_which_nothing_is_known_are_answered_as_null_with_a_reason(api: Api) -> None:
    span = {"start": "2026-02-28T00:00:00+07:00", "stop": "2026-03-03T00:00:00+07:00"}

    answer = await api.api("kpis/electricity", subject="park:p", level="day", **span)

    assert [value["value"] is None for value in answer.body["values"]] == [True, True, False]
    assert answer.body["values"][0]["reason"] == "insufficient_data"
    assert answer.body["values"][0]["total_coverage"] == 0.0


async def test_what_a_subject_does_not_have_is_not_configured(api: Api) -> None:
    answer = await api.api("kpis/water_intake", subject="tenant:p/alpha", level="day", **DAY)

    assert [value["reason"] for value in answer.body["values"]] == ["not_configured"]


async def test_an_hour_beyond_the_limit_is_seen_in_the_compliance(api: Api) -> None:
    answer = await api.api("kpis/compliance_cod_hour", "officer", subject="park:p", level="day", **DAY)

    (value,) = answer.body["values"]
    assert value["value"] == pytest.approx(23 / 24)


async def test_a_load_is_the_product_of_concentration_and_flow(api: Api) -> None:
    answer = await api.api("kpis/load_cod", "officer", subject="park:p", level="day", **DAY)

    (value,) = answer.body["values"]
    assert value["value"] == pytest.approx((23 * 50 + 150) * 10 / 1000)


async def test_readings_are_answered_as_the_device_said_them(api: Api) -> None:
    span = {"start": "2026-03-02T10:00:00+07:00", "stop": "2026-03-02T10:02:00+07:00"}

    answer = await api.api("readings", channel="p/_park/outlet/cod", **span)

    (series,) = answer.body
    assert (series["unit"], series["complete"]) == ("mg/L", True)
    assert [reading["value"] for reading in series["readings"]] == [150.0, 150.0]
    assert series["readings"][0]["ts"] == "2026-03-02T10:00:00+07:00"
    assert (series["readings"][0]["quality"], series["readings"][0]["conflict"]) == ([], False)


@pytest.mark.parametrize(("level", "intervals"), [("base", 96), ("hour", 24), ("day", 1), ("month", 0)])
async def test_amounts_are_answered_by_interval(api: Api, level: str, intervals: int) -> None:
    answer = await api.api("amounts", channel="p/alpha/main/energy_import", level=level, **DAY)

    (series,) = answer.body
    assert len(series["values"]) == intervals
    if intervals:
        assert sum(value["amount"] for value in series["values"]) == pytest.approx(1440.0)
        assert all(value["profile_coverage"] == pytest.approx(1.0) for value in series["values"])


async def test_amounts_of_a_month_are_folded_from_its_days(api: Api) -> None:
    span = {"start": "2026-03-01T00:00:00+07:00", "stop": "2026-03-02T00:00:00+07:00"}

    answer = await api.api("amounts", channel="p/alpha/main/energy_import", level="month", **span)

    (value,) = answer.body[0]["values"]
    assert value["amount"] == pytest.approx(1440.0)
    assert value["total_coverage"] == pytest.approx(24 / 49, rel=1e-3)


async def test_the_ledger_adds_up(api: Api) -> None:
    span = {"start": "2026-01-01T00:00:00+07:00", "stop": "2026-01-02T00:00:00+07:00"}

    assert (await api.api("ingest/ledger", **span)).body == []

    now = datetime.now(UTC)
    span = {"start": (now - timedelta(hours=2)).isoformat(), "stop": (now + timedelta(hours=2)).isoformat()}
    rows = (await api.api("ingest/ledger", **span)).body
    assert sum(row["stored"] for row in rows) == 5 * 1441
    assert sum(row["rejected"] for row in rows) == 1
    for row in rows:
        assert row["received"] == row["stored"] + row["duplicate"] + row["conflict"] + row["rejected"]


async def test_what_was_set_aside_is_listed_with_its_reason(api: Api) -> None:
    answer = await api.api("rejections")

    (row,) = answer.body
    assert (row["reason"], row["place"], row["count"]) == ("unknown_channel", "values.ph", 1)
    assert row["topic"] == "kawasan/v1/p/alpha/main"


async def test_the_catalogue_names_unit_formula_and_levels(api: Api) -> None:
    kpis = {kpi["key"]: kpi for kpi in (await api.api("kpis")).body}

    assert kpis["electricity"]["unit"] == "kWh"
    assert kpis["compliance_cod_hour"]["levels"] == ["hour", "day", "week", "month", "year"]


async def test_nothing_that_is_answered_is_nan(api: Api) -> None:
    for key in [kpi["key"] for kpi in (await api.api("kpis")).body]:
        answer = await api.api(f"kpis/{key}", subject="park:p", level="day", **DAY)
        text = json.dumps(answer.body)
        assert "NaN" not in text
        assert "Infinity" not in text
