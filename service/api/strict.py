"""Query parameters that an operation does not know, or that came twice where one is meant, are refused: a slip is no wish."""

import difflib
from collections.abc import Iterator
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from service.api.problem import refused_all

__all__ = ["known_parameters"]

_LONGEST = 60


def _known(dependant: Dependant) -> Iterator[tuple[str, bool]]:
    """The query parameters of an operation, and which of them may be given more than once."""
    for field in dependant.query_params:
        yield field.alias, "list" in str(field.field_info.annotation)
    for inner in dependant.dependencies:
        yield from _known(inner)


async def known_parameters(request: Request) -> None:
    """
    Refuse what an operation does not know; a dependency of all of them.

    Raises
    ------
    Problem
        422: there is no such parameter, and which is meant, perhaps; or one came more than once.
    """
    if not request.scope["query_string"]:
        return
    route: Any = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    known, sentences = dict(_known(route.dependant)), []
    names = [name for name, _ in request.query_params.multi_items()]
    for name in dict.fromkeys(names):
        if name not in known:
            near = difflib.get_close_matches(name[:_LONGEST], known, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(known)}" if known else ""
            sentences.append(f"{name[:_LONGEST]!r} is no parameter of this{hint}")
        elif names.count(name) > 1 and not known[name]:
            sentences.append(f"{name} came {names.count(name)} times; give it once")
    if sentences:
        raise refused_all("query", sentences)
