"""In which form an answer is wanted, and tables that are sent while they are made."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

import anyio.to_thread
from fastapi import Depends, Query, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from service.api.problem import Problem
from service.formats import MEDIA_TYPES, Form, Row, TableWriter

__all__ = ["FORMS", "AskedForm", "Piece", "Table", "TableResponse", "chosen_form", "written"]

FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/x-ndjson": {"schema": {"type": "string"}},
            "text/csv": {"schema": {"type": "string"}},
        }
    },
    400: {"description": "There is no such format."},
    406: {"description": "None of the media types of the header Accept can be sent."},
}
"""What routes with :data:`AskedForm` say of their answers beside JSON."""

_ACCEPTED = {
    "application/json": Form.JSON,
    "application/x-ndjson": Form.NDJSON,
    "application/ndjson": Form.NDJSON,
    "application/jsonl": Form.NDJSON,
    "application/*": Form.JSON,
    "text/csv": Form.CSV,
    "text/*": Form.CSV,
    "*/*": Form.JSON,
}
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some rows of a table, in order, and how much of it is done with them."""

    rows: tuple[Row, ...]
    done: float | None = None
    """Share from 0 to 1; None: not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table that is made piece by piece while it is read."""

    name: str
    """Of the file that a browser makes of it, without its ending."""
    columns: tuple[str, ...]
    pieces: AsyncIterator[Piece]


def chosen_form(named: str | None, accept: str | None) -> Form:
    """
    The form that a request asks for: by its name, else by the header Accept, else JSON.

    Of several media types that are as welcome, JSON goes before NDJSON and CSV.

    Raises
    ------
    Problem
        400: there is no such form. 406: none of what the header accepts can be sent.
    """
    if named is not None:
        if named not in set(Form):
            raise Problem(
                HTTPStatus.BAD_REQUEST, f"format {named[:40]!r} is not one; ask for {', '.join(Form)} or leave it out"
            )
        return Form(named)
    if accept is None or not accept.strip():
        return Form.JSON
    wanted: dict[Form, tuple[int, float]] = {}
    for part in accept.split(","):
        kind, quality = _preference(part)
        form = _ACCEPTED.get(kind)
        if form is None:
            continue
        # A type that is named says more of it than one that only begins like it.
        exactness = 2 - kind.count("*")
        for one in Form if kind == "*/*" else (form,):
            if exactness >= wanted.get(one, (-1, 0.0))[0]:
                wanted[one] = exactness, quality
    best = max(Form, key=lambda one: wanted.get(one, (0, 0.0))[1])
    if wanted.get(best, (0, 0.0))[1] <= 0:
        raise Problem(
            HTTPStatus.NOT_ACCEPTABLE,
            f"none of {accept[:200]!r} can be sent; accept application/json, application/x-ndjson or text/csv, "
            "or name a format, as ?format=csv",
        )
    return best


def _preference(part: str) -> tuple[str, float]:
    kind, *parameters = part.split(";")
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                quality = min(max(float(value), 0.0), 1.0)
            except ValueError:
                quality = 0.0
    return kind.strip().lower(), quality if quality == quality else 0.0  # noqa: PLR0124 - what is no number is no wish


def _asked(
    request: Request,
    named: Annotated[
        str | None,
        Query(
            alias="format",
            description="`json`, `ndjson` or `csv`; without it the header Accept decides. NDJSON and CSV hold all rows, "
            "whatever `limit` says.",
            max_length=100,
            json_schema_extra={"enum": [*Form]},
        ),
    ] = None,
) -> Form:
    return chosen_form(named, request.headers.get("accept"))


AskedForm = Annotated[Form, Depends(_asked)]
"""The form that a request asks for."""


async def written(form: Form, table: Table) -> AsyncIterator[tuple[bytes, float | None]]:
    """The bytes of a table as it is made, each with how much is done; the first holds the first rows."""
    writer = TableWriter(form, table.columns)
    before = writer.begin()
    async for piece in table.pieces:
        text = await anyio.to_thread.run_sync(partial(writer.rows, piece.rows))
        if before or text:
            yield before + text, piece.done
        before = b""
    if before or writer.end():
        yield before + writer.end(), 1.0


class TableResponse(StreamingResponse):
    """
    A table, sent while it is made.

    Its first rows are made before anything is sent, so that what is wrong from the beginning is still a problem with its
    status. An error after that cuts the answer: its end does not come.
    """

    def __init__(self, form: Form, table: Table) -> None:
        """Of a table, in a form."""
        name = "".join(sign if sign in _SAFE else "-" for sign in table.name)[:120]
        super().__init__(
            _texts(form, table),
            media_type=MEDIA_TYPES[form],
            headers={"Content-Disposition": f'attachment; filename="{name}.{form}"', "Vary": "Accept"},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make the first rows, then send all."""
        rest = aiter(self.body_iterator)
        first = await anext(rest, b"")

        async def body() -> AsyncIterator[Any]:
            yield first
            async for text in rest:
                yield text

        self.body_iterator = body()
        await super().__call__(scope, receive, send)


async def _texts(form: Form, table: Table) -> AsyncIterator[bytes]:
    async for text, _ in written(form, table):
        yield text
