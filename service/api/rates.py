"""How many requests each user may send: a bucket per user in this process, and the headers that say how it stands."""

import math
import time
from collections import OrderedDict

from service.identity.limits import Bucket, Rate, taken

__all__ = ["RATE", "Rates", "rate_headers"]

RATE = "kawasan_rate"
"""Under which name the state of a request keeps how it stands to the limit."""

_MOST_USERS = 10_000


class Rates:
    """The buckets of all users that asked lately; the least recent are forgotten, which is as good as full."""

    def __init__(self, per_min: int) -> None:
        """
        A minute's worth of requests for each user.

        Parameters
        ----------
        per_min : int
            0: no limit.
        """
        self._per_min = per_min
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, user: str) -> Rate | None:
        """How a request of a user stands, which is counted with this; None: there is no limit."""
        if not self._per_min:
            return None
        bucket, rate = taken(self._buckets.pop(user, None), time.monotonic(), per_min=self._per_min)
        self._buckets[user] = bucket
        if len(self._buckets) > _MOST_USERS:
            self._buckets.popitem(last=False)
        return rate


def rate_headers(rate: Rate | None) -> tuple[tuple[bytes, bytes], ...]:
    """What an answer says of the limit: how many requests it allows, how many are left, and seconds until all are there again."""
    if rate is None:
        return ()
    return (
        (b"ratelimit-limit", b"%d" % rate.limit),
        (b"ratelimit-remaining", b"%d" % rate.remaining),
        (b"ratelimit-reset", b"%d" % math.ceil(rate.reset_s)),
    )
