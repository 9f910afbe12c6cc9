"""Episodes of real and of simulated readings over MQTT, against plain scripts; and the same ones whatever the order."""

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.alarms import OPEN_US, Status
from domain.parkfile import ParkFile
from domain.time import from_datetime, parse_instant
from service.embedded import PrivateBroker
from simulators.publisher import Publisher
from simulators.reports import Outgoing
from tests.support.alarm_parks import episodes, judgements
from tests.support.alarm_reference import Limits, Sample, judge
from tests.support.alarmed_outlet import alarmed_outlet, messages, rule
from tests.support.databases import apply_to
from tests.support.forks import forks
from tests.support.installation import DEADLINE_S, PROJECT, Installation, until
from tests.support.outlet import BEGIN_US, OUTLET, Slug, outlet_readings
from tests.support.parks import treatment_plant
from tests.support.services import new_database

FILE = "wwtp_effluent_1990_daily.csv"
FIRST, LAST = date(1990, 1, 1), date(1990, 12, 30)
MINUTE_US, HOUR_US = 60_000_000, 3_600_000_000


@dataclass(frozen=True, kw_only=True)
class Limit:
    """A limit on a daily mean of the file, and the rule that watches it."""

    key: str
    column: str
    quantity: str
    highest: float
    lowest: float = float("-inf")
    deadband: float = 0.0
    merge_days: int

    @property
    def entry(self) -> dict[str, Any]:
        watch = {"channel": f"_park/outlet/{self.quantity}", "window": "day"}
        statistic = "range" if self.quantity == "ph" else "mean"
        bounds = {"above": self.highest} | ({"below": self.lowest} if self.quantity == "ph" else {})
        return rule(
            self.key,
            {**watch, "statistic": statistic},
            **bounds,
            deadband=self.deadband,
            merge_gap_s=self.merge_days * 86_400,
            valid_to="1990-12-31T00:00:00+01:00",
        )


LIMITS = (
    Limit(key="cod", column="cod_out", quantity="cod", highest=100.0, deadband=5.0, merge_days=2),
    Limit(key="cod_alone", column="cod_out", quantity="cod", highest=100.0, merge_days=0),
    Limit(key="bod", column="bod_out", quantity="bod", highest=25.0, deadband=2.0, merge_days=4),
    Limit(key="ss", column="ss_out", quantity="tss", highest=30.0, merge_days=1),
    Limit(key="ph", column="ph_out", quantity="ph", highest=7.9, lowest=7.4, deadband=0.1, merge_days=3),
)
LEGAL = {"limit_cod": ("cod_out", 100.0), "limit_bod": ("bod_out", 50.0), "limit_tss": ("ss_out", 150.0)}
"""Rules that watch the limits in force of the park file, with nothing of their own."""


def the_plant() -> ParkFile:
    plain = treatment_plant().model_dump(mode="json", exclude_none=True)
    watched = [one.entry for one in LIMITS]
    watched += [
        rule(
            key,
            {"compliance": f"_park/outlet/{key.removeprefix('limit_')}"},
            category="exceedance",
            merge_gap_s=0,
            valid_to="1990-12-31T00:00:00+01:00",
        )
        for key in LEGAL
    ]
    return ParkFile.model_validate({**plain, "alarms": watched})


@pytest.fixture
def whole(tmp_path: Path, timescale_url: str, mosquitto: PrivateBroker) -> Iterator[Installation]:
    """Ingest, engine and server at work, without a park yet."""
    made = Installation(tmp_path, timescale_url, mosquitto)
    with forks(tmp_path, made.env) as parts:
        for command in ("ingest", "engine", "serve"):
            parts.start(command, command)
        until(made.is_ready, "a ready server")
        until(lambda: parts.said("ingest", "ingest runs") > 0, "the subscription")
        yield made


def all_episodes(whole: Installation, token: str, key: str, span: tuple[str, str]) -> list[dict[str, Any]]:
    """Episodes of a rule over the API, page by page, oldest first."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        more: dict[str, str] = {} if after is None else {"after": after}
        page = whole.get("episodes", token, start=span[0], stop=span[1], rule=key, limit=20, **more)
        found += page["episodes"]
        after = page["next"]
        if after is None:
            return found[::-1]


def test_a_year_of_a_real_outlet_has_the_episodes_of_a_plain_script(whole: Installation, real_data: Path) -> None:
    days = year_of(real_data / FILE)
    readings = sum(day.get(name) is not None for day in days.values() for name in (*COLUMNS, "flow_in"))
    apply_to(whole.database_url, the_plant())
    token = whole.token("ani", "officer", parks=("plant",))

    whole.run(
        "replay", str(real_data / FILE), "--mapping", str(PROJECT / "deploy" / "mappings" / "treatment-plant.toml")
    )
    whole.until_computed(readings)

    span = "1990-01-01T00:00:00+01:00", "1991-01-01T00:00:00+01:00"
    for limit in LIMITS:
        found = all_episodes(whole, token, limit.key, span)
        expected = exceedances(days, limit)
        assert len(expected) > 3
        assert [brief(one) for one in found] == [one["times"] for one in expected], limit.key
        for name in ("peak", "mean", "excess_kg"):
            for mine, theirs in zip(found, expected, strict=True):
                assert mine[name] == (theirs[name] and pytest.approx(theirs[name], rel=1e-9)), f"{limit.key} {name}"
        for name in ("beyond_s", "valid", "missing"):
            assert [one[name] for one in found] == [one[name] for one in expected], f"{limit.key} {name}"
    for key, (column, highest) in LEGAL.items():
        plain = Limit(key=key, column=column, quantity="", highest=highest, merge_days=0)
        expected = exceedances(days, plain)
        assert [brief(one) for one in all_episodes(whole, token, key, span)] == [one["times"] for one in expected]
    assert len(all_episodes(whole, token, "cod", span)) == 30


COLUMNS = ("cod_out", "bod_out", "ss_out", "ph_out")


def year_of(file: Path) -> dict[date, dict[str, float]]:
    """What the file has of each day of its year; nothing where the day or a value is absent."""
    with file.open(newline="") as text:
        rows = {row["date"]: row for row in csv.DictReader(text)}
    days = [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]
    return {
        day: {name: float(text) for name, text in rows.get(day.isoformat(), {}).items() if name != "date" and text}
        for day in days
    }


def midnight(day: date) -> int:
    """Start of a local day, an hour east of Greenwich. [us UTC]"""
    return parse_instant(f"{day.isoformat()}T00:00:00+01:00")


def brief(answer: dict[str, Any]) -> tuple[int, int, int | None]:
    """Start, stop and clearing of an episode as the API gives it. [us UTC]"""
    start, stop, cleared = (answer[name] for name in ("start", "stop", "cleared_at"))
    return parse_instant(start), parse_instant(stop), None if cleared is None else parse_instant(cleared)


def exceedances(days: dict[date, dict[str, float]], limit: Limit) -> list[dict[str, Any]]:
    """One day after another: exceedances end on a day back within by the deadband, and close ones are one."""
    runs: list[list[date | None]] = []
    active = False
    for day, values in days.items():
        value = values.get(limit.column)
        if value is None:
            continue
        if value > limit.highest or value < limit.lowest:
            if active:
                runs[-1][1] = day
            elif runs and (day - (runs[-1][1] or day)).days - 1 <= limit.merge_days:
                runs[-1][1:] = [day, None]
            else:
                runs.append([day, day, None])
            active = True
        elif active and limit.lowest + limit.deadband <= value <= limit.highest - limit.deadband:
            runs[-1][2] = day
            active = False
    return [described(days, limit, run) for run in runs]


def described(days: dict[date, dict[str, float]], limit: Limit, run: list[date | None]) -> dict[str, Any]:
    first, last, back = run
    assert first is not None
    assert last is not None
    inside = [(day, values) for day, values in days.items() if first <= day <= last]
    values = [one[limit.column] for _, one in inside if limit.column in one]
    out = [max(value - limit.highest, limit.lowest - value) for value in values]
    loads = [
        max(0.0, one[limit.column] - limit.highest) * one["flow_in"] / 1000
        for _, one in inside
        if limit.column in one and "flow_in" in one and limit.quantity != "ph"
    ]
    after = timedelta(days=1)
    return {
        "times": (midnight(first), midnight(last + after), None if back is None else midnight(back + after)),
        "peak": values[out.index(max(out))],
        "mean": sum(values) / len(values),
        "beyond_s": 86_400.0 * sum(one > 0 for one in out),
        "excess_kg": sum(loads) if loads else None,
        "valid": len(values),
        "missing": len(inside) - len(values),
    }


OUTLET_MINUTES = 1440
SLUGS = (
    Slug(quantity="cod", value=180.0, from_minute=120, to_minute=240),
    Slug(quantity="cod", value=115.0, from_minute=430, to_minute=436),
    Slug(quantity="ph", value=4.0, from_minute=610, to_minute=620),
    *(Slug(quantity="cod", value=150.0, from_minute=at, to_minute=at + 2) for at in (700, 704, 716, 728)),
    Slug(quantity="tss", value=320.0, from_minute=900, to_minute=1010),
    Slug(quantity="cod", value=150.0, from_minute=1400, to_minute=1440),
)
EACH = {
    "at_once": ("cod", Limits(deadband=5.0)),
    "merged": ("cod", Limits(deadband=5.0, merge_gap_s=240)),
    "delayed": ("cod", Limits(deadband=5.0, on_delay_s=600, off_delay_s=600, merge_gap_s=3600)),
}
"""Rules on each reading of COD, of which more than 100 mg/L is beyond."""


def the_outlet() -> ParkFile:
    watch = {"channel": f"{OUTLET}/cod"}
    alarms = [
        rule(
            key,
            watch,
            above=100,
            deadband=limits.deadband,
            on_delay_s=limits.on_delay_s,
            off_delay_s=limits.off_delay_s,
            merge_gap_s=limits.merge_gap_s,
        )
        for key, (_, limits) in EACH.items()
    ]
    alarms += [
        rule("limits", {"compliance": f"{OUTLET}/*"}, category="exceedance"),
        rule("early", {"compliance": f"{OUTLET}/cod", "share": 0.9, "alignment": "running"}, on_delay_s=900),
        rule(
            "worst",
            {"channel": f"{OUTLET}/tss", "statistic": "max", "window": "10min", "alignment": "rolling"},
            above="200 mg/L",
            suppress=[{"alarm": "at_once"}],
        ),
        rule("jumps", {"rate": f"{OUTLET}/ph", "over": "10min"}, above=6, below=-6, deadband=1),
        rule("load", {"amount": f"{OUTLET}/effluent_flow", "window": "hour"}, below=1),
    ]
    return alarmed_outlet(alarms)


def in_order(rows: Sequence[tuple[str, int, float]]) -> list[Outgoing]:
    return messages(rows)


def shuffled(rows: Sequence[tuple[str, int, float]]) -> list[Outgoing]:
    """Each value in a message of its own, a fifth of them twice, in any order."""
    dice = random.Random(3)
    made = [message for row in rows for message in messages([row])]
    made += dice.sample(made, len(made) // 5)
    dice.shuffle(made)
    return made


def ended(folder: Path, url: str, broker: PrivateBroker, sent: Sequence[Outgoing], readings: int) -> list[Any]:
    """What is stored of episodes and judgements after all was published in several parts."""
    folder.mkdir()
    apply_to(url, the_outlet())
    whole = Installation(folder, url, broker)
    # A session of its own: what an earlier run left at the broker is not for this one.
    with forks(folder, whole.env | {"KAWASAN_MQTT_CLIENT_ID": folder.name}) as parts:
        parts.start("ingest", "ingest")
        parts.start("engine", "engine")
        until(lambda: parts.said("ingest", "ingest runs") > 0, "the subscription")
        until(lambda: whole.row("SELECT count(ticked_to) FROM park") == (1,), "the first tick")
        with Publisher(broker.url, client_id="gateway") as gateway:
            for first in range(0, len(sent), 500):
                gateway.publish(sent[first : first + 500])
                gateway.settle(DEADLINE_S)
        whole.until_computed(readings)
    assert whole.row("SELECT count(*) FROM engine_fault") == (0,)
    return [episodes(url), judgements(url)]


@pytest.fixture
def outlet_days(
    tmp_path: Path, shared_timescale_url: str, timescale_template: str, mosquitto: PrivateBroker
) -> tuple[list[Any], list[Any]]:
    """A day of the outlet's episodes and judgements: published in order, and shuffled."""
    rows = outlet_readings(OUTLET_MINUTES, SLUGS)
    found = []
    for name, order in (("in_order", in_order), ("shuffled", shuffled)):
        with new_database(shared_timescale_url, timescale_template) as url:
            found.append(ended(tmp_path / name, url, mosquitto, order(rows), len(rows)))
    return found[0], found[1]


def test_a_simulated_outlet_has_its_slugs_as_episodes_in_whatever_order(
    outlet_days: tuple[list[Any], list[Any]],
) -> None:
    (found, judged), other = outlet_days

    rows = outlet_readings(OUTLET_MINUTES, SLUGS)
    for key, (quantity, limits) in EACH.items():
        mine = [times(row) for row in found if row[0] == key]
        assert mine == [
            (one.start_us, one.stop_us, one.raised_us, None if one.cleared_us == OPEN_US else one.cleared_us)
            for one in judge(limits, samples_of(rows, quantity)).episodes
        ]
    starts = {
        key: [minute(row[2]) for row in found if row[0] == key] for key in ("at_once", "merged", "delayed", "worst")
    }
    assert starts == {
        "at_once": [120, 430, 700, 704, 716, 728, 1400],
        "merged": [120, 430, 700, 716, 728, 1400],
        "delayed": [120, 1400],
        "worst": [892],
    }
    limited = {(row[1].rsplit("/", 1)[1], minute(row[2]), minute(row[3])) for row in found if row[0] == "limits"}
    assert limited == {
        ("cod#hour_mean", 120, 240),
        ("cod#hour_mean", 1380, 1440),
        ("ph#hour_range", 600, 660),
        ("tss#hour_mean", 900, 1020),
    }
    hours = [
        row for row in judged if row[0] == "limits" and row[1].endswith("cod#hour_mean") and row[9] == Status.VALID
    ]
    assert {minute(row[2]): row[4] for row in hours} == pytest.approx(hourly_means(rows, "cod"), rel=1e-9)
    assert other[0] == found
    assert other[1] == judged


def minute(instant: Any) -> int:
    return (from_datetime(instant) - BEGIN_US) // MINUTE_US


def times(row: tuple[Any, ...]) -> tuple[int | None, ...]:
    """Start, stop, raising and clearing of a stored episode. [us UTC]"""
    return tuple(None if one is None else from_datetime(one) for one in row[2:6])


def samples_of(rows: Sequence[tuple[str, int, float]], quantity: str) -> list[Sample]:
    """Each reading as a sample that knows the time since the one before."""
    mine = [(ts_us, value) for name, ts_us, value in rows if name == quantity]
    return [
        Sample(
            start_us=ts_us,
            stop_us=ts_us + 2 * MINUTE_US,
            at_us=ts_us,
            least=value,
            greatest=value,
            lowest=float("-inf"),
            highest=100.0,
            known_s=120.0 if place else 0.0,
        )
        for place, (ts_us, value) in enumerate(mine)
    ]


def hourly_means(rows: Sequence[tuple[str, int, float]], quantity: str) -> dict[int, float]:
    """Of whole hours, by the minute at which they begin."""
    several: dict[int, list[float]] = {}
    for name, ts_us, value in rows:
        if name == quantity:
            several.setdefault((ts_us - BEGIN_US) // HOUR_US * 60, []).append(value)
    return {begin: sum(values) / 30 for begin, values in several.items() if len(values) == 30}
