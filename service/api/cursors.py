"""
Long lists in pages: a mark says after which row the next page begins, and `Link` is the way there (RFC 8288).

A mark holds the key of a row, and belongs to one list with its parameters. It needs no signature: whoever makes one up begins elsewhere in a
list that shows nothing but what the asking user may see.
"""

import binascii
import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response

from domain.errors import InputError
from domain.time import from_datetime, parse_instant, to_datetime
from service.api.problem import Problem, refused

__all__ = ["Pager", "paged"]

_Row = TypeVar("_Row")

_LONGEST = 800
_LONGEST_TEXT = 300
_MOST_NUMBER = 2**63
_NOT_OF_LIST = frozenset({"after", "limit", "format"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pager:
    """One page of a list, as a request asks for it."""

    after: tuple[Any, ...] | None
    """Key of the last row of the page before; None: from the beginning."""
    limit: int
    request: Request
    response: Response

    @property
    def wanted(self) -> int:
        """How many rows to read: one more than are shown, which tells whether there are more."""
        return self.limit + 1

    def page(self, rows: Sequence[_Row], key: Callable[[_Row], Sequence[Any]]) -> tuple[Sequence[_Row], str | None]:
        """The rows to show, and the mark of the page after them; None: these were all. Sets `Link`."""
        shown = rows[: self.limit]
        if len(rows) <= self.limit:
            return shown, None
        mark = _mark(self.request, key(shown[-1]))
        asked = [
            (name, value) for name, value in self.request.query_params.multi_items() if name not in {"after", "limit"}
        ]
        # Relative to the address that the client asked, which only it knows where there is a proxy.
        query = urlencode([*asked, ("limit", self.limit), ("after", mark)])
        self.response.headers["Link"] = f'<?{query}>; rel="next"'
        return shown, mark


def paged(*kinds: type, most: int = 1000, usual: int = 100) -> Any:
    """
    A dependency that reads `after` and `limit`.

    Parameters
    ----------
    kinds : types
        Of the parts of a row's key: int, str or datetime.
    most, usual : int
        Rows of a page: at most, and where the request says nothing.
    """

    async def pager(
        request: Request,
        response: Response,
        after: Annotated[
            str | None,
            Query(
                description="`next` of the page before, which the header `Link` leads to as well.", max_length=_LONGEST
            ),
        ] = None,
        limit: Annotated[int, Query(ge=1, le=most, description="Most rows of one page.")] = usual,
    ) -> Pager:
        key = None if after is None else _key(request, after, kinds)
        return Pager(after=key, limit=limit, request=request, response=response)

    return Depends(pager)


def _list(request: Request) -> str:
    """Which list, with which parameters."""
    asked = sorted((name, value) for name, value in request.query_params.multi_items() if name not in _NOT_OF_LIST)
    return hashlib.sha256(json.dumps([request.scope["path"], asked]).encode()).hexdigest()[:12]


def _mark(request: Request, key: Sequence[Any]) -> str:
    parts = [to_datetime(from_datetime(one)).isoformat() if isinstance(one, datetime) else one for one in key]
    text = json.dumps([_list(request), *parts], separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _key(request: Request, mark: str, kinds: Sequence[type]) -> tuple[Any, ...]:
    wrong = refused(f"after: {mark[:40]!r} is no `next` of a page of this list with these parameters; begin without it")
    try:
        found = json.loads(urlsafe_b64decode(mark.encode("ascii") + b"=" * (-len(mark) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        raise wrong from None
    if not isinstance(found, list) or len(found) != len(kinds) + 1 or found[0] != _list(request):
        raise wrong
    return tuple(_part(part, kind, wrong) for part, kind in zip(found[1:], kinds, strict=True))


def _part(part: Any, kind: type, wrong: Problem) -> Any:
    if kind is int and type(part) is int and 0 <= part < _MOST_NUMBER:
        return part
    if kind is str and isinstance(part, str) and len(part) <= _LONGEST_TEXT and part.isprintable():
        return part
    if kind is datetime and isinstance(part, str):
        try:
            return to_datetime(parse_instant(part))
        except InputError:
            raise wrong from None
    raise wrong
