"""What people may do to an alarm as it stands, and the sentence that tells them why not."""

from domain.alarms import Act, AlarmState, Inhibit, Standing, Watch
from domain.errors import InputError
from domain.time import SECOND_US, to_datetime

__all__ = ["LONGEST_SHELF_S", "check_act"]

LONGEST_SHELF_S = 7 * 24 * 3600
"""No shelf lasts longer; whoever needs more shelves it again, with a reason, or takes it out of service. [s]"""

_SHELVES = (Inhibit.SHELVED, Inhibit.SHELVED_ONCE)
_NEED_TEXT = {
    Act.SHELVE: "to shelve it",
    Act.SHELVE_ONCE: "to shelve it",
    Act.TAKE_OUT: "to take it out of service",
    Act.PUT_BACK: "to put it back into service",
    Act.COMMENT: "for a comment",
}


def check_act(
    standing: Standing, act: Act, *, watch: Watch, now_us: int, text: str = "", until_us: int | None = None
) -> int | None:
    """
    When the shelf that the act sets ends [us UTC]; None where it sets none.

    A one-shot shelf without a time of its own ends after `LONGEST_SHELF_S`.

    Raises
    ------
    InputError
        The act makes no sense as the alarm stands; a text that it needs is missing; a shelf has no end, ends in the past, or
        lasts too long.
    """
    why_not = _why_not(standing, act)
    if why_not:
        raise InputError(f"Alarm {_named(watch)} {why_not}.")
    if act in _NEED_TEXT and not text.strip():
        kind = "text" if act is Act.COMMENT else "reason"
        raise InputError(f"Alarm {_named(watch)}: a {kind} is needed {_NEED_TEXT[act]}; say why, in a few words.")
    if act not in (Act.SHELVE, Act.SHELVE_ONCE):
        return None
    return _shelf_end(act, watch, now_us, until_us)


def _named(watch: Watch) -> str:
    return f"`{watch.rule}` of `{watch.target}`"


def _when(instant_us: int) -> str:
    return f"{to_datetime(instant_us):%Y-%m-%dT%H:%M:%SZ}"


def _why_not(standing: Standing, act: Act) -> str:
    if act is Act.ACKNOWLEDGE:
        return _why_no_acknowledgement(standing)
    if act is Act.RESET:
        return _why_no_reset(standing)
    return _why_no_inhibit(standing.inhibit, act)


def _why_no_inhibit(inhibit: Inhibit, act: Act) -> str:
    is_out = inhibit is Inhibit.OUT_OF_SERVICE
    if act in (Act.SHELVE, Act.SHELVE_ONCE) and is_out:
        return "is out of service, so nothing of it is announced as it is; put it back before it is shelved"
    if act is Act.UNSHELVE and inhibit not in _SHELVES:
        return "is not shelved, so there is no shelf to end"
    if act is Act.TAKE_OUT and is_out:
        return "is out of service already"
    if act is Act.PUT_BACK and not is_out:
        return "is not out of service, so it cannot be put back"
    return ""


def _why_no_acknowledgement(standing: Standing) -> str:
    match standing.state:
        case AlarmState.ACTIVE_UNACKED | AlarmState.RETURNED_UNACKED:
            return ""
        case AlarmState.ACTIVE_ACKED | AlarmState.LATCHED:
            by = f" by {standing.acked_by}" if standing.acked_by else ""
            at = f" at {_when(standing.acked_us)}" if standing.acked_us is not None else ""
            reset = "; what it waits for is its reset" if standing.state is AlarmState.LATCHED else ""
            return f"was acknowledged{by}{at} already{reset}"
        case AlarmState.PENDING:
            return "is not raised yet, its delay still runs; there is nothing to acknowledge"
        case _:
            return "is not raised; there is nothing to acknowledge"


def _why_no_reset(standing: Standing) -> str:
    match standing.state:
        case AlarmState.LATCHED:
            return ""
        case AlarmState.ACTIVE_UNACKED | AlarmState.ACTIVE_ACKED:
            return "is still active; it can be reset when it is back within its limit and acknowledged"
        case AlarmState.RETURNED_UNACKED:
            return "is not acknowledged yet; acknowledge it first"
        case _:
            return "is not latched, so there is nothing to reset"


def _shelf_end(act: Act, watch: Watch, now_us: int, until_us: int | None) -> int:
    latest_us = now_us + LONGEST_SHELF_S * SECOND_US
    if until_us is None:
        if act is Act.SHELVE_ONCE:
            return latest_us
        raise InputError(
            f"Alarm {_named(watch)}: a shelf needs a time at which it ends; give one between now and {_when(latest_us)}."
        )
    if not now_us < until_us <= latest_us:
        raise InputError(
            f"Alarm {_named(watch)}: a shelf until {_when(until_us)} is not possible; it must end after now, {_when(now_us)}, "
            f"and within 7 days, by {_when(latest_us)}."
        )
    return until_us
