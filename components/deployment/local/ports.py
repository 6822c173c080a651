"""Ports of this machine's loopback interface."""

from __future__ import annotations

import socket

from components.errors import InputError

HOST = "127.0.0.1"


def free_port(wanted: int = 0) -> int:
    """Return ``wanted`` when it is free, or any free port for 0.

    Raises:
        InputError: the port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted))
        except OSError as error:
            raise InputError(
                f"port {wanted} of {HOST} cannot be used: {error.strerror}; choose another"
            ) from None
        return int(probe.getsockname()[1])
