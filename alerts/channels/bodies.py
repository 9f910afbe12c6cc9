"""What machines are sent: the payload of a notification, with the key that a receiver knows it by."""

import json

from domain.notifications import Notification

__all__ = ["json_body"]


def json_body(notification: Notification) -> bytes:
    """
    The payload with `key` in front: the same for the same notification, however often it is sent.

    A payload that is no JSON object goes as it is.
    """
    try:
        payload = json.loads(notification.payload)
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        return notification.payload.encode("utf-8", "replace")
    # Escaped to ASCII: what cannot be encoded, as half of a surrogate pair, cannot keep a message from going.
    return json.dumps({"key": notification.dedup_key, **payload}, separators=(",", ":")).encode()
