"""The table that operators read in docs/alarms-states.md is the table of the machine."""

from pathlib import Path

from alerts.machine import LATCHING, STATES
from domain.alarms import AlarmState, Step

PAGE = Path(__file__).parents[3] / "docs" / "alarms-states.md"
STATE_WORDS = {
    "normal": AlarmState.NORMAL,
    "pending": AlarmState.PENDING,
    "active, not acknowledged": AlarmState.ACTIVE_UNACKED,
    "active, not ack.": AlarmState.ACTIVE_UNACKED,
    "active, acknowledged": AlarmState.ACTIVE_ACKED,
    "active, ack.": AlarmState.ACTIVE_ACKED,
    "returned, not acknowledged": AlarmState.RETURNED_UNACKED,
    "returned, not ack.": AlarmState.RETURNED_UNACKED,
    "latched": AlarmState.LATCHED,
}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_the_page_has_the_table_of_the_machine() -> None:
    lines = PAGE.read_text("utf-8").splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("| state before |"))
    steps = [Step(word.replace("-", "")) for word in cells(lines[first])[1:]]
    rows = [cells(line) for line in lines[first + 2 : first + 2 + len(AlarmState)]]

    plain, latching = {}, {}
    for state, *after in rows:
        for step, cell in zip(steps, after, strict=True):
            if cell in ("", "-"):
                continue
            usual, _, if_latching = cell.partition("; ")
            plain[STATE_WORDS[state], step] = STATE_WORDS[usual]
            if if_latching:
                latching[STATE_WORDS[state], step] = STATE_WORDS[if_latching.removesuffix(" if latching")]

    assert plain == dict(STATES)
    assert latching == dict(LATCHING)
