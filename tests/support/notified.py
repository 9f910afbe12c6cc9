"""Notifications for tests of how they are sent."""

import json
from typing import Any

from domain.notifications import Notification, Way

__all__ = ["WAYS_ADDRESSES", "notification"]

WAYS_ADDRESSES = {
    Way.EMAIL: "shift@plant.example",
    Way.WEBHOOK: "https://hooks.example/alarms",
    Way.MQTT: "p/shift",
}


def notification(way: Way, address: str | None = None, *, number: int = 1, **rest: Any) -> Notification:
    """One notification; `number` makes it another one."""
    given: dict[str, Any] = {
        "contact": "shift",
        "subject": f"High warning in Park, outlet {number}: COD above 100 mg/L",
        "body": f"COD at the outlet is above 100 mg/L.\n\nNumber {number}, with a µ in it.\n",
        "payload": json.dumps({"kind": "alarm", "park": {"key": "p", "name": "Park"}, "number": number}),
        "dedup_key": f"p/high-cod@p/_park/outlet/cod/2026-03-01T12:00:00Z/raise/{number}/shift",
        "not_before_us": 0,
        "urgent": False,
    }
    return Notification(way=way, address=WAYS_ADDRESSES[way] if address is None else address, **{**given, **rest})
