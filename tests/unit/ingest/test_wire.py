"""What the decoder makes of messages: readings, and rejections with their reason."""

import json
from dataclasses import replace

import pytest

from domain.quality import Quality
from domain.readings import Batch, Message, Reason
from domain.time import parse_instant
from ingest import Directory, Limits, decode
from tests.support.registries import small_registry

NOW_US = parse_instant("2026-11-24T08:00:00Z")
TS = "2026-11-24T14:45:00+07:00"
TS_US = parse_instant("2026-11-24T07:45:00Z")
TOPIC = b"kawasan/v1/p/t/m"
DIRECTORY = Directory.of([small_registry()])


def decoded(payload: bytes | dict[str, object], topic: bytes = TOPIC, oldest_us: int | None = None) -> Batch:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    message = Message(topic=topic, payload=raw, received_us=NOW_US, oldest_us=oldest_us)
    return decode([message], DIRECTORY, NOW_US, Limits())


def reasons(batch: Batch) -> list[tuple[str, Reason]]:
    return [(rejection.place, rejection.reason) for rejection in batch.rejections]


def test_a_value_comes_with_its_channel_and_time() -> None:
    batch = decoded({"ts": TS, "values": {"energy_import": 12.5}})

    assert batch.readings.channel_id.tolist() == [1]
    assert batch.readings.ts_us.tolist() == [TS_US]
    assert batch.readings.value.tolist() == [12.5]
    assert batch.sources == ("p/t",)
    assert batch.rejections == ()


def test_milliseconds_and_rfc_3339_name_the_same_instant() -> None:
    batch = decoded({"ts": TS_US // 1000, "values": {"energy_import": 1}})

    assert batch.readings.ts_us.tolist() == [TS_US]


def test_a_mean_stamped_at_its_end_begins_an_interval_earlier() -> None:
    batch = decoded({"ts": TS, "values": {"cod": 80}})

    assert batch.readings.ts_us.tolist() == [TS_US - 86_400_000_000]


def test_a_value_is_brought_from_the_channels_wire_unit_to_the_canonical_one() -> None:
    batch = decoded({"ts": TS, "values": {"effluent_flow": 10}})

    assert batch.readings.value.tolist() == [36.0]


def test_a_unit_in_the_message_goes_before_the_channels_own() -> None:
    batch = decoded({"ts": TS, "values": {"energy_import": 2}, "units": {"energy_import": "MWh"}})

    assert batch.readings.value.tolist() == [2000.0]


@pytest.mark.parametrize(
    ("quality", "mask"),
    [
        ("fault", Quality.FAULT),
        (["calibration", "clock_unsure"], Quality.CALIBRATION | Quality.CLOCK_UNSURE),
        ({"energy_import": "maintenance"}, Quality.MAINTENANCE),
        ({"cod": "fault"}, 0),
        ([], 0),
    ],
)
def test_quality_is_said_of_all_values_or_by_quantity(quality: object, mask: int) -> None:
    batch = decoded({"ts": TS, "values": {"energy_import": 1}, "quality": quality})

    assert batch.readings.quality.tolist() == [mask]


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", [("", Reason.MALFORMED)]),
        (b"{", [("", Reason.MALFORMED)]),
        (b"[1]", [("", Reason.MALFORMED)]),
        (b'{"a":"\xff"}', [("", Reason.ENCODING)]),
        (b"[" * 100_000, [("", Reason.MALFORMED)]),
        (b'{"readings":[]}', [("", Reason.MALFORMED)]),
        (b'{"readings":{}}', [("", Reason.MALFORMED)]),
        (b'{"readings":[7]}', [("readings[0]", Reason.MALFORMED)]),
        ({"ts": TS}, [("", Reason.MALFORMED)]),
        ({"ts": TS, "values": {}}, [("", Reason.MALFORMED)]),
        ({"ts": TS, "values": [1]}, [("", Reason.MALFORMED)]),
        ({"ts": TS, "values": {"energy_import": 1}, "unit": "MWh"}, [("", Reason.MALFORMED)]),
        ({"values": {"energy_import": 1}}, [("", Reason.TIME)]),
        ({"ts": "2026-11-24T14:45:00", "values": {"energy_import": 1}}, [("", Reason.TIME)]),
        ({"ts": "yesterday", "values": {"energy_import": 1}}, [("", Reason.TIME)]),
        ({"ts": 1.5, "values": {"energy_import": 1}}, [("", Reason.TIME)]),
        ({"ts": True, "values": {"energy_import": 1}}, [("", Reason.TIME)]),
        ({"ts": 10**30, "values": {"energy_import": 1}}, [("", Reason.TIME)]),
        ({"ts": "2026-11-24T08:05:01Z", "values": {"energy_import": 1}}, [("values.energy_import", Reason.CLOCK)]),
        ({"ts": "2025-10-01T00:00:00Z", "values": {"energy_import": 1}}, [("values.energy_import", Reason.CLOCK)]),
        ({"ts": 1_795_500_000, "values": {"energy_import": 1}}, [("values.energy_import", Reason.CLOCK)]),
        ({"ts": TS, "values": {"energy_import": "1"}}, [("values.energy_import", Reason.NOT_A_NUMBER)]),
        ({"ts": TS, "values": {"energy_import": None}}, [("values.energy_import", Reason.NOT_A_NUMBER)]),
        ({"ts": TS, "values": {"energy_import": True}}, [("values.energy_import", Reason.NOT_A_NUMBER)]),
        ({"ts": TS, "values": {"energy_import": float("nan")}}, [("values.energy_import", Reason.NOT_FINITE)]),
        ({"ts": TS, "values": {"energy_import": float("-inf")}}, [("values.energy_import", Reason.NOT_FINITE)]),
        ({"ts": TS, "values": {"energy_import": 10**400}}, [("values.energy_import", Reason.NOT_FINITE)]),
        ({"ts": TS, "values": {"power": 1}}, [("values.power", Reason.UNKNOWN_CHANNEL)]),
        ({"ts": TS, "values": {"load_cod": 1}}, [("values.load_cod", Reason.UNKNOWN_CHANNEL)]),
        (
            {"ts": TS, "values": {"energy_import": 1}, "units": {"energy_import": "m3"}},
            [("values.energy_import", Reason.UNIT)],
        ),
        (
            {"ts": TS, "values": {"energy_import": 1}, "units": {"energy_import": 3}},
            [("values.energy_import", Reason.UNIT)],
        ),
        ({"ts": TS, "values": {"energy_import": 1}, "units": "kWh"}, [("", Reason.UNIT)]),
        ({"ts": TS, "values": {"energy_import": 1}, "units": {"energy": "MWh"}}, [("", Reason.UNIT)]),
        ({"ts": TS, "values": {"energy_import": 1}, "quality": {"energy": "fault"}}, [("", Reason.QUALITY)]),
        (
            {"ts": TS, "values": {"energy_import": 1}, "quality": {"energy_import": {}}},
            [("values.energy_import", Reason.QUALITY)],
        ),
        (
            {"ts": TS, "values": {"energy_import": 1}, "units": {"energy_import": "9**9**9**9"}},
            [("values.energy_import", Reason.UNIT)],
        ),
        (
            {"ts": TS, "values": {"energy_import": 1e308}, "units": {"energy_import": "MWh"}},
            [("values.energy_import", Reason.NOT_FINITE)],
        ),
        (b'{"readings":[{"ts":1,"values":{"cod":1}}],"ts":null}', [("", Reason.MALFORMED)]),
        (b'{"ts":1,"values":{"cod":1}}\x00', [("", Reason.ENCODING)]),
        (b'\xef\xbb\xbf{"ts":1,"values":{"cod":1}}', [("", Reason.MALFORMED)]),
        (b'{"ts":1,"ts":2,"values":{"cod":1}}', [("", Reason.MALFORMED)]),
        (b'{"ts":' + b"9" * 5000 + b',"values":{"cod":1}}', [("", Reason.TIME)]),
        ({"ts": TS, "values": {"energy_import": 1}, "quality": "good"}, [("values.energy_import", Reason.QUALITY)]),
        ({"ts": TS, "values": {"energy_import": 1}, "quality": 4}, [("values.energy_import", Reason.QUALITY)]),
    ],
)
def test_what_is_wrong_is_a_rejection_with_its_place_and_reason(
    payload: bytes | dict[str, object], expected: list[tuple[str, Reason]]
) -> None:
    batch = decoded(payload)

    assert reasons(batch) == expected
    assert len(batch.readings) == 0


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        (b"kawasan/v1/p/t", Reason.TOPIC),
        (b"kawasan/v2/p/t/m", Reason.TOPIC),
        (b"kawasan/v1/p/t/m/x", Reason.TOPIC),
        (b"kawasan/v1//t/m", Reason.TOPIC),
        (b"kawasan/v1/p/t/other", Reason.UNKNOWN_METER),
        (b"kawasan/v1/p/t/\xff", Reason.ENCODING),
        (b"kawasan/v1/p/t/m\0", Reason.ENCODING),
    ],
)
def test_a_topic_that_names_no_meter_is_a_rejection(topic: bytes, reason: Reason) -> None:
    batch = decoded({"ts": TS, "values": {"energy_import": 1}}, topic=topic)

    assert reasons(batch) == [("", reason)]
    assert batch.sources == ("unknown",)


def test_a_payload_over_the_limit_is_a_rejection() -> None:
    batch = decoded(b" " * (256 * 1024 + 1))

    assert reasons(batch) == [("", Reason.TOO_LARGE)]


def test_a_message_with_too_many_values_is_a_rejection() -> None:
    message = Message(topic=TOPIC, payload=b'{"ts":0,"values":{"a":1,"b":2}}', received_us=NOW_US)

    batch = decode([message], DIRECTORY, NOW_US, Limits(values=1))

    assert reasons(batch) == [("", Reason.TOO_LARGE)]


def test_good_values_beside_bad_ones_are_kept() -> None:
    text = f'{{"ts":"{TS}","values":{{"energy_import":5,"cod":NaN,"nonsense":1,"effluent_flow":1e999}}}}'

    batch = decoded(text.encode())

    assert batch.readings.value.tolist() == [5.0]
    assert [rejection.reason for rejection in batch.rejections] == [
        Reason.NOT_FINITE,
        Reason.UNKNOWN_CHANNEL,
        Reason.NOT_FINITE,
    ]
    assert batch.received == 4


def test_a_quantity_given_twice_is_a_rejection_of_both_and_of_nothing_else() -> None:
    text = f'{{"ts":"{TS}","values":{{"energy_import":5,"cod":80,"cod":90}}}}'

    batch = decoded(text.encode())

    assert batch.readings.value.tolist() == [5.0]
    assert [(one.place, one.reason, one.values) for one in batch.rejections] == [("values.cod", Reason.MALFORMED, 2)]
    assert batch.received == 3


def test_a_key_given_twice_is_seen_among_many_readings() -> None:
    text = (
        f'{{"readings":[{{"ts":"{TS}","values":{{"energy_import":5}}}},{{"ts":"{TS}","ts":1,"values":{{"cod":2}}}}]}}'
    )

    batch = decoded(text.encode())

    assert batch.readings.value.tolist() == [5.0]
    assert reasons(batch) == [("readings[1]", Reason.MALFORMED)]


def test_a_message_naming_too_many_units_keeps_pint_waiting_no_longer() -> None:
    readings = [
        {"ts": TS_US // 1000 - number, "values": {"energy_import": 1}, "units": {"energy_import": f"u{number}"}}
        for number in range(100)
    ]

    batch = decoded({"readings": readings})

    assert [one.detail for one in batch.rejections[64:]] == [
        "energy_import: more than 64 different units in one message"
    ] * 36


def test_rejections_come_in_the_order_of_their_messages() -> None:
    early = Message(topic=TOPIC, payload=b'{"ts":0,"values":{"cod":1}}', received_us=NOW_US)
    wrong = Message(topic=TOPIC, payload=b"{", received_us=NOW_US)

    batch = decode([early, wrong, early], DIRECTORY, NOW_US, Limits())

    assert [one.message for one in batch.rejections] == [0, 1, 2]


def test_a_register_is_read_on_the_end_of_its_life_and_not_after() -> None:
    registry = small_registry()
    channels = tuple(replace(channel, valid_to_us=TS_US) for channel in registry.channels)
    directory = Directory.of([replace(registry, channels=channels)])
    at = [
        Message(topic=TOPIC, payload=b'{"ts":%d,"values":{"energy_import":1}}' % ms, received_us=NOW_US)
        for ms in (TS_US // 1000, TS_US // 1000 + 1)
    ]

    batch = decode(at, directory, NOW_US, Limits())

    assert batch.readings.ts_us.tolist() == [TS_US]
    assert [(one.message, one.reason) for one in batch.rejections] == [(1, Reason.CLOCK)]


def test_a_time_in_seconds_is_told_to_be_one() -> None:
    batch = decoded({"ts": 1_795_500_000, "values": {"energy_import": 1}})

    assert "seconds" in batch.rejections[0].detail


def test_one_bad_reading_does_not_touch_the_others_of_its_message() -> None:
    good = {"ts": TS, "values": {"energy_import": 1}}
    batch = decoded({"readings": [good, {"ts": "soon", "values": {"energy_import": 2, "cod": 3}}, good]})

    assert batch.readings.value.tolist() == [1.0, 1.0]
    assert reasons(batch) == [("readings[1]", Reason.TIME)]
    assert batch.received == 4


def test_keys_of_the_gateways_own_are_ignored() -> None:
    batch = decoded({"ts": TS, "values": {"energy_import": 1}, "_seq": 4, "x-rssi": -70})

    assert batch.rejections == ()


def test_an_import_may_go_back_further() -> None:
    batch = decoded({"ts": "2021-01-01T00:00:00Z", "values": {"energy_import": 1}}, oldest_us=0)

    assert batch.rejections == ()


def test_a_detail_is_printable_and_short_whatever_the_payload_holds() -> None:
    batch = decoded({"ts": "\x00\u202e" * 200, "values": {"energy_import": 1}})

    detail = batch.rejections[0].detail
    assert len(detail) <= 300
    assert all(" " <= sign <= "~" for sign in detail)
