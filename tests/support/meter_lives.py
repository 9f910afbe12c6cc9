"""The life of a register drawn by hypothesis, and what it counted, told reading by reading."""

from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from domain.registry import Exchange, Multiplier
from tests.support.amount_cases import HOUR, JAKARTA, MINUTE, MORNINGS, ROME, Case, a_channel
from tests.support.reference_amounts import Heard

STEP = 0.25
"""Everything is a multiple of this, so that no rounding is mistaken for energy. [kWh]"""
HAPPENINGS = ("reading",) * 8 + ("jitter", "exchange", "exchange", "multiplier", "reset")


@dataclass(kw_only=True)
class Life:
    """A register as time goes by."""

    at: int
    index: float
    modulus: float | None
    max_rate: float
    heard: list[Heard] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)
    multipliers: list[Multiplier] = field(default_factory=list)
    pieces: list[tuple[int, int, float]] = field(default_factory=list)
    """From, to, and what the index moved between them, before the multiplier."""
    since: int = 0
    """Where the piece under way began: at the last reading or exchange."""
    begun: float = 0.0

    def turn(self, share: float, length_us: int) -> float:
        """Time goes by; how much the index moves at a share of the largest rate."""
        moved = int(share * self.max_rate * length_us / HOUR / STEP) * STEP
        if self.modulus is not None and self.index + moved >= self.modulus:
            # A rollover can only be told from the top tenth, by less than a turn.
            if self.index <= 0.9 * self.modulus:
                moved = max(self.modulus - STEP - self.index, 0.0)
            moved = min(moved, 0.5 * self.modulus)
        self.at += length_us
        self.index += moved
        if self.modulus is not None and self.index >= self.modulus:
            self.index -= self.modulus
        return moved

    def moved(self, amount: float) -> None:
        """A piece ends now."""
        if self.heard:
            self.pieces.append((self.since, self.at, amount))
        self.since = self.at

    def read(self, moved: float) -> None:
        """A reading is taken."""
        self.moved(moved)
        self.heard.append(Heard(channel_id=1, ts=self.at, value=self.index))

    def exchange(self, moved: float, opening: float, device: dict[str, Any]) -> None:
        """The device is taken down, and another put up."""
        self.moved(moved)
        self.exchanges.append(Exchange(at_us=self.at, closing=self.index, opening=opening, **device))
        self.index = opening
        self.modulus = device["modulus"] or self.modulus
        self.max_rate = device["max_rate"] or self.max_rate

    def counted(self) -> float:
        """What it all amounts to: the index's movements, each share of time at the multiplier then in force."""
        marks = sorted((one.from_us, one.factor) for one in self.multipliers)
        total = 0.0
        for begin, end, amount in self.pieces:
            edges = [begin, *(at for at, _ in marks if begin < at < end), end]
            for x0, x1 in pairwise(edges):
                factor = next((factor for at, factor in reversed(marks) if at <= x0), 1.0)
                total += factor * (amount * (x1 - x0) / (end - begin) if end > begin else amount)
        return total


@dataclass(frozen=True, kw_only=True)
class Told:
    """A case of one register, and what it must amount to."""

    case: Case
    counted: float


shares = st.sampled_from([0.0, 0.01, 0.2, 0.7, 1.0])
lengths = st.one_of(st.integers(1, 40), st.sampled_from([15, 60, 121, 300, 26 * 60])).map(
    lambda minutes: minutes * MINUTE
)
devices = st.fixed_dictionaries(
    {
        "modulus": st.sampled_from([None, 1000.0, 100_000.0]),
        "resolution": st.sampled_from([None, 0.25, 1.0]),
        "max_rate": st.sampled_from([None, 40.0, 400.0, 2000.0]),
    }
)


def _room(life: Life) -> float:
    return 1000.0 if life.modulus is None else life.modulus


@st.composite
def told_lives(draw: st.DrawFn) -> Told:
    """Any mix of exchanges, devices of other width and rate, multipliers, rollovers, resets, gaps and jitter."""
    zone = draw(st.sampled_from([JAKARTA, ROME]))
    start = draw(st.sampled_from(MORNINGS[zone])) + draw(st.integers(-3, 3)) * 7 * MINUTE
    first: dict[str, Any] = {"modulus": draw(st.sampled_from([None, 1000.0])), "resolution": 0.25, "max_rate": 400.0}
    life = Life(
        at=start, index=draw(st.integers(0, 3999)) * STEP, modulus=first["modulus"], max_rate=400.0, since=start
    )
    life.read(0.0)
    for happening in draw(st.lists(st.sampled_from(HAPPENINGS), min_size=3, max_size=40)):
        _happen(draw, life, happening)
    channel = a_channel(exchanges=tuple(life.exchanges), multipliers=tuple(life.multipliers), **first)
    base_s = draw(st.sampled_from([300, 900, 1800, 3600]))
    case = Case(channels=(channel,), heard=tuple(life.heard), zone=zone, base_s=base_s)
    # Movements after the last reading are not known yet.
    last = life.heard[-1].ts
    life = replace(life, pieces=[piece for piece in life.pieces if piece[1] <= last])
    return Told(case=case, counted=life.counted())


def _happen(draw: st.DrawFn, life: Life, happening: str) -> None:
    moved = life.turn(draw(shares), draw(lengths))
    if happening == "exchange":
        device = draw(devices)
        room = device["modulus"] or _room(life)
        opening = draw(st.sampled_from([0.0, 3.0, room - 20.0]))
        life.exchange(moved, opening, device)
        if draw(st.booleans()):
            # A reading at the very moment is the new device's.
            life.read(0.0)
        return
    life.read(moved)
    if happening == "multiplier" and all(one.from_us != life.at for one in life.multipliers):
        at = life.at + draw(st.integers(-3, 3)) * 5 * MINUTE
        if all(one.from_us != at for one in life.multipliers):
            life.multipliers.append(Multiplier(from_us=at, factor=draw(st.sampled_from([1.0, 40.0, 0.5]))))
    elif happening == "jitter" and life.index >= 1.0:
        life.at += MINUTE
        life.index -= draw(st.integers(1, 2)) * STEP
        life.read(-STEP * round((life.heard[-1].value - life.index) / STEP))
    elif happening == "reset":
        _reset(draw, life)


def _reset(draw: st.DrawFn, life: Life) -> None:
    """The index starts anew, told by three readings before it and three from it on."""
    for _ in range(2):
        life.read(life.turn(0.2, 15 * MINUTE))
    if not 100.0 <= life.index <= 0.8 * _room(life):
        return
    life.at += 15 * MINUTE
    life.index = draw(st.integers(0, 2)) * STEP
    life.read(life.index)
    for _ in range(2):
        life.read(life.turn(0.2, 15 * MINUTE))
