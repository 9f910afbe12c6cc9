"""Which methods a path can be asked with."""

from fastapi import Request
from fastapi.routing import iter_route_contexts

__all__ = ["allowed_methods"]


def allowed_methods(request: Request) -> str:
    """
    The methods that the path of a request can be asked with, as the header Allow lists them.

    Of paths that match, the one with the fewest parameters counts: `/alarm-rules/dry-run` is no rule of that key.
    """
    # The framework names those of the first route with this path alone.
    found: dict[str, set[str]] = {}
    for context in iter_route_contexts(request.app.routes):
        pattern, methods = getattr(context, "path_regex", None), getattr(context, "methods", None)
        if pattern is not None and methods and pattern.match(request.scope["path"]):
            found.setdefault(str(getattr(context, "path", "")), set()).update(methods)
    if not found:
        return ""
    return ", ".join(sorted(found[min(found, key=lambda path: path.count("{"))]))
