"""What a database holds after a run, in a form that two runs can be compared in."""

import math
from dataclasses import dataclass
from typing import Any

import psycopg

from domain.quality import Flag

Key = tuple[Any, ...]

_CHANNEL = (
    "(SELECT m.key || '/' || c.quantity FROM channel c JOIN meter m ON m.id = c.meter_id WHERE c.id = r.channel_id)"
)
_READINGS = f"""
    SELECT {_CHANNEL}, ts, value, quality FROM reading r
    WHERE NOT EXISTS (SELECT FROM reading_conflict k WHERE k.channel_id = r.channel_id AND k.ts = r.ts)
"""
_CONFLICTS = f"SELECT {_CHANNEL}, ts, value, quality FROM reading_conflict r"
_REJECTIONS = (
    "SELECT m.topic, m.payload, r.place, r.reason FROM rejection r JOIN rejected_message m ON m.id = r.message_id"
)
_AMOUNTS = f"""
    SELECT {_CHANNEL}, level, start, amount, mean, low, high, last, peak, peak_at, measured_s, estimated,
           inner_gap_s, gap_s, gap_stop, slots, received, unusable, flags & ~{int(Flag.LATE)}
    FROM amount r
"""
_KPIS = f"""
    SELECT subject_kind, CASE subject_kind WHEN 0 THEN p.key ELSE t.key END, kpi, level, start,
           measured, value, estimate, error, profile_coverage, total_coverage, estimated_share, peak_at, reason,
           k.flags & ~{int(Flag.LATE)}
    FROM kpi k
    LEFT JOIN park p ON subject_kind = 0 AND p.id = k.subject_id
    LEFT JOIN tenant t ON subject_kind = 1 AND t.id = k.subject_id
    WHERE k.start < timestamptz '2024-12-31'
"""
_LEDGER = """
    SELECT sum(stored), sum(duplicate), sum(conflict), sum(rejected),
           (SELECT count(*) FROM reading), (SELECT coalesce(sum(n), 0) FROM ledger_rejected),
           (SELECT count(*) FROM reading_conflict), (SELECT count(*) FROM (SELECT DISTINCT channel_id, ts FROM reading_conflict) k)
    FROM ledger
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything but what records when something was known."""

    readings: frozenset[Key]
    """Without those in conflict, of which either value may have come first."""
    conflicts: frozenset[Key]
    rejections: frozenset[Key]
    amounts: frozenset[Key]
    kpis: dict[Key, Key]
    ledger: Key

    @classmethod
    def of(cls, url: str) -> "Snapshot":
        """The state of a database."""
        with psycopg.connect(url) as conn:

            def rows(statement: str) -> list[Key]:
                return [tuple(_plain(cell) for cell in row) for row in conn.execute(statement.encode()).fetchall()]

            return cls(
                readings=frozenset(rows(_READINGS)),
                conflicts=frozenset(rows(_CONFLICTS)),
                rejections=frozenset(rows(_REJECTIONS)),
                amounts=frozenset(rows(_AMOUNTS)),
                kpis={row[:5]: row[5:] for row in rows(_KPIS)},
                ledger=rows(_LEDGER)[0],
            )


def _plain(cell: Any) -> Any:
    """A cell by which rows can be compared to the bit: NaN equals NaN."""
    if isinstance(cell, float):
        return "NaN" if math.isnan(cell) else cell.hex()
    return cell


def check_ledger(snapshot: Snapshot) -> None:
    """The ledger adds up to what the tables hold."""
    stored, _, conflict, rejected, in_readings, by_reason, claims, keys = snapshot.ledger
    assert stored == in_readings
    assert rejected == by_reason
    # Of n values that claim one key, one is stored and the others are conflicts, each counted once.
    assert conflict == claims - keys


def check_same(one: Snapshot, other: Snapshot) -> None:
    """Two runs ended in the same numbers: base amounts to the bit, KPIs to 1e-12, coverages and flags equal."""
    assert one.readings == other.readings
    assert one.conflicts == other.conflicts
    assert one.rejections == other.rejections
    assert one.amounts == other.amounts
    assert one.kpis.keys() == other.kpis.keys()
    for key, cells in one.kpis.items():
        for mine, theirs in zip(cells, other.kpis[key], strict=True):
            assert _agree(mine, theirs), f"KPI {key}: {cells} against {other.kpis[key]}"


def _agree(mine: Any, theirs: Any) -> bool:
    if mine == theirs:
        return True
    if not (isinstance(mine, str) and isinstance(theirs, str)) or "NaN" in (mine, theirs):
        return False
    return math.isclose(float.fromhex(mine), float.fromhex(theirs), rel_tol=1e-12, abs_tol=1e-12)
