"""Batches cut into parts: nothing is lost, nothing counted twice, no part too large."""

from dataclasses import replace

import pytest

from domain.readings import Batch, Message
from ingest import Directory, Limits, decode
from ingest.parts import part_of, ranges
from tests.support.registries import small_registry

NOW_US = 1_795_507_200_000_000


def batch_of(*values: int) -> Batch:
    """A batch whose messages hold so many values each; every third value is not a number."""
    messages = []
    for number, count in enumerate(values):
        readings = ",".join(
            f'{{"ts":{NOW_US // 1000 - place},"values":{{"energy_import":{"null" if place % 3 == 2 else number}}}}}'
            for place in range(count)
        )
        payload = f'{{"readings":[{readings}]}}'.encode()
        messages.append(Message(topic=b"kawasan/v1/p/t/m", payload=payload, received_us=NOW_US))
    return decode(messages, Directory.of([small_registry()]), NOW_US, Limits())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((1, 1, 1), [(0, 3)]),
        ((4, 4, 4), [(0, 2), (2, 3)]),
        ((30, 1, 1), [(0, 1), (1, 3)]),
        ((1, 30, 1), [(0, 1), (1, 2), (2, 3)]),
        ((), []),
    ],
)
def test_parts_hold_at_most_so_many_values_or_one_message(
    values: tuple[int, ...], expected: list[tuple[int, int]]
) -> None:
    assert list(ranges(batch_of(*values), 8)) == expected


def test_the_parts_of_a_batch_are_the_batch() -> None:
    batch = batch_of(3, 7, 1, 5, 2)

    parts = [part_of(batch, begin, end) for begin, end in ranges(batch, 8)]

    assert [one for part in parts for one in part.messages] == list(batch.messages)
    assert [one for part in parts for one in part.readings.value.tolist()] == batch.readings.value.tolist()
    assert sum(part.received for part in parts) == batch.received == 18


def test_a_part_numbers_its_messages_from_zero() -> None:
    batch = batch_of(3, 3, 3)

    part = part_of(batch, 1, 3)

    assert part.readings.message.tolist() == [0, 0, 1, 1]
    assert [one.message for one in part.rejections] == [0, 1]
    assert part.rejections[0] == replace(batch.rejections[1], message=0)
