"""The payload of the wire format as a JSON schema, for those who connect meters."""

from typing import Any

from ingest.careful import QUALITY_WORDS

__all__ = ["json_schema"]


def json_schema() -> dict[str, Any]:
    """The payload as a JSON schema (2020-12)."""
    words = {"enum": list(QUALITY_WORDS)}
    said = {"oneOf": [words, {"type": "array", "items": words}]}
    reading = {
        "type": "object",
        "required": ["ts", "values"],
        "properties": {
            "ts": {
                "description": "RFC 3339 with an offset, or whole milliseconds since 1970 UTC",
                "oneOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}],
            },
            "values": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "number"}},
            "quality": {
                "description": "of every value of the reading, or by quantity; absent: good",
                "oneOf": [*said["oneOf"], {"type": "object", "additionalProperties": said}],
            },
            "units": {
                "description": "by quantity, where not the one that the park file names",
                "type": "object",
                "additionalProperties": {"type": "string", "maxLength": 32},
            },
        },
        "patternProperties": {"^(_|x-)": {}},
        "additionalProperties": False,
    }
    many = {
        "type": "object",
        "required": ["readings"],
        "properties": {"readings": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/reading"}}},
        "patternProperties": {"^(_|x-)": {}},
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "kawasan reading message, v1",
        "oneOf": [{"$ref": "#/$defs/reading"}, many],
        "$defs": {"reading": reading},
    }
