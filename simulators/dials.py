"""What the counters of registers stand at: openings, multipliers, exchanges of devices, the last digit."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domain.frames import FloatArray
from domain.time import IntArray, from_datetime
from simulators.channels import SimulatedChannel
from simulators.history import History
from simulators.plant import FAR_FUTURE_US

__all__ = ["Dials", "dials_of"]

_OPENING_SHARE = 0.2
_OPENING_HOURS = 2000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stretch:
    """A time in which one device counts with one multiplier."""

    from_us: int
    amount: float
    """What had gone through by then. [unit]"""
    index: float
    """What the counter stood at then. [unit before the multiplier]"""
    factor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Dials:
    """Counters of all channels; arrays (c, s), padded with stretches that never begin."""

    from_us: IntArray
    amount: FloatArray
    index: FloatArray
    factor: FloatArray
    modulus: FloatArray
    """(c,): infinity where the counter has no last digit."""

    def index_at(self, channels: IntArray, ts_us: IntArray, amounts: FloatArray) -> FloatArray:
        """(r, n): where the counters stand at each time, by what had gone through by then."""
        which = self._which(channels, ts_us)
        row = channels[:, None]
        moved = (amounts - self.amount[row, which]) / self.factor[row, which]
        return np.mod(self.index[row, which] + moved, self.modulus[row])

    def factor_at(self, channels: IntArray, ts_us: IntArray) -> FloatArray:
        """(r, n): the multiplier in force."""
        return self.factor[channels[:, None], self._which(channels, ts_us)]

    def _which(self, channels: IntArray, ts_us: IntArray) -> IntArray:
        begun = self.from_us[channels][:, :, None] <= ts_us
        which: IntArray = np.maximum(begun.sum(axis=1) - 1, 0)
        return which


def dials_of(channels: Sequence[SimulatedChannel], rows: IntArray, history: History) -> Dials:
    """
    The counters of channels, whose amounts are `rows` of a history.

    A device that a recorded exchange takes down stands at the recorded closing then, the one put up begins
    at the recorded opening; of a device between two exchanges only its opening can be kept.
    """
    stretches = [_stretches(channel, int(rows[i]), history) for i, channel in enumerate(channels)]
    longest = max((len(own) for own in stretches), default=1)
    never = _Stretch(from_us=FAR_FUTURE_US, amount=0.0, index=0.0, factor=1.0)
    padded = [[*own, *[never] * (longest - len(own))] for own in stretches]
    return Dials(
        from_us=np.array([[one.from_us for one in own] for own in padded], dtype=np.int64),
        amount=np.array([[one.amount for one in own] for own in padded]),
        index=np.array([[one.index for one in own] for own in padded]),
        factor=np.array([[one.factor for one in own] for own in padded]),
        modulus=np.array([channel.modulus for channel in channels]),
    )


def _stretches(channel: SimulatedChannel, row: int, history: History) -> list[_Stretch]:
    factors = {from_datetime(entry.valid_from): entry.factor for entry in channel.entry.multipliers}
    exchanges = {from_datetime(entry.at): entry for entry in channel.entry.exchanges}
    turns = np.array(sorted({channel.start_us, *factors, *exchanges}), dtype=np.int64)
    turns = turns[turns >= channel.start_us]
    amounts = history.amounts(np.array([row], dtype=np.int64), turns)[0].tolist()
    factor = factors.get(int(turns[0]), 1.0)
    stretches = [_Stretch(from_us=int(turns[0]), amount=amounts[0], index=_opening(channel), factor=factor)]
    for turn_us, amount in zip(turns.tolist()[1:], amounts[1:], strict=True):
        last = stretches[-1]
        index = last.index + (amount - last.amount) / last.factor
        if turn_us in exchanges:
            if not any(one.from_us in exchanges for one in stretches):
                stretches = _shifted(stretches, exchanges[turn_us].closing - index)
            index = exchanges[turn_us].opening
        factor = factors.get(turn_us, factor)
        stretches.append(_Stretch(from_us=turn_us, amount=amount, index=index, factor=factor))
    return stretches


def _shifted(stretches: list[_Stretch], by: float) -> list[_Stretch]:
    return [
        _Stretch(from_us=one.from_us, amount=one.amount, index=one.index + by, factor=one.factor) for one in stretches
    ]


def _opening(channel: SimulatedChannel) -> float:
    """Where the counter stood when the channel began: some number of its own, far from its last digit."""
    most = min(_OPENING_SHARE * channel.modulus, _OPENING_HOURS * (channel.entry.max_rate or 1.0))
    share = channel.who % 9973 / 9973
    return float(channel.as_shown(np.array([most * share]))[0]) * channel.wire_factor
