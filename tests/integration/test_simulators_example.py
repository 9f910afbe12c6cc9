"""What the example park's meters say is taken by ingest without a rejection, and computed without a doubt."""

import numpy as np

from domain.frames import Readings
from domain.readings import Message
from domain.time import HOUR_US
from ingest.directory import Directory
from ingest.wire import Limits, decode
from kpi.amounts import interval_amounts
from kpi.ranges import Ranges
from kpi.table import ChannelTable
from simulators.reports import message
from store import Role, connect
from store.registry import load_registry
from tests.support.databases import apply_to
from tests.support.example_park import example_park
from tests.support.simulated import MONDAY_US, hours_after, simulated_example


def test_readings_of_the_example_park_are_all_taken_and_wholly_measured(timescale_url: str) -> None:
    apply_to(timescale_url, example_park())
    with connect(timescale_url, Role.WRITE) as conn:
        registry = load_registry(conn, "karawang")
    start_us, stop_us = hours_after(MONDAY_US, 5), hours_after(MONDAY_US, 7)
    park = simulated_example()
    messages = [message(park.key, one) for one in park.reports(start_us - HOUR_US, stop_us + HOUR_US)]

    heard = [Message(topic=one.topic.encode(), payload=one.payload, received_us=one.due_us) for one in messages]
    batch = decode(heard, Directory.of((registry,)), stop_us + 2 * HOUR_US, Limits())
    order = np.lexsort((batch.readings.ts_us, batch.readings.channel_id))
    ids = np.array(sorted(channel.id for channel in registry.channels), dtype=np.int32)
    amounts = interval_amounts(
        ChannelTable.of(registry),
        Readings(
            channel_id=batch.readings.channel_id[order],
            ts_us=batch.readings.ts_us[order],
            value=batch.readings.value[order],
            quality=batch.readings.quality[order],
            conflict=np.zeros(len(order), dtype=np.bool_),
        ),
        Ranges(channel_id=ids, from_us=np.full(len(ids), start_us), to_us=np.full(len(ids), stop_us)),
        registry.park.zone,
        registry.park.base_s,
    )

    assert batch.rejections == ()
    assert len(amounts) == 8 * len(ids)
    assert set(amounts.measured_s.tolist()) == {900.0}
    assert set(amounts.flags.tolist()) == {0}
