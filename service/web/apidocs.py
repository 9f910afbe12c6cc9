"""What the page of the API's description shows, made from the description itself."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from service.api.openapi import operations

__all__ = ["Field", "Group", "Operation", "Shape", "groups_of", "in_words", "shapes_of"]

_SCHEMAS = "#/components/schemas/"
_PREFIX = "/api/v1"
_TOLD = 1_000_000
"""A greater bound only keeps a number within the integers of the database."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A parameter, or a field of a shape."""

    name: str
    place: str
    """`query`, `path`, `header`; empty: a field."""
    kind: Markup
    required: bool
    text: str
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A group of fields with a name, or a list of words."""

    name: str
    text: str
    fields: tuple[Field, ...]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One way in which an operation answers."""

    status: str
    text: str
    kind: Markup
    forms: tuple[str, ...]
    """Media types."""
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that can be asked for or done."""

    id: str
    method: str
    path: str
    summary: str
    paragraphs: tuple[str, ...]
    ways: tuple[str, ...]
    """How to say who one is; empty: nobody is asked."""
    parameters: tuple[Field, ...]
    body: Markup
    curl: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The operations of one tag."""

    name: str
    text: str
    operations: tuple[Operation, ...]


def in_words(text: str) -> Markup:
    """A description as HTML: what stands in backticks is code, and the rest is text."""
    parts = re.split(r"`([^`]+)`", text)
    return Markup().join(
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts)
    )


def groups_of(document: Mapping[str, Any]) -> tuple[Group, ...]:
    """The operations by their tags, in the order of both."""
    found: dict[str, list[Operation]] = {tag["name"]: [] for tag in document["tags"]}
    for method, path, operation in operations(document):
        found[operation["tags"][0]].append(_operation(document, method, path, operation))
    texts = {tag["name"]: tag["description"] for tag in document["tags"]}
    return tuple(Group(name=name, text=texts[name], operations=tuple(made)) for name, made in found.items())


def shapes_of(document: Mapping[str, Any]) -> tuple[Shape, ...]:
    """What answers and bodies are made of, by name."""
    return tuple(
        Shape(
            name=name,
            text=schema.get("description", ""),
            fields=tuple(
                Field(
                    name=key,
                    place="",
                    kind=_kind(part),
                    required=key in schema.get("required", ()),
                    text=part.get("description", ""),
                    example="",
                )
                for key, part in schema.get("properties", {}).items()
            ),
            words=tuple(str(word) for word in schema.get("enum", ())),
        )
        for name, schema in document["components"]["schemas"].items()
    )


def _operation(document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> Operation:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return Operation(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        paragraphs=tuple(operation["description"].split("\n\n")),
        ways=tuple(name for way in operation.get("security", ()) for name in way),
        parameters=tuple(
            Field(
                name=one["name"],
                place=one["in"],
                kind=_kind(one["schema"]),
                required=one["required"],
                text=one["description"],
                example=_short(one.get("example")),
            )
            for one in sorted(operation.get("parameters", ()), key=lambda one: not one["required"])
        ),
        body=_kind(body["schema"]) if body else Markup(),
        curl=_curl(method, path, operation, body),
        answers=tuple(_answers(document, operation)),
    )


def _answers(document: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[Answer]:
    for status, given in operation["responses"].items():
        shared = str(given.get("$ref", "")).rpartition("/")[2]
        answer = document["components"]["responses"][shared] if shared else given
        content = answer.get("content", {})
        first: Mapping[str, Any] = next(iter(content.values()), {})
        yield Answer(
            status=status,
            text=answer["description"],
            kind=_kind(first.get("schema", {})),
            forms=tuple(content),
            example=_pretty(first["example"]) if "example" in first else "",
        )


def _kind(schema: Mapping[str, Any]) -> Markup:
    """What a value is, in few words; names of shapes lead to them."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_SCHEMAS)
        return Markup('<a href="#shape-{0}">{0}</a>').format(name)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return Markup(" or ").join(_kind(one) for one in schema[several])
    if schema.get("type") == "array":
        return Markup("list of {}").format(_kind(schema.get("items", {})))
    if "enum" in schema:
        return Markup(", ").join(Markup("<code>{}</code>").format(word) for word in schema["enum"])
    if "const" in schema:
        return Markup("<code>{}</code>").format(schema["const"])
    kind = {"date-time": "time", "date": "day"}.get(schema.get("format", ""), schema.get("type", ""))
    return escape({"string": "text", "integer": "whole number", "boolean": "yes or no"}.get(kind, kind)) + _bounds(
        schema
    )


def _bounds(schema: Mapping[str, Any]) -> Markup:
    least, most = schema.get("minimum"), schema.get("maximum")
    if most is None or most > _TOLD:
        return Markup()
    return Markup(", {} to {}").format(least, most)


def _curl(method: str, path: str, operation: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    """A line for a shell that asks as the examples do."""
    query: list[str] = []
    headers: list[str] = []
    for one in operation.get("parameters", ()):
        if "example" not in one:
            continue
        values = one["example"] if isinstance(one["example"], list) else [one["example"]]
        if one["in"] == "path":
            path = path.replace(f"{{{one['name']}}}", quote(str(values[0]), safe=":"))
        elif one["in"] == "header":
            headers += [f"-H '{one['name'].title()}: {value}'" for value in values]
        elif one["required"] or one["name"] not in {"format", "as_of", "after"}:
            query += [f"{one['name']}={quote(str(value), safe=':/')}" for value in values]
    whole = f"$KAWASAN{path.removeprefix(_PREFIX)}" if path.startswith(_PREFIX) else f"${{KAWASAN%{_PREFIX}}}{path}"
    address = f'"{whole}{"?" if query else ""}{"&".join(query)}"'
    parts = ["curl", *([] if method == "get" else [f"-X {method.upper()}"])]
    if "security" in operation:
        parts.append('-H "Authorization: Bearer $TOKEN"')
    parts += headers
    if body:
        sent = json.dumps(body["example"], ensure_ascii=False).replace("'", "'\\''")
        parts += ["-H 'Content-Type: application/json'", f"-d '{sent}'"]
    return " \\\n  ".join([" ".join(parts[:3]), *parts[3:], address])


def _short(example: Any) -> str:
    if example is None:
        return ""
    return ", ".join(str(one) for one in example) if isinstance(example, list) else str(example)


def _pretty(example: Any) -> str:
    return json.dumps(example, indent=2, ensure_ascii=False)
