"""The page that describes the API. It is the same for everybody, and loads from this server only."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.web.apidocs import groups_of, in_words, shapes_of
from service.web.rendering import rendered

__all__ = ["router"]

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def show_docs(request: Request) -> Response:
    """Every operation of the API, with parameters, examples and answers."""
    document = request.app.openapi()
    context = {
        "info": document["info"],
        "paragraphs": [one for one in document["info"]["description"].strip().split("\n\n") if one],
        "groups": groups_of(document),
        "shapes": shapes_of(document),
        "ways": document["components"]["securitySchemes"],
        "in_words": in_words,
    }
    return rendered(request, "docs.html", context)
