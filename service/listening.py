"""Ports to listen on."""

import errno
import socket

from domain.errors import InputError, Unavailable

__all__ = ["listening_socket"]


def listening_socket(host: str, port: int) -> socket.socket:
    """
    A socket that listens.

    Raises
    ------
    Unavailable
        Another program has the port.
    InputError
        The address is not one of this machine, or the port may not be had.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Unavailable(
                f"port {port} of {host} is taken by another program; stop that, or choose another by --port"
            ) from error
        raise InputError(f"cannot listen on {host} port {port}: {error.strerror or error}") from error
