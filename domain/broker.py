"""The address of an MQTT broker, as `KAWASAN_MQTT_URL` gives it."""

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from domain.errors import SettingsError

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
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
            # A name that cannot be encoded would end the network thread, not the start.
            (host or "").encode("idna")
        except ValueError:
            raise SettingsError(f"the MQTT address is malformed; write it as {_EXAMPLE}") from None
        if parts.scheme not in _PORTS or not host or parts.path not in {"", "/"} or parts.query or parts.fragment:
            raise SettingsError(f"the MQTT address is not of the form {_EXAMPLE}")
        return cls(
            host=host,
            port=_PORTS[parts.scheme] if port is None else port,
            tls=parts.scheme == "mqtts",
            user=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
        )
