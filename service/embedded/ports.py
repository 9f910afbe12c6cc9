"""Free TCP ports on the loopback address."""

import random
import socket
from pathlib import Path

from domain.errors import Unavailable

__all__ = ["LOOPBACK", "accepts", "free_port"]

LOOPBACK = "127.0.0.1"

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000
_TRIES = 200


def free_port() -> int:
    """
    A port of the loopback address that nothing listens on now, below the range of outgoing connections.

    A port inside that range may be taken by any outgoing connection while a server is down
    between two starts; below it, a server finds its port again.

    Raises
    ------
    Unavailable
        None of 200 ports drawn at random was free.
    """
    # Two programs that ask at the same moment must not draw the same ports.
    draw = random.SystemRandom()
    for _ in range(_TRIES):
        port = draw.randrange(_LOWEST, _first_outgoing())
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise Unavailable(f"no free port on {LOOPBACK}: {_TRIES} ports tried between {_LOWEST} and {_first_outgoing()}")


def accepts(port: int) -> bool:
    """Whether something accepts connections on this port of the loopback address now."""
    with socket.socket() as trial:
        trial.settimeout(1.0)
        return trial.connect_ex((LOOPBACK, port)) == 0


def _first_outgoing() -> int:
    if not _RANGE.is_file():
        return 32_768
    return max(int(_RANGE.read_text(encoding="ascii").split()[0]), _LOWEST + 5_000)
