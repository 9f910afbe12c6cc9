"""Versions of what can be changed: the ETag of an answer, and the If-Match of a change."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header

from service.api.problem import Problem

__all__ = ["ANY", "Seen", "check_seen", "etag", "moved_on"]

ANY = -1
"""If-Match was `*`: whatever the version is."""

_LONGEST = 12


def etag(version: int) -> str:
    """The ETag of a version."""
    return f'"{version}"'


def _seen(
    if_match: Annotated[
        str | None,
        Header(
            description="The `ETag` of what you have seen, so that nobody's change is lost; `*` for whatever it is now."
        ),
    ] = None,
) -> int:
    """
    The version that whoever changes something has seen.

    Raises
    ------
    Problem
        428: the header is missing. 412: it is no version of ours, so it is none that holds.
    """
    if if_match is None:
        raise Problem(
            HTTPStatus.PRECONDITION_REQUIRED, "say what you have seen: send its ETag as `If-Match`, or `If-Match: *`"
        )
    if if_match.strip() == "*":
        return ANY
    # A server that sends an answer compressed marks its ETag as weak; it is the same version.
    digits = if_match.strip().removeprefix("W/").removeprefix('"').removesuffix('"')
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST):
        raise Problem(
            HTTPStatus.PRECONDITION_FAILED,
            f"If-Match: {if_match[:100]!r} is no ETag of this; send the one it came with",
        )
    return int(digits)


Seen = Annotated[int, Depends(_seen)]
"""The version of a request's If-Match, or ANY."""


def moved_on(what: str) -> Problem:
    """It changed since it was seen."""
    return Problem(
        HTTPStatus.PRECONDITION_FAILED,
        f"{what} changed since you have seen it; read it again, and decide by what it is now",
    )


def check_seen(seen: int, version: int, what: str) -> None:
    """
    Refuse a change of what is not as it was seen.

    Raises
    ------
    Problem
        412: it is of another version.
    """
    if seen not in {ANY, version}:
        raise moved_on(what)
