"""Decoding is total: whatever arrives ends as readings or rejections, and all values are counted."""

import json
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.readings import Message
from domain.time import parse_instant
from ingest import Directory, Limits, decode
from tests.support.registries import small_registry

NOW_US = parse_instant("2026-11-24T08:00:00Z")
TOPIC = b"kawasan/v1/p/t/m"
DIRECTORY = Directory.of([small_registry()])

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
quantity = st.sampled_from(["energy_import", "cod", "effluent_flow", "load_cod", "power", "\x00", ""])
instant = st.sampled_from(["2026-11-24T07:45:00Z", "2026-11-24T07:45:00", 1_795_500_000_000]) | anything
reading = st.fixed_dictionaries(
    {"ts": instant, "values": st.dictionaries(quantity, st.floats(0, 9) | anything, min_size=1, max_size=4)},
    optional={"quality": anything, "units": anything, "_own": anything},
)
message = reading | st.fixed_dictionaries({"readings": st.lists(reading, min_size=1, max_size=4)})


def decoded(payload: bytes, topic: bytes = TOPIC) -> Any:
    one = Message(topic=topic, payload=payload, received_us=NOW_US)
    return decode([one], DIRECTORY, NOW_US, Limits())


def values_in(content: dict[str, Any]) -> int:
    return sum(len(one["values"]) for one in content.get("readings", [content]))


@settings(deadline=None)
@given(topic=st.binary(max_size=30) | st.just(TOPIC), payload=st.binary(max_size=200))
def test_any_bytes_end_as_at_least_one_value(topic: bytes, payload: bytes) -> None:
    assert decoded(payload, topic).received >= 1


@settings(deadline=None)
@given(content=anything)
def test_any_json_ends_as_at_least_one_value(content: object) -> None:
    assert decoded(json.dumps(content).encode()).received >= 1


@settings(deadline=None, max_examples=300)
@given(content=message)
def test_every_value_is_counted_once(content: dict[str, Any]) -> None:
    assert decoded(json.dumps(content).encode()).received == values_in(content)


@settings(deadline=None, max_examples=300)
@given(content=message)
def test_readings_are_finite_and_of_known_channels(content: dict[str, Any]) -> None:
    readings = decoded(json.dumps(content).encode()).readings

    assert np.isfinite(readings.value).all()
    assert set(readings.channel_id.tolist()) <= {1, 2, 3}


@settings(deadline=None, max_examples=300)
@given(content=message, place=st.integers(0, 300), byte=st.integers(0, 255))
def test_a_damaged_payload_is_still_decoded(content: dict[str, Any], place: int, byte: int) -> None:
    payload = bytearray(json.dumps(content).encode())
    payload[place % len(payload)] = byte

    assert decoded(bytes(payload)).received >= 1


@settings(deadline=None)
@given(content=message)
def test_messages_do_not_touch_each_other(content: dict[str, Any]) -> None:
    good = Message(
        topic=TOPIC, payload=b'{"ts":"2026-11-24T07:45:00Z","values":{"energy_import":5}}', received_us=NOW_US
    )
    other = Message(topic=TOPIC, payload=json.dumps(content).encode(), received_us=NOW_US)

    batch = decode([good, other, good], DIRECTORY, NOW_US, Limits())

    ours = np.isin(batch.readings.message, [0, 2])
    assert batch.readings.value[ours].tolist() == [5.0, 5.0]
