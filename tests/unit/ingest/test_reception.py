"""How messages are received: settings that cannot work are refused before anything is connected."""

import pytest

from domain.errors import SettingsError
from ingest import Reception


@pytest.mark.parametrize("client_id", ["", "kawasan.ingest", "kawasan ingest", "a/b", "x" * 65, "ingest\n"])
def test_a_client_id_that_some_broker_refuses_is_refused_here(client_id: str) -> None:
    with pytest.raises(SettingsError, match="client id"):
        Reception(client_id=client_id)


@pytest.mark.parametrize("window", [0, 65_536])
def test_a_window_that_mqtt_has_no_room_for_is_refused(window: int) -> None:
    with pytest.raises(SettingsError, match="receive maximum"):
        Reception(client_id="ingest", receive_maximum=window)


def test_the_queue_holds_at_least_one_window() -> None:
    reception = Reception(client_id="ingest", receive_maximum=50)

    assert reception.queue_messages >= 50
