"""The notifier: takes notifications out of the outbox, sends them, and records every attempt.

::

    outbox -- claim, with a lease --> one thread for each way -- Channel.deliver --> the other side
                                          |                                              |
                                          +-- record: sent, tried again later, refused --+

At least once: a notification is marked as sent right after the other side took it, and what a notifier left half done
is taken again when its lease ends. It then bears the same key, which a receiver knows it by.
"""

from service.notify.ways import channels_of
from service.notify.worker import Pace, run_notifier

__all__ = ["Pace", "channels_of", "run_notifier"]
