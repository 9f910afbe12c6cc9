"""When a notification that was not taken is tried again, and when it is given up."""

from domain.time import DAY_US, SECOND_US

__all__ = ["GIVE_UP_US", "again_at", "wait_s"]

_FIRST_S = 5
_LONGEST_S = 15 * 60
GIVE_UP_US = 3 * DAY_US
"""From when it was first due. [us]"""


def wait_s(attempts: int) -> int:
    """
    How long to wait after so many failed attempts (1 or more). [s]

    Examples
    --------
    >>> [wait_s(attempts) for attempts in (1, 2, 3, 8, 9, 1000)]
    [5, 10, 20, 640, 900, 900]
    """
    # The exponent is bounded too: nobody knows for how many attempts a row has waited.
    return min(_FIRST_S << min(max(attempts - 1, 0), 30), _LONGEST_S)


def again_at(attempts: int, *, due_us: int, now_us: int) -> int | None:
    """
    When to try again after an attempt that failed; None where it is given up. [us UTC]

    Parameters
    ----------
    attempts : int
        Those made so far, the one that just failed included.
    due_us : int [us UTC]
        When it was first to be sent: the end of quiet hours, where they held it back.
    """
    again_us = now_us + wait_s(attempts) * SECOND_US
    return again_us if again_us <= due_us + GIVE_UP_US else None
