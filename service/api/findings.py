"""Findings as the API answers them: with the unit of what was found."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from domain.findings import Rule, unit_of
from domain.registry import Kind
from store.findings import FindingRow

__all__ = ["FindingAnswer", "finding_answer"]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class FindingAnswer(_Shape):
    """What a check found. No number is changed by it."""

    channel: str
    rule: Rule
    day: date
    """Park-local day that it belongs to; of a finding about a month, its first day."""
    start: datetime
    stop: datetime
    value: float | None
    """What was found."""
    bound: float | None
    """What it was held against."""
    unit: str
    """Of both."""
    computed_at: datetime


def finding_answer(row: FindingRow) -> FindingAnswer:
    """A finding as it is answered."""
    zone, rule = ZoneInfo(row.timezone), Rule(row.rule)
    return FindingAnswer(
        channel=row.channel,
        rule=rule,
        day=row.day.astimezone(zone).date(),
        start=row.start.astimezone(zone),
        stop=row.stop.astimezone(zone),
        value=row.value,
        bound=row.bound,
        unit=unit_of(rule, row.unit, is_gauge=row.kind == Kind.GAUGE.value),
        computed_at=row.computed_at,
    )
