"""Every operation of the API, asked with what is another's and with what does not exist, so that the answers can be compared."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

__all__ = [
    "NO_ANSWER",
    "Ask",
    "Case",
    "answer_text",
    "asks",
    "body_of",
    "name_of",
    "operations",
    "own_asks",
    "values_of",
]

RANGE = {"start": "2026-03-02T00:00:00+07:00", "stop": "2026-03-03T00:00:00+07:00"}
LEVEL = "day"

HARMLESS: dict[str, Any] = {
    **RANGE, "level": LEVEL, "month": "2026-03", "kind": "multiplier", "if-match": "*", "history": True, "resolved": True,
    "limit": 100, "quantity": "energy_import", "severity": "low",
}  # fmt: skip
"""Parameters that name nothing of anybody's, and what they are filled with."""

NO_ANSWER = frozenset({"/api/v1/live", "/metrics"})
"""What never ends, or counts this process; these are looked at by themselves."""

NOT_ASKED = frozenset(
    {
        "as_of", "format", "state", "category", "inhibited", "open", "closed", "unresolved", "reason", "max_points", "last-event-id",
        "if-none-match", "idempotency-key", "accept", "x-request-id", "series", "scope", "who", "act", "outcome", "via", "after",
        "event",
    }
)  # fmt: skip
"""Optional parameters that say how, not whose."""

WRITES: dict[str, Any] = {
    "enter_exchange": {"at": "2026-03-02T05:00:00+07:00", "registers": [{"quantity": "energy_import", "closing": 1.0, "opening": 0.0}]},
    "enter_multiplier": {"from": "2026-03-02T05:00:00+07:00", "quantity": "energy_import", "factor": 3.0},
    "enter_unit": {"from": "2026-03-02T05:00:00+07:00", "quantity": "energy_import", "unit": "MWh"},
    "enter_outage": {"from": "2026-03-02T05:00:00+07:00", "reason": "broken"},
    "withdraw_meter_fact": {"why": "wrong"},
    "enter_correction": {"channel": "{channel}", "action": "set", "ts": "2026-03-02T05:00:00+07:00", "value": 1.0, "why": "wrong"},
    "withdraw_correction": {"why": "wrong"},
    "act_on_alarm": {"act": "comment", "text": "seen"},
    "say_of_episode": {"kind": "comment", "text": "seen"},
    "enter_alarm_rule": {"entry": "{entry}", "note": ""},
    "try_alarm_rule": {"entry": "{entry}", **RANGE},
    "replace_alarm_rule": {"entry": "{entry}", "note": ""},
    "end_alarm_rule": {"why": "wrong"},
    "close_month": {"park": "{park}", "month": "2026-02"},
    "enter_values": {
        "park": "{park}",
        "values": [{"tenant": "{tenant}", "series": "production_t", "start": "2026-03-05", "value": 1.0}],
    },
}  # fmt: skip
"""Bodies by operation; an operation that is not here gets a body made from its schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Who asks, and the identifiers of somebody else's, each with one of the same shape that does not exist."""

    name: str
    user: str
    known: Mapping[str, Any]
    """Parameters that are the user's own to name, as the own park."""
    foreign: Mapping[str, tuple[Any, Any]]
    """By parameter: another's, and none's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request in two versions."""

    name: str
    method: str
    path: tuple[str, str]
    query: tuple[dict[str, Any], dict[str, Any]]
    headers: dict[str, str]
    body: tuple[Any, Any] | None
    echo: tuple[tuple[str, str], ...] = field(default=())
    """What stands in an answer to the second in the place of what stands in one to the first."""


def operations(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Method, path and description of each operation."""
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            if method in {"get", "post", "put", "patch", "delete"}:
                yield method.upper(), path, operation


def asks(schema: Mapping[str, Any], case: Case) -> Iterator[Ask]:
    """
    Requests of a case, for each operation that can name somebody's: once with what must be given, once more for each
    parameter that may be given and can name somebody's.

    Raises
    ------
    AssertionError
        An operation has a parameter of which the walk does not know what it names; it has to be taught.
    """
    for method, path, operation in operations(schema):
        parameters = operation.get("parameters", [])
        names = {one["name"].lower() for one in parameters}
        unknown = (
            {name_of(path, name) for name in names} - set(case.foreign) - set(case.known) - set(HARMLESS) - NOT_ASKED
        )
        assert not unknown, f"{method} {path}: the walk does not know what {sorted(unknown)} name; teach it"
        must = [one for one in parameters if one.get("required") or one["in"] == "header"]
        may = [one for one in parameters if one not in must and name_of(path, one["name"].lower()) in case.foreign]
        for chosen in [[], *([one] for one in may)]:
            made = _ask(schema, case, method, path, operation, [*must, *chosen])
            if made is not None:
                yield from in_forms(made, names)


def in_forms(ask: Ask, names: set[str]) -> Iterator[Ask]:
    """The request, and the same for each form that its answer can be written in."""
    yield ask
    if "format" in names:
        for form in ("csv", "ndjson"):
            query = {**ask.query[0], "format": form}, {**ask.query[1], "format": form}
            yield replace(ask, name=f"{ask.name} as {form}", query=query)


def own_asks(schema: Mapping[str, Any], case: Case) -> Iterator[Ask]:
    """Every GET with nothing but what is the user's own."""
    own = Case(name=case.name, user=case.user, known=case.known, foreign={})
    for method, path, operation in operations(schema):
        if method == "GET" and path not in NO_ANSWER:
            parameters = [one for one in operation.get("parameters", []) if one.get("required")]
            names = {one["name"].lower() for one in operation.get("parameters", [])}
            made = _ask(schema, own, method, path, operation, parameters, whole=True)
            if made is not None:
                yield from in_forms(made, names)


def _ask(  # noqa: PLR0917 - what an operation is
    schema: Mapping[str, Any],
    case: Case,
    method: str,
    path: str,
    operation: Mapping[str, Any],
    parameters: list[Mapping[str, Any]],
    *,
    whole: bool = False,
) -> Ask | None:
    paths: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    queries: tuple[dict[str, Any], dict[str, Any]] = {}, {}
    headers: dict[str, str] = {}
    used: set[str] = set()
    for one in parameters:
        name, place = one["name"], one["in"]
        named = name_of(path, name.lower())
        values = values_of(case, named)
        if values is None:
            continue
        if values[0] != values[1]:
            used.add(named)
        if place == "header":
            headers[name] = str(values[0])
            continue
        for version in (0, 1):
            (paths if place == "path" else queries)[version][name] = values[version]
    body = body_of(schema, case, operation, used)
    if not used and not whole:
        return None
    made = path.format(**paths[0]), path.format(**paths[1])
    return Ask(
        name=f"{case.name}: {method} {path} by {', '.join(sorted(used))}",
        method=method,
        path=made,
        query=(queries[0], queries[1]),
        headers=headers,
        body=body,
        echo=tuple((str(real), str(none)) for real, none in _pairs(case, used)),
    )


def _pairs(case: Case, used: set[str]) -> list[tuple[Any, Any]]:
    pairs = {case.foreign[name] for name in used}
    # The longest first: a key of a channel holds that of its park.
    return sorted(((real, none) for real, none in pairs), key=lambda pair: -len(str(pair[1])))


def name_of(path: str, name: str) -> str:
    """What a parameter names, where the same word stands for several things."""
    special = {
        "key": "rule" if "alarm-rules" in path else "api_key" if "/keys/" in path else "kpi",
        "start": "episode" if "/episodes/" in path else "start",
    }
    if "{id}" in path and name == "id":
        special["id"] = "correction" if "corrections" in path else "fact"
    return special.get(name, name)


def values_of(case: Case, name: str) -> tuple[Any, Any] | None:
    """What a parameter is filled with: another's and none's, or twice the same; None: nothing."""
    if name in case.foreign:
        return case.foreign[name]
    value = case.known.get(name, HARMLESS.get(name))
    return None if value is None else (value, value)


def body_of(
    schema: Mapping[str, Any], case: Case, operation: Mapping[str, Any], used: set[str]
) -> tuple[Any, Any] | None:
    """The body of an operation, as for its parameters; what it names of somebody's is added to `used`. None: it has none."""
    contents = operation.get("requestBody", {}).get("content", {})
    if not contents:
        return None
    template = WRITES.get(operation["operationId"])
    if template is None:
        template = _made(schema, next(iter(contents.values()))["schema"], case)
    return _filled(template, case, 0, used), _filled(template, case, 1, used)


def _filled(template: Any, case: Case, version: int, used: set[str]) -> Any:
    if isinstance(template, dict):
        return {name: _filled(one, case, version, used) for name, one in template.items()}
    if isinstance(template, list):
        return [_filled(one, case, version, used) for one in template]
    if template == "{entry}":
        key = case.foreign.get("rule", ("new-rule", "new-rule"))[version]
        watch = {"channel": "*/main/power"}
        return {"key": key, "name": "New", "category": "warning", "severity": "low", "watch": watch, "above": 1.0}
    if isinstance(template, str) and template.startswith("{"):
        name = template.strip("{}")
        if name in case.foreign:
            used.add(name)
            return case.foreign[name][version]
        return case.known[name]
    return template


def _made(schema: Mapping[str, Any], shape: Mapping[str, Any], case: Case, name: str = "") -> Any:  # noqa: PLR0911 - one for each kind
    """A body for an operation that nobody wrote one for: what must be there, identifiers where their names are known."""
    if "$ref" in shape:
        return _made(schema, schema["components"]["schemas"][shape["$ref"].rpartition("/")[2]], case, name)
    if name in case.foreign or name in case.known:
        return f"{{{name}}}"
    if "enum" in shape:
        return shape["enum"][0]
    if shape.get("examples"):
        return shape["examples"][0]
    if "anyOf" in shape:
        return _made(schema, shape["anyOf"][0], case, name)
    if shape.get("type") == "object":
        properties = shape.get("properties", {})
        wanted = {*shape.get("required", ()), *(set(properties) & set(case.foreign))}
        return {one: _made(schema, properties[one], case, one) for one in wanted}
    if shape.get("type") == "array":
        return [_made(schema, shape["items"], case, name)]
    return {"integer": 1, "number": 1.0, "boolean": True}.get(str(shape.get("type")), "x" * shape.get("minLength", 1))


def answer_text(text: str, echo: tuple[tuple[str, str], ...]) -> str:
    """An answer in which what does not exist is called by the name of what does, where it was only said back."""
    for real, none in echo:
        text = text.replace(none, real).replace(json.dumps(none)[1:-1], real)
    return text
