"""Questions of several requests are read in few goes, and each gets what it would have got alone."""

import asyncio
from collections.abc import Sequence

import pytest

from domain.errors import DataError, Unavailable
from service.api.together import Together

AT_ONCE, MOST = 2, 10


class Database:
    """Answers each question by its square, when it is let; and remembers who came together."""

    def __init__(self) -> None:
        self.goes: list[list[int]] = []
        self.under_way = 0
        self.most_under_way = 0
        self.open = asyncio.Event()

    async def read(self, questions: Sequence[int]) -> list[int]:
        self.goes.append(list(questions))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.open.wait()
            if -1 in questions:
                raise DataError("-1 has no answer")
            if -2 in questions:
                raise Unavailable("nobody is there")
            return [one * one for one in questions]
        finally:
            self.under_way -= 1


def together(database: Database) -> Together[int, int]:
    return Together(database.read, abs, at_once=AT_ONCE, most=MOST)


async def test_who_comes_first_is_read_at_once_and_who_comes_meanwhile_is_read_next_together() -> None:
    database = Database()
    reads = together(database)
    first = [asyncio.create_task(reads.ask([1]))]
    await asyncio.sleep(0.01)
    first.append(asyncio.create_task(reads.ask([2])))
    await asyncio.sleep(0.01)
    later = [asyncio.create_task(reads.ask([number])) for number in (3, 4, 1)]
    await asyncio.sleep(0.01)
    assert database.goes == [[1], [2]]
    database.open.set()
    assert [await one for one in (*first, *later)] == [[1], [4], [9], [16], [1]]
    assert database.goes == [[1], [2], [3, 4, 1]]
    assert database.most_under_way == AT_ONCE


async def test_what_is_large_goes_alone_and_goes_are_never_larger_than_that() -> None:
    database = Database()
    database.open.set()
    reads = together(database)
    asked = [[3, 4], [4], [50], [1], [2]]
    found = await asyncio.gather(*(reads.ask(one) for one in asked))
    assert found == [[9, 16], [16], [2500], [1], [4]]
    assert database.goes == [[3, 4], [4], [50], [1, 2]]


async def test_one_that_cannot_be_read_takes_no_other_with_it() -> None:
    database = Database()
    database.open.set()
    reads = together(database)
    found = await asyncio.gather(*(reads.ask([number]) for number in (1, -1, 2)), return_exceptions=True)
    assert (found[0], found[2]) == ([1], [4])
    assert isinstance(found[1], DataError)


async def test_without_a_database_all_are_told_and_the_next_is_tried_again() -> None:
    database = Database()
    database.open.set()
    reads = together(database)
    found = await asyncio.gather(*(reads.ask([number]) for number in (1, -2, 2)), return_exceptions=True)
    assert all(isinstance(one, Unavailable) for one in found)
    assert await reads.ask([3]) == [9]


async def test_who_goes_away_is_not_read_for_and_holds_nobody_up() -> None:
    database = Database()
    reads = together(database)
    tasks = []
    for number in (1, 2, 3, 4):
        tasks.append(asyncio.create_task(reads.ask([number])))
        await asyncio.sleep(0.01)
    tasks[0].cancel()
    tasks[2].cancel()
    await asyncio.sleep(0.01)
    database.open.set()
    assert await tasks[1] == [4]
    assert await tasks[3] == [16]
    assert [3] not in database.goes
    for gone in (tasks[0], tasks[2]):
        with pytest.raises(asyncio.CancelledError):
            await gone


async def test_who_asks_as_soon_as_the_last_go_has_answered_is_read_too() -> None:
    database = Database()
    database.open.set()
    reads = Together(database.read, abs, at_once=1, most=MOST)
    async with asyncio.timeout(10):
        assert [await reads.ask([number]) for number in range(20)] == [[number * number] for number in range(20)]
