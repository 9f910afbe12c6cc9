"""Entered values that come by MQTT: production counters, plant systems and forms publish what meters cannot say.

::

    {"series": "production_t", "start": "2026-10-01T00:00:00+07:00", "stop": "2026-10-02T00:00:00+07:00", "value": 12.5}
    {"values": [{"series": "employees", "start": "2026-10", "value": 240, "note": "payroll"}, ...]}
"""

from collections.abc import Iterator
from typing import Any

from domain.contextentries import ContextEntry, ContextMistake, context_entry
from domain.readings import ContextValue, Reason
from ingest.careful import Refused, is_private, json_content
from ingest.columns import Columns, rejection
from ingest.directory import ContextTopic
from ingest.texts import kind_of

__all__ = ["read_context_message"]


def read_context_message(
    columns: Columns, index: int, payload: bytes, topic: ContextTopic, most_values: int
) -> Iterator[ContextValue]:
    """
    The values of one message that are right; what is wrong with the others is added to the rejections of the columns.

    Raises
    ------
    Refused
        The whole message is set aside; nothing was added.
    """
    values = _values(json_content(payload))
    if len(values) > most_values:
        raise Refused(Reason.TOO_LARGE, f"more than {most_values} values in one message; split it")
    return _read(columns, index, values, topic)


def _read(
    columns: Columns, index: int, values: list[tuple[str, object]], topic: ContextTopic
) -> Iterator[ContextValue]:
    for place, said in values:
        try:
            entry = _entry(said, topic)
        except Refused as refused:
            columns.rejections.append(rejection(index, place, refused.reason, refused.detail))
            continue
        yield ContextValue(message=index, place=place, park_id=topic.park_id, tenant_id=topic.tenant_id, entry=entry)


def _values(content: object) -> list[tuple[str, object]]:
    """What the message says, each with its place."""
    fields = _fields(content)
    if "values" not in fields:
        return [("", content)]
    others = sorted(key for key in fields if key != "values")
    if others:
        raise Refused(Reason.MALFORMED, f"unknown key {others[0][:40]!r} beside values")
    values = fields["values"]
    if not isinstance(values, list):
        raise Refused(Reason.MALFORMED, f"values is {kind_of(values)}, not a list")
    if not values:
        raise Refused(Reason.MALFORMED, "values is empty")
    return [(f"values[{place}]", said) for place, said in enumerate(values)]


def _fields(content: object) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise Refused(
            Reason.MALFORMED, f"an entered value is {kind_of(content)}, not an object with series, start and value"
        )
    doubled = getattr(content, "doubled", None)
    if doubled:
        raise Refused(Reason.MALFORMED, f"key {min(doubled)[:40]!r} is given twice")
    return {key: value for key, value in content.items() if not is_private(key)}


def _entry(said: object, topic: ContextTopic) -> ContextEntry:
    fields = _fields(said)
    if "tenant" in fields:
        raise Refused(Reason.CONTEXT, "names a tenant; whose value it is, the topic says")
    try:
        return context_entry(fields, topic.zone)
    except ContextMistake as mistake:
        raise Refused(Reason.CONTEXT, str(mistake)) from None
