"""Where a webhook may lead: to the outer world, and to inner hosts only where the settings name them.

A URL is typed by somebody, and it is this server that then calls there. So the host is resolved once, every address that
it has is looked at, and the connection goes to one of those very addresses: a name that answers differently a moment
later leads nowhere else.
"""

import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import quote, urlsplit

from domain.errors import InputError, Unavailable

__all__ = ["Resolve", "Target", "checked_addresses", "is_inner", "open_connection", "parse_target", "resolved"]

Resolve = Callable[[str, int, float], Sequence[str]]
"""(host, port, seconds it may take) to addresses; raises Unavailable."""

_EXAMPLE = "https://hooks.example/alarms"
_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*")
_UNFIT = re.compile(r"[\x00-\x20\x7f\\]")
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F))

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
# IPv6 addresses that stand for the IPv4 address in their last bits: mapped ones, and those of NAT64.
_HOLDS_IPV4 = (ipaddress.IPv6Network("::ffff:0:0/96"), ipaddress.IPv6Network("64:ff9b::/96"))
# Global by their number, or by older Pythons' tables, and yet not of the outer world: the wire server of Azure, relays of
# 6to4 and what they lead to, NAT64 of one's own, segment routing, documentation, site-local addresses.
_INNER = tuple(
    ipaddress.ip_network(text)
    for text in (
        "168.63.129.16/32",
        "192.0.0.0/24",
        "192.88.99.0/24",
        "2002::/16",
        "3fff::/20",
        "5f00::/16",
        "64:ff9b:1::/48",
        "fec0::/10",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a URL leads. Its text does not show the path, which for some services is a secret."""

    host: str
    """Lower case, ASCII; an IPv6 address without brackets."""
    port: int
    tls: bool
    path: str = field(repr=False)
    """Path and query."""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_target(url: str) -> Target:
    """
    Read `http://` or `https://host[:port][/path][?query]`.

    Refused: user and password, spaces and control characters, backslashes, and addresses written in any other way than
    `192.0.2.7` or `[2001:db8::7]` (`0x7f.1`, `2130706433`, `0177.0.0.1`), which programs do not read alike.

    Raises
    ------
    InputError
        It is no such URL. The text shows no more of it than its host.
    """
    if _UNFIT.search(url):
        raise InputError(f"the URL holds a space, a backslash or a control character; write it as {_EXAMPLE}")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname or ""
    except ValueError:
        raise InputError(f"the URL is malformed; write it as {_EXAMPLE}") from None
    if parts.scheme not in _PORTS or not host:
        raise InputError(f"the URL does not begin with http:// or https:// and a host; write it as {_EXAMPLE}")
    if "@" in parts.netloc:
        raise InputError("the URL holds a user or password; leave them out, calls are signed instead")
    if port == 0:
        raise InputError(f"the URL names port 0, which is none; write it as {_EXAMPLE}")
    path = quote(f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}", safe=_PRINTABLE)
    if "[" in parts.netloc and ":" not in host:
        raise InputError(f"the URL's host [{host}] is no IPv6 address")
    return Target(host=_host(host), port=port or _PORTS[parts.scheme], tls=parts.scheme == "https", path=path)


def _host(written: str) -> str:
    if ":" in written:
        try:
            # Not with a zone: what it names is a wire of this machine.
            return str(ipaddress.IPv6Address(written if "%" not in written else ""))
        except ValueError:
            raise InputError(f"the URL's host [{written}] is no IPv6 address") from None
    try:
        # Full-width digits and dots become plain ones here, before anything is judged by them.
        name = written.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        raise InputError("the URL's host is no name that can be resolved") from None
    if not _NAME.fullmatch(name):
        raise InputError(f"the URL's host {name!r} is no name of a host")
    if re.fullmatch(r"\d+|0x[0-9a-f]*", name.rpartition(".")[2]):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            raise InputError(f"the URL's host {name} is an address in an odd form; write it as 192.0.2.7") from None
    return name


def is_inner(address: _Ip) -> bool:
    """
    Whether an address is not one of the outer world: loopback, private, link-local, multicast, reserved, unspecified.

    An IPv6 address that stands for an IPv4 address is judged by that.

    Examples
    --------
    >>> is_inner(ipaddress.ip_address("::ffff:10.0.0.1")), is_inner(ipaddress.ip_address("1.1.1.1"))
    (True, False)
    """
    if isinstance(address, ipaddress.IPv6Address) and any(address in network for network in _HOLDS_IPV4):
        return is_inner(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return (
        not address.is_global
        or address.is_multicast
        or address.is_reserved
        or any(address.version == network.version and address in network for network in _INNER)
    )


def resolved(host: str, port: int, limit_s: float) -> tuple[str, ...]:
    """
    The addresses of a host, each once, in the resolver's order.

    Raises
    ------
    Unavailable
        It has none, or the resolver did not answer in time.
    """
    found: list[tuple[str, ...] | OSError] = []

    def look() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.append(tuple(dict.fromkeys(str(row[4][0]) for row in rows)))
        except (OSError, UnicodeError) as error:
            found.append(error if isinstance(error, OSError) else OSError(str(error)))

    # The resolver cannot be told how long it may take, so it is left behind where it takes too long.
    asking = threading.Thread(target=look, name="resolver", daemon=True)
    asking.start()
    asking.join(limit_s)
    if not found:
        raise Unavailable(f"the name {host} was not resolved within {limit_s:g} s")
    answer = found[0]
    if isinstance(answer, OSError):
        raise Unavailable(f"the name {host} cannot be resolved: {answer.strerror or answer}")
    return answer


def checked_addresses(target: Target, *, allow: frozenset[str], resolve: Resolve, limit_s: float) -> tuple[str, ...]:
    """
    The addresses of a target, once all of them may be reached.

    Parameters
    ----------
    allow : frozenset of str
        Hosts (`alarms.plant.local`, `10.0.0.7`) that may be inner, each also with a port behind it.

    Raises
    ------
    InputError
        One of them is inner, and the host is not allowed: a name that has an outer and an inner address is refused too.
    Unavailable
        The name cannot be resolved now.
    """
    addresses = [ipaddress.ip_address(one) for one in resolve(target.host, target.port, limit_s)]
    if not addresses:
        raise Unavailable(f"the name {target.host} has no address")
    if not {target.host, str(target)} & allow and any(is_inner(one) for one in addresses):
        raise InputError(
            f"{target} is an inner host, which a webhook may not reach; where it is meant to, name it in "
            "KAWASAN_WEBHOOK_ALLOW"
        )
    return tuple(str(one) for one in addresses)


def open_connection(addresses: Sequence[str], port: int, *, limit_s: float) -> socket.socket:
    """
    A TCP connection to the first of these addresses that takes it; nothing is resolved.

    Raises
    ------
    OSError
        None does; the error is that of the last.
    """
    ends = time.monotonic() + limit_s
    failed: OSError = TimeoutError("timed out")
    for at, address in enumerate(addresses):
        left_s = ends - time.monotonic()
        if left_s <= 0:
            break
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.settimeout(left_s / (len(addresses) - at))
            connection.connect((address, port))
        except OSError as error:
            failed = error
            with suppress(OSError):
                connection.close()
        else:
            return connection
    raise failed
