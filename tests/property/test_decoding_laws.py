"""Decoding is total: whatever arrives ends as readings or rejections, and all values are counted."""

import json
from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InputError
from domain.readings import Batch, Message
from domain.time import parse_instant, to_datetime
from ingest import Directory, Limits, decode
from ingest.instants import instants
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

stamp = (
    st.integers(-60_000_000_000_000, 60_000_000_000_000)
    | st.sampled_from([2**63, -(2**63), 10**30, 253_402_300_800_000])
    | st.text(max_size=26)
    | st.tuples(
        st.integers(0, 9999).map(lambda year: f"{year:04d}"),
        st.sampled_from(["-01-31T", "-02-29T", "-02-30T", "-12-01t", "-13-01T", "-04-31T", "/01/01T", "-06-15 "]),
        st.sampled_from(["08:15:00", "23:59:59", "24:00:00", "00:00:60", "08:15", "081500", "٠8:15:00"]),
        st.sampled_from(["", ".5", ".123", ".123456", ".1234567"]),
        st.sampled_from(["Z", "z", "+07:00", "-03:30", "+23:59", "+24:00", "+0700", "", "+07"]),
    ).map("".join)
)


def decoded(payload: bytes, topic: bytes = TOPIC) -> Batch:
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


@settings(deadline=None, max_examples=150)
@given(content=message)
def test_every_value_is_counted_once(content: dict[str, Any]) -> None:
    assert decoded(json.dumps(content).encode()).received == values_in(content)


@settings(deadline=None, max_examples=150)
@given(content=message)
def test_readings_are_finite_and_of_known_channels(content: dict[str, Any]) -> None:
    readings = decoded(json.dumps(content).encode()).readings

    assert np.isfinite(readings.value).all()
    assert set(readings.channel_id.tolist()) <= {1, 2, 3}


@settings(deadline=None, max_examples=150)
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


@settings(deadline=None, max_examples=150)
@given(content=message)
def test_the_quick_and_the_careful_way_mean_the_same(content: dict[str, Any]) -> None:
    quick = decoded(json.dumps(content).encode())
    # A key of the gateway's own is passed over, and makes the decoder look at every value by itself.
    careful = decoded(json.dumps(content | {"_own": None}).encode())

    assert_same(quick, careful)


plain_reading = st.fixed_dictionaries(
    {
        "ts": st.integers(1_790_000_000_000_000, 1_795_500_000_000_000).map(
            lambda ts_us: to_datetime(ts_us).isoformat()
        )
        | st.integers(1_790_000_000_000, 1_795_500_000_000),
        "values": st.dictionaries(
            st.sampled_from(["energy_import", "cod", "effluent_flow"]),
            st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
            min_size=1,
        ),
    }
)


@settings(deadline=None, max_examples=150)
@given(readings=st.lists(plain_reading, min_size=1, max_size=5))
def test_plain_readings_mean_the_same_either_way_to_the_last_bit(readings: list[dict[str, Any]]) -> None:
    quick = decoded(json.dumps({"readings": readings}).encode())
    careful = decoded(json.dumps({"readings": readings, "_own": None}).encode())

    assert_same(quick, careful)
    assert quick.received == sum(len(one["values"]) for one in readings)


@settings(deadline=None, max_examples=150)
@given(stamps=st.lists(stamp, min_size=1, max_size=6))
def test_times_read_together_are_those_read_one_by_one(stamps: list[int | str]) -> None:
    ts_us, refused = instants(stamps)

    for position, one in enumerate(stamps):
        alone = one_by_one(one)
        if alone is None:
            assert position in refused
        else:
            assert position not in refused
            assert ts_us[position] == alone


def one_by_one(one: int | str) -> int | None:
    if isinstance(one, int):
        return one * 1000 if abs(one) <= 60_000_000_000_000 else None
    try:
        return parse_instant(one)
    except InputError:
        return None


def assert_same(one: Batch, other: Batch) -> None:
    assert one.readings.channel_id.tolist() == other.readings.channel_id.tolist()
    assert one.readings.ts_us.tolist() == other.readings.ts_us.tolist()
    assert one.readings.value.tobytes() == other.readings.value.tobytes()
    assert one.readings.quality.tolist() == other.readings.quality.tolist()
    assert Counter((r.place, r.reason, r.values) for r in one.rejections) == Counter(
        (r.place, r.reason, r.values) for r in other.rejections
    )
