"""The address of an MQTT broker, as `KAWASAN_MQTT_URL` gives it."""

from dataclasses import dataclass, field

from domain.serverurl import parse_server_url

__all__ = ["BrokerAddress"]

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_EXAMPLE = "mqtt://user:password@broker.example:1883 (or mqtts:// for TLS)"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """Where a broker is and who we are there. Its text never shows the password."""

    host: str
    port: int
    tls: bool = False
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"

    @classmethod
    def parse(cls, url: str) -> "BrokerAddress":
        """
        Read `mqtt://[user[:password]@]host[:port]` or `mqtts://...`; the ports default to 1883 and 8883.

        User and password are percent-decoded.

        Raises
        ------
        SettingsError
            It is no such address. The text does not repeat the URL, which may hold a password.
        """
        parts = parse_server_url(url, what="MQTT", ports=_PORTS, example=_EXAMPLE)
        return cls(
            host=parts.host, port=parts.port, tls=parts.scheme == "mqtts", user=parts.user, password=parts.password
        )
