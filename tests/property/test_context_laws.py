"""Entered values by MQTT: decoding is total, and every value is accounted for however a batch is cut."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from domain.context import CONTEXTS
from domain.readings import Message
from ingest import Directory, Limits, decode
from ingest.parts import part_of, ranges
from tests.support.registries import small_registry

TOPIC = b"kawasan/v1/p/t/_context"
DIRECTORY = Directory.of([small_registry()])

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
times = st.sampled_from(["2026", "2026-10", "2026-10-05", "2026-10-01T00:00:00+07:00", "soon", ""]) | scalars
values = st.fixed_dictionaries(
    {"series": st.sampled_from(sorted(CONTEXTS)) | scalars, "start": times, "value": st.floats(0, 1e9) | scalars},
    optional={"stop": times, "note": scalars, "x-own": scalars, "odd": scalars},
)
contents = anything | values | st.fixed_dictionaries({"values": st.lists(values | anything, max_size=8)})
payloads = st.binary(max_size=60) | contents.map(lambda content: json.dumps(content).encode())


def messages(texts: list[bytes]) -> list[Message]:
    return [Message(topic=TOPIC, payload=text, received_us=0) for text in texts]


@given(st.lists(payloads, max_size=6))
def test_whatever_comes_each_message_is_accounted_for(texts: list[bytes]) -> None:
    batch = decode(messages(texts), DIRECTORY, 0, Limits())

    told = {value.message for value in batch.contexts} | {rejection.message for rejection in batch.rejections}
    assert told == set(range(len(texts)))
    assert batch.received >= len(texts)
    assert all(value.entry.start_us < value.entry.stop_us for value in batch.contexts)


@given(st.lists(st.lists(values, min_size=1, max_size=5), min_size=1, max_size=5))
def test_of_a_list_each_value_is_taken_or_rejected(lists: list[list[dict[str, Any]]]) -> None:
    batch = decode(messages([json.dumps({"values": one}).encode() for one in lists]), DIRECTORY, 0, Limits())

    assert batch.received == sum(len(one) for one in lists)


@given(st.lists(payloads, max_size=8), st.integers(1, 5))
def test_parts_of_a_batch_hold_what_the_batch_holds(texts: list[bytes], most: int) -> None:
    batch = decode(messages(texts), DIRECTORY, 0, Limits())

    parts = [part_of(batch, begin, end) for begin, end in ranges(batch, most)]

    assert sum(part.received for part in parts) == batch.received
    assert [value.entry for part in parts for value in part.contexts] == [value.entry for value in batch.contexts]
    for part in parts:
        assert all(0 <= value.message < len(part.messages) for value in part.contexts)
