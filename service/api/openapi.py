"""The description of the API, OpenAPI 3.1: what FastAPI tells of the routes, and what else holds for all of them."""

from collections.abc import Iterator, Mapping
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import Any

import yaml
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ConfigDict, Field

from service.api.access import COOKIE, PAGE_HEADER, acting_user, owning_identity
from service.api.problem import MEDIA_TYPE

__all__ = ["ProblemAnswer", "describe", "operations", "read_examples"]

_VERSION = "1.0"
"""Of what is described, `/api/v1`; the version of the program is in /metrics."""
_METHODS = ("get", "put", "post", "patch", "delete")
_SCHEMAS = "#/components/schemas/"
_UNUSED = ("HTTPValidationError", "ValidationError")
_SEEN = "if-match"
_STREAMS = frozenset({"stream_live"})
_IF_NONE_MATCH = {
    "name": "if-none-match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The `ETag` of an answer that you have; 304 where it still holds.",
}
_NAMING = frozenset({"park", "channel", "subject"})
"""Parameters and fields of bodies that name what may not exist, besides those of paths."""
_BOTH: list[dict[str, list[str]]] = [{"bearer": []}, {"cookie": []}]
_TOKEN: list[dict[str, list[str]]] = [{"bearer": []}]

_SECURITY = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A key made at `POST /api/v1/keys` or on the page of the account, or the token that `kawasan user add` "
        "printed: `Authorization: Bearer KEY`.",
    },
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "The login of the pages (over HTTPS its name is `__Host-"
        + COOKIE
        + "`). It reads; and it deals with "
        f"alarms, keys and logins where the page itself sends the request with the header `{PAGE_HEADER}`.",
    },
}
_TAGS = [
    {"name": "registry", "description": "What there is: parks, tenants, metering points, channels."},
    {"name": "numbers", "description": "Readings as they came, amounts per interval, and KPIs with their coverage."},
    {"name": "corrections", "description": "What holds in place of readings, who said so, and why."},
    {
        "name": "inputs",
        "description": "What people enter (production, bills), and the references numbers are made with.",
    },
    {"name": "alarms", "description": "What is beyond its bounds, what people did about it, and the rules behind it."},
    {"name": "live", "description": "Server-sent events with the newest of all."},
    {"name": "ingest", "description": "What became of the values that came in."},
    {"name": "identity", "description": "Who you are, your keys and logins; and the audit log."},
    {"name": "operation", "description": "For those who run it."},
]
_DESCRIPTION = """
Readings of an eco-industrial park, and the numbers made of them.

Times are RFC 3339 with an offset; ranges are half-open, `[start, stop)`; days, months and years are park-local.
What is not known is null, never zero, and says why. Errors are problem details (RFC 9457).
What you may not see does not exist: it is answered with 404.
"""
_PROBLEMS = {
    400: ("Unreadable", "The request cannot be read: what it holds is no text, no JSON, or no format that there is."),
    401: ("Unknown", "There is no token, or it is not valid any more."),
    403: ("NotAllowed", "This user, or this key, may not do this."),
    404: ("NotFound", "It does not exist, or you may not see it; the two are not told apart."),
    406: ("NotAcceptable", "None of the media types of the header Accept can be sent."),
    409: ("Overtaken", "The same is being done already, or was done; nothing was changed by this request."),
    412: ("Changed", "It changed since you have seen it: read it again."),
    413: ("TooLarge", "The body is larger than what is taken at once; send it in parts."),
    414: ("TooLong", "The address is longer than what is taken; ask for less at once."),
    415: ("NoJson", "The body is not `application/json`."),
    422: ("Refused", "Something that was sent makes no sense here; `detail` and `errors` say what would."),
    428: ("NotSeen", "The header If-Match is missing."),
    429: ("TooMany", "Too many requests came; Retry-After says when to go on."),
    500: ("Failed", "Something went wrong on our side; it has been logged."),
    503: ("Unavailable", "The database cannot be reached now; Retry-After says when to try again."),
}
"""By status: its name among the answers that operations share, and what it means."""
_STATED = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
_HEADERS = {
    "RateLimit-Limit": ("How many requests a user may send in a minute.", "integer"),
    "RateLimit-Remaining": ("How many of them are left now.", "integer"),
    "RateLimit-Reset": ("Seconds until all of them are there again.", "integer"),
    "Retry-After": ("Seconds until it makes sense to ask again.", "integer"),
    "WWW-Authenticate": ("How to say who you are.", "string"),
    "ETag": (
        "The version of what is answered: send it as If-None-Match to ask whether it still holds, as If-Match with a change.",
        "string",
    ),
    "Link": ("Leads to the page after this one, with `rel=next`.", "string"),
}
_RATES = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


class _Shape(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)


class Mistake(_Shape):
    """One thing that is wrong with a request."""

    place: str
    """Where it stands, as `query.limit` or `body.values.0.start`."""
    detail: str
    """What is wrong with it, and what would be right."""


class ProblemAnswer(_Shape):
    """Problem details (RFC 9457): what went wrong, for people and programs."""

    type: str = Field(examples=["about:blank"])
    """Always `about:blank`: the status says which kind of problem it is."""
    title: str
    """The status in words."""
    status: int = Field(ge=400, le=599)
    detail: str
    """What is wrong with this very request, and what would be right."""
    instance: str
    """The path that was asked."""
    errors: list[Mistake] = []
    """Where several things are wrong, or where it matters where: each of them."""


def describe(app: FastAPI) -> dict[str, Any]:
    """
    The description of an application's API; it is the same for everybody.

    What holds for many operations follows from what they are made of: who may ask, what they take, what they name. Examples
    are those of `examples.yaml`.
    """
    document = get_openapi(
        title=app.title,
        version=_VERSION,
        openapi_version="3.1.0",
        summary="Live energy, water and effluent numbers of an industrial estate.",
        description=_DESCRIPTION,
        routes=app.routes,
        tags=_TAGS,
        servers=[{"url": "/", "description": "This server."}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    schemas = document["components"]["schemas"]
    by_page = _sent_by_page(app)
    for method, path, operation in operations(document):
        _complete(operation, method, path, schemas, by_page=by_page)
    for name in _UNUSED:
        schemas.pop(name, None)
    _add_problem(schemas)
    _drop_titles(document)
    _add_examples(document)
    document["components"] = {
        "schemas": dict(sorted(schemas.items())),
        "responses": {
            "NotModified": {"description": "What you have still holds."},
            **{name: _problem(status) for status, (name, _) in _PROBLEMS.items()},
        },
        "headers": {name: {"description": text, "schema": {"type": kind}} for name, (text, kind) in _HEADERS.items()},
        "securitySchemes": _SECURITY,
    }
    return document


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each operation of a document."""
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                yield method, path, methods[method]


@cache
def read_examples() -> Mapping[str, Any]:
    """The examples: parameters by name, and by operation its own parameters, its body and its answer."""
    text = (files("service.api") / "examples.yaml").read_text(encoding="utf-8")
    found: Mapping[str, Any] = yaml.safe_load(text)
    return found


def _sent_by_page(app: FastAPI) -> frozenset[str]:
    """Operations that change something and that the page may send by its cookie."""
    found = set()
    for context in iter_route_contexts(app.routes):
        dependant = getattr(context, "dependant", None)
        if dependant is not None and {acting_user, owning_identity} & set(_calls(dependant)):
            found.add(str(getattr(context, "operation_id", None) or getattr(context, "name", "")))
    return frozenset(found)


def _calls(dependant: Dependant) -> Iterator[Any]:
    yield dependant.call
    for one in dependant.dependencies:
        yield from _calls(one)


def _complete(
    operation: dict[str, Any], method: str, path: str, schemas: Mapping[str, Any], *, by_page: frozenset[str]
) -> None:
    words = operation["operationId"].replace("_", " ").replace("kpi", "KPI")
    operation["summary"] = f"{words[:1].upper()}{words[1:]}"
    if "security" in operation:
        operation["security"] = _BOTH if method == "get" or operation["operationId"] in by_page else _TOKEN
    for parameter in operation.get("parameters", []):
        parameter["schema"] = _plain(parameter["schema"])
        # Without it there is an answer of its own, 428, which the framework knows nothing of.
        parameter["required"] = parameter["required"] or parameter["name"] == _SEEN
    answers = operation["responses"]
    answers.pop("422", None)
    for status in _statuses(operation, path, schemas):
        answers[str(status)] = {"$ref": f"#/components/responses/{_PROBLEMS[status][0]}"}
    names = {one["name"] for one in operation.get("parameters", [])}
    versioned, paged = _SEEN in names, "after" in names
    kept = method == "get" and "security" in operation and operation["operationId"] not in _STREAMS
    if kept:
        operation.setdefault("parameters", []).append(dict(_IF_NONE_MATCH))
        answers["304"] = {"$ref": "#/components/responses/NotModified"}
    for status, answer in answers.items():
        if status.startswith("2"):
            said = (
                *(_RATES if "security" in operation else ()),
                *(("ETag",) if versioned or kept else ()),
                *(("Link",) if paged else ()),
            )
            if said:
                answer.setdefault("headers", {}).update(
                    {name: {"$ref": f"#/components/headers/{name}"} for name in said}
                )
            if answer["description"] == "Successful Response":
                answer["description"] = HTTPStatus(int(status)).phrase
    operation["responses"] = dict(sorted(answers.items()))


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a parameter: one that is left out is not null, and what is said of it stands beside it."""
    own = {name: part for name, part in schema.items() if name not in {"description", "title", "examples"}}
    kinds = [one for one in own.pop("anyOf", []) if one.get("type") != "null"]
    if own.get("default", ...) is None:
        del own["default"]
    if not kinds:
        return own
    return {**kinds[0], **own} if len(kinds) == 1 else {"anyOf": kinds, **own}


def _statuses(operation: Mapping[str, Any], path: str, schemas: Mapping[str, Any]) -> Iterator[int]:
    """The problems that an operation can answer."""
    names = {one["name"] for one in operation.get("parameters", [])}
    body = _fields(operation, schemas)
    if "security" in operation:
        # 400, 414 and 422 for what stands in the address, also where an operation knows no parameter.
        yield from (400, 401, 403, 414, 422, 429, 500, 503)
    if operation["operationId"] == "show_metrics":
        # It looks by itself who asks, for Prometheus may be let in without a token.
        yield from (401, 404, 500, 503)
    if body is not None:
        yield from (413, 415)
    if "{" in path or _NAMING & {*names, *(body or ())}:
        yield 404
    if _SEEN in names:
        yield from (412, 428)
    if "format" in names:
        yield 406
    if "idempotency-key" in names:
        yield 409


def _fields(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> frozenset[str] | None:
    """Names of the fields of its body; None: it takes none."""
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return None
    named = str(content["application/json"]["schema"].get("$ref", "")).removeprefix(_SCHEMAS)
    return frozenset(schemas.get(named, {}).get("properties", {}))


def _problem(status: int) -> dict[str, Any]:
    _, description = _PROBLEMS[status]
    made: dict[str, Any] = {
        "description": description,
        "content": {MEDIA_TYPE: {"schema": {"$ref": f"{_SCHEMAS}Problem"}}},
    }
    if status in _STATED:
        made["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in _STATED[status]}
    return made


def _add_problem(schemas: dict[str, Any]) -> None:
    shape = ProblemAnswer.model_json_schema(ref_template=_SCHEMAS + "{model}")
    schemas |= shape.pop("$defs") | {"Problem": shape}


def _drop_titles(part: Any) -> None:
    """Leave out titles that only repeat a name."""
    if isinstance(part, list):
        for one in part:
            _drop_titles(one)
    if not isinstance(part, dict):
        return
    for name, one in part.items():
        if name in {"properties", "schemas"} and isinstance(one, dict):
            for shape in one.values():
                if isinstance(shape, dict):
                    shape.pop("title", None)
        if name == "schema" and isinstance(one, dict):
            one.pop("title", None)
        _drop_titles(one)


def _add_examples(document: dict[str, Any]) -> None:
    known = read_examples()
    for _, _, operation in operations(document):
        own = known["operations"].get(operation["operationId"], {})
        for parameter in operation.get("parameters", []):
            named = {**known["parameters"], **own.get("parameters", {})}
            if parameter["name"] in named:
                parameter["example"] = named[parameter["name"]]
        if "body" in own:
            operation["requestBody"]["content"]["application/json"]["example"] = own["body"]
        if "answer" in own:
            status = next(one for one in operation["responses"] if one.startswith("2"))
            operation["responses"][status]["content"]["application/json"]["example"] = own["answer"]
