"""Frames of amounts and KPIs into the database and out again."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import psycopg
import pytest
from psycopg import Connection

from domain.errors import InputError
from domain.frames import AmountFrame, KpiFrame, NullReason, SubjectKind
from domain.quality import Flag
from domain.time import DAY_US, HOUR_US, Level
from store.amounts import read_amounts, stored_days, write_amounts
from store.kpis import read_kpis, write_kpis
from tests.support.databases import NOON_US

QUARTER_US = 900_000_000
COMPUTED_US = NOON_US + 7 * DAY_US


def amounts(*rows: tuple[int, int], level: Level = Level.BASE, **columns: Any) -> AmountFrame:
    """A frame of rows (channel_id, start_us); columns that are not named hold what no data is."""
    size = len(rows)
    own: dict[str, Any] = {
        "channel_id": np.array([row[0] for row in rows], dtype=np.int32),
        "start_us": np.array([row[1] for row in rows], dtype=np.int64),
    }
    for name in ("amount", "mean", "low", "high", "last", "peak"):
        own[name] = np.full(size, columns.get(name, np.nan))
    for name in ("measured_s", "estimated", "inner_gap_s", "gap_s"):
        own[name] = np.full(size, columns.get(name, 0.0))
    for name in ("peak_at_us", "gap_stop_us"):
        own[name] = np.full(size, columns.get(name, 0), dtype=np.int64)
    for name in ("slots", "received", "unusable", "flags"):
        own[name] = np.full(size, columns.get(name, 0), dtype=np.int32)
    return AmountFrame(level=level, **own)


def ranges(*rows: tuple[int, int, int]) -> tuple[Any, Any, Any]:
    table = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return table[:, 0].astype(np.int32), table[:, 1], table[:, 2]


def write(conn: Connection[Any], frame: AmountFrame, *where: tuple[int, int, int], ticked: int | None = None) -> int:
    """Write a frame, by default into exactly the hours around its rows."""
    own = [(int(c), int(s), int(s) + 1) for c, s in zip(frame.channel_id, frame.start_us, strict=True)]
    return write_amounts(conn, frame, ranges(*(where or own)), computed_at_us=COMPUTED_US, ticked_to_us=ticked)


def meta(conn: Connection[Any]) -> list[tuple[Any, ...]]:
    return conn.execute("SELECT revision, flags, amount FROM amount ORDER BY channel_id, start").fetchall()


def assert_same(one: AmountFrame | KpiFrame, other: AmountFrame | KpiFrame) -> None:
    for column in fields(one):
        left, right = getattr(one, column.name), getattr(other, column.name)
        if isinstance(left, np.ndarray) and left.dtype.kind == "f":
            assert left.tobytes() == right.tobytes(), column.name
        else:
            assert np.array_equal(left, right), column.name


def test_a_frame_comes_back_bit_for_bit(conn: Connection[Any], channels: list[int]) -> None:
    frame = amounts(
        *((channel_id, NOON_US + n * QUARTER_US) for channel_id in channels for n in range(3)),
        amount=0.1 + 0.2,
        mean=np.pi,
        low=-1e-300,
        high=1e300,
        last=5.0,
        peak=7.0,
        peak_at_us=NOON_US,
        measured_s=899.999,
        estimated=1 / 3,
        inner_gap_s=1.0,
        gap_s=2.0,
        gap_stop_us=NOON_US + 5,
        slots=15,
        flags=int(Flag.JITTER | Flag.ROLLOVER),
    )

    written = write(conn, frame)

    assert written == 6
    assert_same(read_amounts(conn, Level.BASE, frame.channel_id, NOON_US, NOON_US + DAY_US), frame)


def test_no_data_is_null_in_the_table_and_nan_outside(conn: Connection[Any], channels: list[int]) -> None:
    frame = amounts((channels[0], NOON_US))

    write(conn, frame)

    row = conn.execute("SELECT amount, mean, low, high, last, peak, peak_at, gap_stop FROM amount").fetchone()
    assert row == (None,) * 8
    assert_same(read_amounts(conn, Level.BASE, frame.channel_id, NOON_US, NOON_US + 1), frame)


def test_only_the_asked_channels_level_and_time_are_read(conn: Connection[Any], channels: list[int]) -> None:
    one, other = channels
    write(conn, amounts((one, NOON_US), (one, NOON_US + QUARTER_US), (other, NOON_US), amount=1.0))
    write(conn, amounts((one, NOON_US), level=Level.HOUR, amount=2.0))

    frame = read_amounts(conn, Level.BASE, np.array([one], dtype=np.int32), NOON_US, NOON_US + QUARTER_US)

    assert (frame.channel_id.tolist(), frame.start_us.tolist(), frame.amount.tolist()) == ([one], [NOON_US], [1.0])


def test_rows_that_stay_the_same_are_not_touched(conn: Connection[Any], channels: list[int]) -> None:
    frame = amounts((channels[0], NOON_US), (channels[0], NOON_US + QUARTER_US), amount=1.0, peak_at_us=NOON_US)
    write(conn, frame)
    before = conn.execute("SELECT ctid, xmin, xmax FROM amount ORDER BY start").fetchall()
    conn.commit()

    written = write(conn, frame, ticked=NOON_US + DAY_US)

    assert written == 0
    assert conn.execute("SELECT ctid, xmin, xmax FROM amount ORDER BY start").fetchall() == before


def test_a_provisional_row_changes_without_a_revision(conn: Connection[Any], channels: list[int]) -> None:
    write(conn, amounts((channels[0], NOON_US), amount=1.0))

    written = write(conn, amounts((channels[0], NOON_US), amount=2.0), ticked=NOON_US + QUARTER_US - 1)

    assert written == 1
    assert meta(conn) == [(0, 0, 2.0)]


def test_a_final_row_that_changes_gets_a_revision_and_is_late(conn: Connection[Any], channels: list[int]) -> None:
    write(conn, amounts((channels[0], NOON_US), amount=1.0, flags=int(Flag.JITTER)), ticked=NOON_US + DAY_US)
    first = meta(conn)

    write(conn, amounts((channels[0], NOON_US), amount=2.0), ticked=NOON_US + QUARTER_US)

    assert first == [(0, int(Flag.JITTER), 1.0)]
    assert meta(conn) == [(1, int(Flag.LATE), 2.0)]


def test_late_stays_and_is_no_change(conn: Connection[Any], channels: list[int]) -> None:
    for value in (1.0, 2.0):
        write(conn, amounts((channels[0], NOON_US), amount=value), ticked=NOON_US + DAY_US)

    written = write(conn, amounts((channels[0], NOON_US), amount=2.0), ticked=NOON_US + DAY_US)

    assert written == 0
    assert meta(conn) == [(1, int(Flag.LATE), 2.0)]


def test_a_day_is_final_at_its_local_end(conn: Connection[Any], channels: list[int]) -> None:
    midnight_us = NOON_US + 5 * HOUR_US  # in Jakarta
    write(conn, amounts((channels[0], midnight_us), level=Level.DAY, amount=1.0))

    write(conn, amounts((channels[0], midnight_us), level=Level.DAY, amount=2.0), ticked=midnight_us + DAY_US - 1)
    before_the_end = meta(conn)
    write(conn, amounts((channels[0], midnight_us), level=Level.DAY, amount=3.0), ticked=midnight_us + DAY_US)

    assert before_the_end == [(0, 0, 2.0)]
    assert meta(conn) == [(1, int(Flag.LATE), 3.0)]


def test_rows_of_a_range_that_are_no_more_are_deleted(conn: Connection[Any], channels: list[int]) -> None:
    one, other = channels
    starts = [NOON_US + n * QUARTER_US for n in range(4)]
    write(conn, amounts(*((which, start) for which in channels for start in starts), amount=1.0))

    written = write(conn, amounts((one, starts[2]), amount=1.0), (one, starts[1], starts[3]))

    left = conn.execute("SELECT channel_id, count(*) FROM amount GROUP BY 1 ORDER BY 1").fetchall()
    assert written == 1
    assert left == [(one, 3), (other, 4)]


def test_an_empty_frame_empties_its_ranges(conn: Connection[Any], channels: list[int]) -> None:
    write(conn, amounts((channels[0], NOON_US), amount=1.0))

    written = write(conn, amounts(), (channels[0], NOON_US, NOON_US + 1))

    assert written == 1
    assert len(read_amounts(conn, Level.BASE, np.array(channels, dtype=np.int32), 0, NOON_US * 2)) == 0


def test_zero_is_written_without_its_sign(conn: Connection[Any], channels: list[int]) -> None:
    write(conn, amounts((channels[0], NOON_US), amount=-0.0))
    write(conn, amounts((channels[0], NOON_US), amount=0.0))

    frame = read_amounts(conn, Level.BASE, np.array(channels, dtype=np.int32), NOON_US, NOON_US + 1)
    assert not np.signbit(frame.amount[0])


def test_amounts_of_a_channel_that_is_not_known_are_refused(conn: Connection[Any]) -> None:
    with pytest.raises(InputError, match="channel 999 is not in the registry"):
        write(conn, amounts((999, NOON_US), amount=1.0))


def test_the_days_that_have_amounts_are_listed(conn: Connection[Any], channels: list[int]) -> None:
    days = [NOON_US + 5 * HOUR_US + n * DAY_US for n in (0, 1, 4)]
    write(conn, amounts(*((which, day) for which in channels for day in days), level=Level.DAY, amount=1.0))
    write(conn, amounts((channels[0], NOON_US), amount=1.0))

    assert stored_days(conn, 1).tolist() == days
    assert stored_days(conn, 2).tolist() == []


def kpis(*rows: tuple[str, SubjectKind, int, int], level: Level = Level.DAY, value: float = 1.0) -> KpiFrame:
    """A frame of rows (key, subject kind, subject id, start_us)."""
    size = len(rows)
    plain = {name: np.full(size, np.nan) for name in ("error", "estimated_share")}
    return KpiFrame(
        level=level,
        kpi=np.array([row[0] for row in rows], dtype=np.str_),
        subject_kind=np.array([row[1].code for row in rows], dtype=np.int16),
        subject_id=np.array([row[2] for row in rows], dtype=np.int32),
        start_us=np.array([row[3] for row in rows], dtype=np.int64),
        terms=np.tile([value, 2.0, np.nan, np.nan, np.nan, 0.1, np.nan, np.nan], (size, 1)),
        measured=np.full(size, value),
        value=np.full(size, np.nan),
        estimate=np.full(size, value + 1),
        profile_coverage=np.full(size, 0.5),
        total_coverage=np.full(size, 0.75),
        peak_at_us=np.full(size, NOON_US, dtype=np.int64),
        reason=np.full(size, NullReason.INSUFFICIENT_DATA, dtype=np.int16),
        flags=np.full(size, int(Flag.ESTIMATED), dtype=np.int32),
        **plain,
    )


def write_frame(
    conn: Connection[Any],
    frame: KpiFrame,
    *where: tuple[int, int, int, int],
    ticked: int | None = None,
    versions: dict[str, int] | None = None,
) -> int:
    own = [
        (int(kind), int(number), int(start), int(start) + 1)
        for kind, number, start in zip(frame.subject_kind, frame.subject_id, frame.start_us, strict=True)
    ]
    table = np.array(where or own, dtype=np.int64).reshape(-1, 4)
    return write_kpis(
        conn,
        1,
        frame,
        (table[:, 0].astype(np.int16), table[:, 1].astype(np.int32), table[:, 2], table[:, 3]),
        formula_versions=versions or {},
        registry_version=3,
        computed_at_us=COMPUTED_US,
        ticked_to_us=ticked,
    )


def read_frame(conn: Connection[Any], *keys: str, level: Level = Level.DAY) -> KpiFrame:
    subjects = (np.array([0, 1, 2], dtype=np.int16), np.array([1, 5, 5], dtype=np.int32))
    return read_kpis(conn, keys, subjects, level, start_us=NOON_US, stop_us=NOON_US + 9 * DAY_US)


ROWS = [
    ("electricity", SubjectKind.PARK, 1, NOON_US),
    ("electricity", SubjectKind.TENANT, 5, NOON_US),
    ("electricity", SubjectKind.TENANT, 5, NOON_US + DAY_US),
    ("load_cod", SubjectKind.TENANT, 5, NOON_US),
]


def test_kpis_come_back_bit_for_bit(conn: Connection[Any]) -> None:
    frame = kpis(*ROWS)

    written = write_frame(conn, frame)

    assert written == 4
    assert_same(read_frame(conn, "load_cod", "electricity", "nothing"), frame)


def test_only_the_asked_kpis_and_subjects_are_read(conn: Connection[Any]) -> None:
    write_frame(conn, kpis(*ROWS, ("load_cod", SubjectKind.TENANT, 6, NOON_US)))

    frame = read_frame(conn, "load_cod")

    assert list(zip(frame.kpi.tolist(), frame.subject_id.tolist(), strict=True)) == [("load_cod", 5)]


def test_kpis_that_stay_the_same_are_not_touched(conn: Connection[Any]) -> None:
    write_frame(conn, kpis(*ROWS))

    assert write_frame(conn, kpis(*ROWS), ticked=NOON_US + 30 * DAY_US) == 0


def test_another_version_of_a_formula_is_a_change(conn: Connection[Any]) -> None:
    write_frame(conn, kpis(*ROWS))

    assert write_frame(conn, kpis(*ROWS), versions={"electricity": 2}) == 3


def test_final_kpis_that_change_get_a_revision_and_are_late(conn: Connection[Any]) -> None:
    write_frame(conn, kpis(*ROWS))

    written = write_frame(conn, kpis(*ROWS, value=9.0), ticked=NOON_US + DAY_US)

    rows = conn.execute(
        "SELECT revision, flags & 128, registry_version FROM kpi ORDER BY kpi, subject_kind, start"
    ).fetchall()
    assert written == 4
    assert rows == [(1, 128, 3), (1, 128, 3), (0, 0, 3), (1, 128, 3)]


def test_kpis_of_a_range_that_are_no_more_are_deleted(conn: Connection[Any]) -> None:
    write_frame(conn, kpis(*ROWS))

    written = write_frame(conn, kpis(ROWS[1]), (1, 5, NOON_US, NOON_US + DAY_US))

    assert written == 1
    frame = read_frame(conn, "electricity", "load_cod")
    assert list(zip(frame.kpi.tolist(), frame.start_us.tolist(), strict=True)) == [
        ("electricity", NOON_US),
        ("electricity", NOON_US),
        ("electricity", NOON_US + DAY_US),
    ]


def test_an_empty_frame_of_kpis_empties_its_ranges(conn: Connection[Any]) -> None:
    write_frame(conn, kpis(*ROWS))

    written = write_frame(conn, kpis(), (0, 1, NOON_US, NOON_US + 1))

    assert written == 1
    assert len(read_frame(conn, "electricity")) == 2


def test_kpis_of_a_park_that_is_not_known_are_refused(conn: Connection[Any], kawasan_url: str) -> None:
    with psycopg.connect(kawasan_url) as own:
        own.execute("TRUNCATE park CASCADE")

    with pytest.raises(InputError, match="park 1 is not in the database"):
        write_frame(conn, kpis(*ROWS))


def test_levels_do_not_disturb_each_other(conn: Connection[Any]) -> None:
    write_frame(conn, kpis(*ROWS))

    write_frame(conn, replace(kpis(), level=Level.MONTH), (1, 5, NOON_US, NOON_US + 9 * DAY_US))

    assert len(read_frame(conn, "electricity", "load_cod")) == 4
