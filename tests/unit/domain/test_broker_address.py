"""The address of a broker: what it may be, and that a password is never shown."""

import pytest

from domain.broker import BrokerAddress
from domain.errors import SettingsError


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://broker", BrokerAddress(host="broker", port=1883)),
        ("mqtts://broker", BrokerAddress(host="broker", port=8883, tls=True)),
        ("mqtt://u:p@broker:99/", BrokerAddress(host="broker", port=99, user="u", password="p")),
        ("mqtt://u%40x:p%2Fw@broker", BrokerAddress(host="broker", port=1883, user="u@x", password="p/w")),
        ("mqtt://[::1]:1884", BrokerAddress(host="::1", port=1884)),
    ],
)
def test_an_address_is_read(url: str, expected: BrokerAddress) -> None:
    assert BrokerAddress.parse(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "broker:1883",
        "http://broker",
        "mqtt://",
        "mqtt://b:port",
        "mqtt://b:99999",
        "mqtt://b/topic",
        f"mqtt://{'a' * 70}",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="MQTT address"):
        BrokerAddress.parse(url)


def test_a_password_is_shown_nowhere() -> None:
    address = BrokerAddress.parse("mqtt://user:hush@broker:1883")

    assert "hush" not in f"{address} {address!r}"
    with pytest.raises(SettingsError) as caught:
        BrokerAddress.parse("mqtt://user:hush@broker:1883/topic")
    assert "hush" not in str(caught.value)
