"""Corrections of readings as the API answers them."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from domain.corrections import Correction

__all__ = ["CorrectionAnswer", "correction_answer"]


class CorrectionAnswer(BaseModel):
    """A correction of a channel's readings."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, extra="forbid")

    id: int
    channel: str
    unit: str
    action: str
    """`set` or `void`."""
    first: datetime
    last: datetime
    """Included; that of a set is its `first`."""
    value: float | None
    """Before the multiplier."""
    why: str
    recorded_at: datetime
    recorded_by: str
    superseded_at: datetime | None
    """When it was withdrawn or replaced; null: in force."""
    superseded_by: str | None
    superseded_why: str | None


def correction_answer(one: Correction) -> CorrectionAnswer:
    """A correction as it is answered."""
    return CorrectionAnswer(
        id=one.id,
        channel=one.channel,
        unit=one.unit,
        action=one.action,
        first=one.from_ts,
        last=one.to_ts,
        value=one.value,
        why=one.why,
        recorded_at=one.recorded_at,
        recorded_by=one.recorded_by,
        superseded_at=one.superseded_at,
        superseded_by=one.superseded_by,
        superseded_why=one.superseded_why,
    )
