"""Quality of a reading (what its source said) and flags of an amount (what the engine found).

The two are kept apart on purpose: a reading is never changed after it was stored, so
everything that is *derived* lives on the amounts.
"""

from enum import IntFlag

__all__ = ["UNUSABLE", "Flag", "Mark", "Quality"]


class Quality(IntFlag):
    """What the source itself said of a reading. No bit set means: nothing was wrong."""

    CALIBRATION = 1
    """Taken while the instrument was being calibrated."""
    MAINTENANCE = 2
    """Taken while the instrument or its line was being serviced."""
    FAULT = 4
    """The device reported a fault."""
    OUT_OF_RANGE = 8
    """Outside the instrument's measuring range."""
    BELOW_DETECTION = 16
    """Below the limit of detection; the value is that limit."""
    ESTIMATED_BY_SOURCE = 32
    """The source filled the value in."""
    CLOCK_UNSURE = 64
    """The source doubts its own clock."""


UNUSABLE = Quality.CALIBRATION | Quality.MAINTENANCE | Quality.FAULT | Quality.OUT_OF_RANGE
"""A reading with any of these bits is kept, shown, and used for no number."""


class Mark(IntFlag):
    """What corrections made of a reading, in bits above a source's own; only in memory, never stored."""

    EDITED = 1 << 20
    """A correction gave its value; what the source said of it no longer holds."""
    VOIDED = 1 << 21
    """A correction took it from use."""
    UNHEARD = 1 << 22
    """No stored reading stands here: it fills no slot."""


class Flag(IntFlag):
    """What the engine found while it made an amount."""

    JITTER = 1
    """A register flickered back by at most two resolutions."""
    ROLLOVER = 2
    """A register passed its last digit."""
    RESET = 4
    """A register started anew; the amount is a lower bound."""
    EXCHANGE = 8
    """A recorded exchange of the device lies inside."""
    STEP = 16
    """A jump that nothing explains; its amount counts nothing."""
    ESTIMATED = 32
    """Part of the amount was spread over a gap longer than the bound of interpolation."""
    SUSPECT = 64
    """A stored reading inside was not accepted."""
    LATE = 128
    """Computed again after the interval was final."""
    SOURCE_INVALID = 256
    """A reading inside was marked unusable by its source (calibration, fault ...)."""
    CONFLICT = 512
    """Two different values claim one time inside; neither is used."""
    LOWER_BOUND = 1024
    """Of a KPI: part of what it sums was missing at that time, so it is at least this much."""
    EDITED = 2048
    """A correction gave a value that it is made of, or took a reading inside from use."""
    PROFILE = 4096
    """What was estimated has the course of like days; without it, it is spread evenly."""
    BEYOND = 8192
    """Of a KPI: it is further from what is usual than its band, so something changed."""
