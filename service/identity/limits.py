"""How often something may be tried: logins within a window, and requests from a bucket that fills again. Pure."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from store.passwords import Tried

__all__ = ["LIMITS", "WINDOW_S", "Bucket", "Kind", "Rate", "login_keys", "network_of", "taken", "wait_s"]

WINDOW_S = 900.0
"""Within which tries of a login are counted, from the first on. [s]"""

_IPV6_PREFIX = 64


class Kind(StrEnum):
    """What tries of a login are counted by."""

    ADDRESS = "address"
    """One network, whatever name it tries."""
    BOTH = "both"
    """One name from one network: somebody who forgot, or who guesses."""
    NAME = "name"
    """One name from anywhere: many networks that guess together. Wide, or anybody could keep anybody out."""


LIMITS = {Kind.ADDRESS: 30, Kind.BOTH: 5, Kind.NAME: 60}
"""How many tries a window has, in the order in which they are counted."""


def network_of(address: str) -> str:
    """
    What an address is counted as: an IPv4 address by itself, an IPv6 address with its /64, which is one subscriber's.

    Examples
    --------
    >>> network_of("2001:db8:0:1:aaaa::9")
    '2001:db8:0:1::/64'
    >>> network_of("not an address")
    'not an address'
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, _IPV6_PREFIX), strict=False))
    return str(found)


def login_keys(name: str | None, address: str) -> dict[Kind, bytes]:
    """
    Under which keys a login is counted; hashes, so that what people mistype is not kept.

    Parameters
    ----------
    name : str or None
        None: a token, which names nobody before it is known; only its address counts.
    """
    network = network_of(address)
    parts: dict[Kind, tuple[str, ...]] = {Kind.ADDRESS: (network,)}
    if name is not None:
        parts |= {Kind.BOTH: (name, network), Kind.NAME: (name,)}
    return {
        kind: sha256("\0".join((kind, *texts)).encode("utf-8", "replace")).digest() for kind, texts in parts.items()
    }


def wait_s(kinds: Sequence[Kind], tried: Sequence[Tried]) -> float:
    """How long a login is to wait before it is looked at; 0: not at all. [s]"""
    return max(
        (one.left_s for kind, one in zip(kinds, tried, strict=True) if one.tries > LIMITS[kind]),
        default=0.0,
    )


@dataclass(frozen=True, slots=True)
class Bucket:
    """How much is left for somebody, and when that was so."""

    level: float
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How a request stands to the limit of its user."""

    limit: int
    """Requests of a full bucket."""
    remaining: int
    """Whole requests that are left now."""
    reset_s: float
    """Until the bucket is full again. [s]"""
    wait_s: float
    """Until the next request is answered; 0: this one is. [s]"""


def taken(bucket: Bucket | None, now_s: float, *, per_min: int) -> tuple[Bucket, Rate]:
    """
    Take one request from a bucket that holds a minute's worth, and fills as fast.

    Parameters
    ----------
    bucket : Bucket or None
        As it was left; None: full.
    now_s : float
        Of a clock that does not go back. [s]
    per_min : int
        What it holds, and gains in a minute; at least 1.
    """
    per_s = per_min / 60.0
    level = float(per_min)
    if bucket is not None:
        level = min(level, bucket.level + max(0.0, now_s - bucket.at_s) * per_s)
    is_taken = level >= 1.0
    wait = 0.0 if is_taken else (1.0 - level) / per_s
    level -= 1.0 if is_taken else 0.0
    return (
        Bucket(level, now_s),
        Rate(limit=per_min, remaining=int(level), reset_s=(per_min - level) / per_s, wait_s=wait),
    )
