"""Whole answers that are kept, each for the one user it was made for, as long as nothing that it was made of changes."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from fastapi import Request

from service.api.freshness import IDENTITY, INPUTS, NUMBERS, SPANS, Freshness, Stamp
from service.api.kept import Kept
from store.users import User

__all__ = ["OF_NUMBERS", "OF_READINGS", "Again", "Answer", "Answers", "Asked", "Question"]

OF_NUMBERS = (NUMBERS, INPUTS, IDENTITY)
"""What changes answers that are made of what the engine stored, and of entered values, references and the registry."""
OF_READINGS = (SPANS, *OF_NUMBERS)
"""What changes answers that are made of readings too."""

Again: TypeAlias = Callable[[], Awaitable[bytes]]
"""Makes the body of an answer from what the database holds now, the same object where that is as before; it keeps no registry alive."""

_PROMISE = "kawasan_kept"
_UNDERSTOOD = (INPUTS, IDENTITY)
_MOST = 20_000
_EACH_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class Asked:
    """By what one answer differs from another."""

    user: User
    """With all that decides what the user sees: other grants are another key."""
    path: str
    query: bytes
    accept: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer as it was sent, and the route that made it."""

    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    etag: bytes
    route: dict[str, Any]
    """What the scope of a request says of its route, for metrics and logs."""


@dataclass(slots=True, kw_only=True)
class Question:
    """A request that was understood: what its parameters mean holds for longer than the answer; and how it was answered last."""

    again: Again
    channels: Collection[str]
    park: str | None
    before: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Promise:
    user: User
    stamp: Stamp
    understood: Stamp
    channels: Collection[str]
    park: str | None
    again: Again | None = None


class Answers:
    """Answers of this process, and the questions that they answer."""

    def __init__(self, freshness: Freshness, *, most_bytes: int) -> None:
        """Kept while `freshness` hears of no change, half of `most_bytes` for questions."""
        self._freshness = freshness
        self._kept: Kept[Asked, Answer] = Kept(freshness, most=_MOST, most_bytes=most_bytes // 2)
        self._questions: Kept[Asked, Question] = Kept(freshness, most=_MOST, most_bytes=most_bytes // 2)

    def promise(self, request: Request, user: User, channels: Collection[str], park: str | None = None) -> None:
        """
        Say of a request, before anything is read for it, that its answer may be kept until something changes.

        The answer must follow from what is asked, from `user`, and from what `channels` tell of; not from the clock.

        Parameters
        ----------
        park : str or None
            The only park that the answer is made of; None: it is made of several.
        """
        stamp, understood = self._freshness.stamp(channels, park), self._freshness.stamp(_UNDERSTOOD)
        if stamp is not None and understood is not None:
            promise = _Promise(user=user, stamp=stamp, understood=understood, channels=channels, park=park)
            setattr(request.state, _PROMISE, promise)

    @staticmethod
    def understand(request: Request, again: Again) -> None:
        """
        Say how an answer that was promised is made anew, as long as neither users nor inputs change.

        Who asks the same is spared all but that.
        """
        promise: _Promise | None = getattr(request.state, _PROMISE, None)
        if promise is not None:
            setattr(request.state, _PROMISE, replace(promise, again=again))

    @staticmethod
    def withdraw(request: Request) -> None:
        """Take a promise back: the answer depends on more."""
        setattr(request.state, _PROMISE, None)

    def known(self, asked: Asked) -> Answer | None:
        """The answer, where it is kept and still holds."""
        return self._kept.get(asked)

    def question(self, asked: Asked) -> Question | None:
        """What was asked, where it was understood before and still means the same."""
        return self._questions.get(asked)

    def keep(self, request: Request, accept: bytes, answer: Answer) -> None:
        """Keep an answer that has just been made, where that was promised."""
        promise: _Promise | None = getattr(request.state, _PROMISE, None)
        if promise is None:
            return
        asked = Asked(promise.user, request.scope["path"], request.scope["query_string"], accept)
        size = len(answer.body) + _EACH_BYTES
        self._kept.put(asked, answer, promise.stamp, promise.channels, park=promise.park, size=size)
        if promise.again is not None:
            question = Question(again=promise.again, channels=promise.channels, park=promise.park, before=answer)
            # It also holds what was read, and the times, and how they are written.
            self._questions.put(asked, question, promise.understood, _UNDERSTOOD, size=_EACH_BYTES + 3 * size)
