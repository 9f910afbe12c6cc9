"""Addresses of servers as settings give them: scheme, user, password, host and port in one URL."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from domain.errors import SettingsError

__all__ = ["ServerUrl", "parse_server_url"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUrl:
    """The parts of an address. Its text never shows the password."""

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def parse_server_url(url: str, *, what: str, ports: Mapping[str, int], example: str) -> ServerUrl:
    """
    Read `scheme://[user[:password]@]host[:port]`; user and password are percent-decoded.

    Parameters
    ----------
    what : str
        What is to be reached, for the text of an error: `MQTT`.
    ports : Mapping
        The port of each scheme there may be, where the address names none.
    example : str
        What would be right, for the text of an error.

    Raises
    ------
    SettingsError
        It is no such address. The text does not repeat the URL, which may hold a password.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        # A name that cannot be encoded would end the thread that connects, not the start.
        (host or "").encode("idna")
    except ValueError:
        raise SettingsError(f"the {what} address is malformed; write it as {example}") from None
    if parts.scheme not in ports or not host or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise SettingsError(f"the {what} address is not of the form {example}")
    return ServerUrl(
        scheme=parts.scheme,
        host=host,
        port=ports[parts.scheme] if port is None else port,
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )
