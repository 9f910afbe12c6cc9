"""What bodies of requests may be: JSON, and said to be."""

from http import HTTPStatus

from fastapi import Request

from service.api.problem import Problem

__all__ = ["need_json"]


async def need_json(request: Request) -> None:
    """
    Refuse a body that is not said to be JSON: a form of another site can send one without asking.

    Raises
    ------
    Problem
        415: there is a body of another kind.
    """
    headers = request.headers
    if headers.get("content-length", "0").strip() == "0" and "transfer-encoding" not in headers:
        return
    said = headers.get("content-type", "")
    kind = said.partition(";")[0].strip().lower()
    if kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")):
        return
    detail = f"the body is said to be {said[:100]!r}; send JSON, with `Content-Type: application/json`"
    raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
