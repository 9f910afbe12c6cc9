"""Samples of readings, windows, amounts and compliance points on a real database, against numbers worked out by hand."""

import numpy as np
import pytest

from domain.alarms import Alignment, Signal, Source, Status, WindowStatistic
from domain.time import Level
from tests.support.databases import apply_to, channel, meter, park_file, tenant
from tests.support.sampling import MINUTE_US, START_US, computed, minutes_of, sampled, watch

PARK = park_file(
    tenant(
        "_park",
        meter(
            "outlet",
            channel("ph", interval_s=120),
            channel("cod", interval_s=120),
            channel("effluent_flow", interval_s=120),
            role="outlet",
        ),
    ),
    base_minutes=15,
    rules=[
        {
            "key": "cod_hour",
            "meter": "_park/outlet",
            "quantity": "cod",
            "statistic": "mean",
            "window": "hour",
            "highest": 100.0,
            "legal_basis": "test",
        }
    ],
)


def outlet(ids: dict[str, int], minutes: int, cod: dict[int, float]) -> list[tuple[int, int, float]]:
    """Readings every two minutes; COD 50 mg/L but where it is said, at 60 m3/h."""
    rows = []
    for minute in range(0, minutes, 2):
        at = START_US + minute * MINUTE_US
        rows += [
            (ids["_park/outlet/cod"], at, cod.get(minute, 50.0)),
            (ids["_park/outlet/ph"], at, 7.0),
            (ids["_park/outlet/effluent_flow"], at, 60.0),
        ]
    return rows


@pytest.fixture
def ids(kawasan_url: str) -> dict[str, int]:
    return apply_to(kawasan_url, PARK)


def test_each_reading_is_a_sample_that_knows_the_time_since_the_one_before(
    kawasan_url: str, ids: dict[str, int]
) -> None:
    rows = [row for row in outlet(ids, 20, {6: 150.0}) if row[1] != START_US + 12 * MINUTE_US]
    computed(kawasan_url, rows, None)
    source = Source(signal=Signal.VALUE, channel_id=ids["_park/outlet/cod"])

    found = sampled(kawasan_url, watch(source, highest=100.0))

    assert minutes_of(found.at_us) == [0, 2, 4, 6, 8, 10, 14, 16, 18]
    assert found.greatest.tolist() == [50, 50, 50, 150, 50, 50, 50, 50, 50]
    assert found.known_s.tolist() == [0, 120, 120, 120, 120, 120, 0, 120, 120]
    # 50 mg/L above the limit at 60 m3/h for two minutes.
    assert found.excess_kg[3] == pytest.approx(50.0 * 60.0 / 30.0 * 1e-3)
    assert found.excess_kg[2] == 0.0
    assert not found.final.any()


def test_clock_windows_of_ten_minutes_are_cut_from_midnight(kawasan_url: str, ids: dict[str, int]) -> None:
    computed(kawasan_url, outlet(ids, 36, {6: 150.0, 8: 150.0}), START_US + 30 * MINUTE_US)
    source = Source(
        signal=Signal.VALUE, channel_id=ids["_park/outlet/cod"], statistic=WindowStatistic.MEAN, window_s=600
    )

    found = sampled(kawasan_url, watch(source, highest=60.0))

    assert minutes_of(found.at_us) == [10, 20, 30]
    assert found.greatest.tolist() == [pytest.approx(90.0), 50.0, 50.0]
    assert found.known_s.tolist() == [600, 600, 600]
    assert found.final.tolist() == [True, True, True]
    assert found.excess_kg[0] == pytest.approx(90.0 * 2 * 60.0 / 30.0 * 1e-3)


def test_rolling_windows_end_at_each_reading(kawasan_url: str, ids: dict[str, int]) -> None:
    computed(kawasan_url, outlet(ids, 16, {6: 150.0}), None)
    source = Source(
        signal=Signal.VALUE,
        channel_id=ids["_park/outlet/cod"],
        statistic=WindowStatistic.MAX,
        window_s=240,
        alignment=Alignment.ROLLING,
    )

    found = sampled(kawasan_url, watch(source, highest=60.0))

    assert minutes_of(found.at_us) == [2, 4, 6, 8, 10, 12, 14]
    assert found.status.tolist() == [Status.MISSING] + [Status.VALID] * 6
    assert found.greatest.tolist() == [50, 50, 50, 150, 150, 50, 50]


def test_amounts_and_compliance_are_of_base_intervals(kawasan_url: str, ids: dict[str, int]) -> None:
    cod = dict.fromkeys(range(60, 120, 2), 150.0)
    computed(kawasan_url, outlet(ids, 180, cod), START_US + 180 * MINUTE_US)
    volume = Source(
        signal=Signal.AMOUNT, channel_id=ids["_park/outlet/effluent_flow"], statistic=WindowStatistic.SUM, window_s=3600
    )
    rule = Source(
        signal=Signal.COMPLIANCE,
        channel_id=ids["_park/outlet/cod"],
        statistic=WindowStatistic.MEAN,
        level=Level.HOUR,
        window_s=3600,
    )

    found = sampled(kawasan_url, watch(volume, highest=50.0), watch(rule))

    assert minutes_of(found.at_us) == [60, 120, 180] * 2
    assert found.greatest.tolist() == [60, 60, 60, 50, 150, 50]
    assert found.highest.tolist() == [50, 50, 50, 100, 100, 100]
    assert found.excess_kg[4] == pytest.approx(3.0)
    assert np.isnan(found.excess_kg[:3]).all()
