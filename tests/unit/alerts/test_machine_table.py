"""The state table, row by row: every state, with every step, under everything that inhibits."""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest

from alerts.machine import STATES, after_many, apply
from domain.alarms import AlarmState, Category, Inhibit, Severity, Signal, Source, Standing, Step, Tell, Watch
from domain.errors import InputError
from domain.time import SECOND_US

NOW_US = 1_795_482_000_000_000
HOUR_US = 3600 * SECOND_US

WATCH = Watch(
    rule_id=1,
    alarm_id=7,
    rule="cod_limit",
    target="p/_park/outlet/cod",
    name="COD",
    category=Category.EXCEEDANCE,
    severity=Severity.HIGH,
    source=Source(signal=Signal.VALUE, channel_id=1),
    unit="mg/L",
    highest=100.0,
    realarm_s=3600,
    tell=(Tell(contact="shift"), Tell(contact="boss", after_s=1800)),
)

# Columns are steps, rows the state before, cells the state after. `.` stays, `x` is refused, `N/L` is latched if latching.
STATE_AFTER = """
                  begin  drop  raise  clear  realarm  acknowledge  reset
normal              P      .     A      .       .          x         x
pending             .      N     A      .       .          x         x
active_unacked      .      .     .      R       .          K         x
active_acked        .      .     .     N/L      A          x         x
returned_unacked    .      .     A      .       .         N/L        x
latched             .      .     A      .       .          x         N
"""
# No other step ever moves the state.
MOVES_NO_STATE = (
    "revise suppress release expire escalate deescalate shelve shelve_once unshelve take_out put_back comment"
)

# Rows are what inhibits before: `-` nothing, `s` suppressed, `h` shelved, `o` shelved once, `u` out of service (unused);
# `*` suppressed underneath. Where clear ends a one-shot shelf, the alarm was active.
INHIBIT_AFTER = """
      suppress  release  expire  shelve  shelve_once  unshelve  take_out  put_back  clear
-        s         .        .       h         o           x         u         x       .
s        .         -        .       h*        o*          x         u*        x       .
h        h*        .        -       h         o           -         u         x       .
h*       .         h        s       h*        o*          s         u*        x       .
o        o*        .        -       h         o           -         u         x       -
o*       .         o        s       h*        o*          s         u*        x       s
u        u*        .        .       x         x           x         x         -       .
u*       .         u        .       x         x           x         x         s       .
"""

# What contacts are told of while nothing inhibits; `!` is announced.
ANNOUNCED = """
                  begin  drop  raise  clear  revise  realarm  escalate  deescalate
normal              .      .     !      .      !        .        .          !
pending             .      .     !      .      !        .        .          !
active_unacked      .      .     .      !      !        .        !          .
active_acked        .      .     .      !      !        !        .          !
returned_unacked    .      .     !      .      !        .        !          .
latched             .      .     !      .      !        .        .          !
"""
# While something inhibits, only its end is, and only in these states.
ANNOUNCED_AT_RELEASE = "active_unacked active_acked"

LETTERS = {
    "N": AlarmState.NORMAL,
    "P": AlarmState.PENDING,
    "A": AlarmState.ACTIVE_UNACKED,
    "K": AlarmState.ACTIVE_ACKED,
    "R": AlarmState.RETURNED_UNACKED,
    "L": AlarmState.LATCHED,
}
INHIBITS = {
    "-": Inhibit.NONE,
    "s": Inhibit.SUPPRESSED,
    "h": Inhibit.SHELVED,
    "o": Inhibit.SHELVED_ONCE,
    "u": Inhibit.OUT_OF_SERVICE,
}
RELEASES = {Step.RELEASE, Step.EXPIRE, Step.UNSHELVE, Step.PUT_BACK}


def grid(text: str) -> dict[tuple[str, str], str]:
    header, *rows = (line.split() for line in text.strip().splitlines())
    return {(row[0], step): cell for row in rows for step, cell in zip(header, row[1:], strict=True)}


STATE_CELLS, INHIBIT_CELLS, ANNOUNCED_CELLS = grid(STATE_AFTER), grid(INHIBIT_AFTER), grid(ANNOUNCED)


@dataclass(frozen=True)
class Row:
    state: AlarmState
    step: Step
    inhibit: str
    latching: bool

    @property
    def standing(self) -> Standing:
        """As the row says, with everything due that time can bring in its state."""
        kind = INHIBITS[self.inhibit[0]]
        unacked = self.state in (AlarmState.ACTIVE_UNACKED, AlarmState.RETURNED_UNACKED)
        return Standing(
            alarm_id=7,
            state=self.state,
            inhibit=kind,
            suppressed=self.inhibit[-1] in "s*",
            episode_us=NOW_US - 3 * HOUR_US,
            raised_us=NOW_US - 2 * HOUR_US,
            acked_us=None if unacked else NOW_US - 2 * HOUR_US,
            level=0 if unacked else 1,
            until_us=NOW_US - 1 if kind in (Inhibit.SHELVED, Inhibit.SHELVED_ONCE) else None,
            version=41,
        )

    @property
    def is_refused(self) -> bool:
        return "x" in (STATE_CELLS.get((self.state, self.step)), INHIBIT_CELLS.get((self.inhibit, self.step)))

    @property
    def state_after(self) -> AlarmState:
        cell = STATE_CELLS.get((self.state, self.step), ".")
        return self.state if cell in ".x" else LETTERS[cell.split("/")[-1 if self.latching else 0]]

    @property
    def inhibit_after(self) -> str:
        is_active = self.state in (AlarmState.ACTIVE_UNACKED, AlarmState.ACTIVE_ACKED)
        if self.step is Step.CLEAR and not is_active:
            return self.inhibit
        cell = INHIBIT_CELLS.get((self.inhibit, self.step), ".")
        return self.inhibit if cell == "." else cell

    @property
    def is_announced(self) -> bool:
        if self.inhibit == "-":
            return ANNOUNCED_CELLS.get((self.state, self.step)) == "!"
        ends = self.step in RELEASES and self.inhibit_after == "-"
        return ends and self.state in ANNOUNCED_AT_RELEASE.split()

    @property
    def is_kept(self) -> bool:
        """Whether the journal has it: it moved something, or is kept each time."""
        moves = self.state_after is not self.state or self.inhibit_after != self.inhibit
        shelves_anew = self.step in (Step.SHELVE, Step.SHELVE_ONCE)
        return moves or shelves_anew or self.is_announced or self.step in (Step.REVISE, Step.COMMENT)


ROWS = [
    Row(state, step, inhibit, latching)
    for state, step, inhibit, latching in product(
        AlarmState, Step, sorted({key[0] for key in INHIBIT_CELLS}), (False, True)
    )
]


def test_the_grids_have_every_step_and_every_state() -> None:
    moving = {step for _, step in STATE_CELLS}

    assert moving | set(MOVES_NO_STATE.split()) == set(Step)
    assert moving.isdisjoint(MOVES_NO_STATE.split())
    assert {state for state, _ in STATE_CELLS} == set(AlarmState)
    assert len(ROWS) == 6 * 19 * 8 * 2


@pytest.mark.parametrize("state", AlarmState)
def test_each_row_of_the_table(state: AlarmState) -> None:
    for row in (row for row in ROWS if row.state is state):
        watch = replace(WATCH, latching=row.latching)
        before = row.standing
        shelf_us = NOW_US + HOUR_US if row.step in (Step.SHELVE, Step.SHELVE_ONCE) else None

        try:
            after, transition = apply(
                before, row.step, watch=watch, at_us=NOW_US, now_us=NOW_US, text="why", until_us=shelf_us
            )
        except InputError:
            assert row.is_refused, row
            continue

        assert not row.is_refused, row
        assert (transition is not None) is row.is_kept, row
        assert after.state is row.state_after, row
        assert after.inhibit is INHIBITS[row.inhibit_after[0]], row
        assert after.suppressed is (row.inhibit_after[-1] in "s*"), row
        assert after.version == 41 + row.is_kept, row
        if transition is None:
            assert after is before, row
        else:
            assert (transition.before, transition.after) == (row.state, row.state_after), row
            assert transition.announced is row.is_announced, row
            assert (transition.inhibit, transition.level) == (after.inhibit, after.level), row


def test_the_published_table_is_the_one_written_here() -> None:
    written = {
        (AlarmState(state), Step(step)): LETTERS[cell.split("/")[0]]
        for (state, step), cell in STATE_CELLS.items()
        if cell not in ".x"
    }

    assert dict(STATES) == written


def test_the_vectorised_table_is_the_same_as_the_rows() -> None:
    states, steps = tuple(AlarmState), tuple(Step)
    codes = np.array([(states.index(row.state), steps.index(row.step)) for row in ROWS])
    latching = np.array([row.latching for row in ROWS])

    after = after_many(codes[:, 0], codes[:, 1], latching)

    assert after.dtype == np.int8
    assert [states[code] for code in after] == [row.state_after for row in ROWS]
