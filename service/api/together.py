"""Questions that wait at the same time are read at the same time: a request then pays for its rows, not for a statement of its own.

Nobody is made to wait for others: whoever comes first is read at once, and who comes meanwhile is read next, together.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from domain.errors import DataError

__all__ = ["Together"]

_Question = TypeVar("_Question")
_Found = TypeVar("_Found")

Read: TypeAlias = Callable[[Sequence[_Question]], Awaitable[Sequence[_Found]]]
"""What each question finds, in their order."""
Size: TypeAlias = Callable[[_Question], int]
"""About how many rows a question finds at most."""


@dataclass(slots=True, kw_only=True)
class _Asked(Generic[_Question, _Found]):
    questions: Sequence[_Question]
    size: int
    answer: "asyncio.Future[Sequence[_Found]]"


class Together(Generic[_Question, _Found]):
    """Reads what is asked, in as few goes as may run at once; of one event loop."""

    def __init__(self, read: Read[_Question, _Found], size: Size[_Question], *, at_once: int, most: int) -> None:
        """
        Nothing is asked yet.

        Parameters
        ----------
        at_once : int
            How many goes may be under way at the same time.
        most : int
            How large questions of a go may be together; what is larger by itself goes alone.
        """
        self._read = read
        self._size = size
        self._at_once = at_once
        self._most = most
        self._waiting: deque[_Asked[_Question, _Found]] = deque()
        self._under_way = 0
        self._going: set[asyncio.Task[None]] = set()

    async def ask(self, questions: Sequence[_Question]) -> Sequence[_Found]:
        """
        What some questions find, in their order; all of them are read in one go.

        Raises
        ------
        Exception
            What reading them raised.
        """
        answer: asyncio.Future[Sequence[_Found]] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(questions=questions, size=sum(map(self._size, questions)), answer=answer))
        if self._under_way < self._at_once:
            self._under_way += 1
            # Not in the context of this request: what is logged is not about it alone.
            task = asyncio.create_task(self._go(), context=Context())
            self._going.add(task)
            task.add_done_callback(self._going.discard)
        return await answer

    async def _go(self) -> None:
        try:
            while taken := self._take():
                await self._answer(taken)
        finally:
            # In the same step as finding that nobody waits: who asks from now on starts another go.
            self._under_way -= 1

    def _take(self) -> list[_Asked[_Question, _Found]]:
        """Those that waited longest, as many as fit; whoever went away is forgotten."""
        taken: list[_Asked[_Question, _Found]] = []
        size = 0
        while self._waiting and (not taken or size + self._waiting[0].size <= self._most):
            one = self._waiting.popleft()
            if not one.answer.done():
                taken.append(one)
                size += one.size
        return taken

    async def _answer(self, taken: Sequence[_Asked[_Question, _Found]]) -> None:
        try:
            found = await self._read([question for one in taken for question in one.questions])
        except DataError as error:
            # One of them cannot be read; the others are not lost with it.
            if len(taken) == 1:
                _fail(taken, error)
            else:
                for one in taken:
                    await self._answer([one])
        except asyncio.CancelledError:
            for one in taken:
                one.answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait have to deal with it
            _fail(taken, error)
        else:
            first = 0
            for one in taken:
                if not one.answer.done():
                    one.answer.set_result(found[first : first + len(one.questions)])
                first += len(one.questions)


def _fail(taken: Sequence[_Asked[_Question, _Found]], error: Exception) -> None:
    for one in taken:
        if not one.answer.done():
            one.answer.set_exception(error)
