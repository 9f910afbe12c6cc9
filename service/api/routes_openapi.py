"""The routes that describe the API itself; they say the same to everybody."""

import json

from fastapi import APIRouter, Request
from fastapi.responses import Response

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.get("/api/v1/openapi.json")
@router.get("/openapi.json")
async def show_openapi(request: Request) -> Response:
    """The description of the API, OpenAPI 3.1."""
    document = json.dumps(request.app.openapi(), ensure_ascii=False)
    return Response(document, media_type="application/json")
