"""Why a live stream ends, and after how long its reader should come back."""

import json
import random
from enum import StrEnum

from service.api.board import event

__all__ = ["Ending"]

_STOPPING_S = 2.0


class Ending(StrEnum):
    """Why a stream ends."""

    STOPPING = "stopping"
    """The server stops; another one, or the same, answers soon."""
    RENEW = "renew"
    """It has lasted long enough; come back, and go on."""
    GRANTS = "grants"
    """You may see something else than before; come back, and be told anew."""
    LOGIN = "login"
    """The token or login does not hold any more."""

    def event(self) -> bytes:
        """The last event of a stream."""
        least_s = _STOPPING_S if self is Ending.STOPPING else 0.5
        contents = json.dumps({"reason": self.value}, separators=(",", ":")).encode()
        return event("bye", contents, retry_ms=Ending.wait_ms(least_s))

    @staticmethod
    def wait_ms(least_s: float) -> int:
        """After how long to come back: never all at once. [ms]"""
        return round(1000 * least_s * random.uniform(1.0, 2.0))  # noqa: S311 - it only spreads out
