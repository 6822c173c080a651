"""Ports of this machine's loopback interface."""

from __future__ import annotations

import random
import socket

from components.errors import InputError

HOST = "127.0.0.1"
# Below what systems give to outgoing connections (Linux from 32768, macOS and Windows from 49152):
# one of those would otherwise take the port before the server that it was found for listens.
# Kubernetes' node ports, from 30000, are left alone too.
_CHOICE = range(20_000, 30_000)
_TRIES = 100


def free_port(wanted: int = 0) -> int:
    """Return ``wanted`` when it is free, or any free port for 0.

    Raises:
        InputError: the port is taken, or none of many tried is free.
    """
    # Not the seeded generator, which could give the same ports to two processes at once.
    tried = [wanted] if wanted else random.SystemRandom().sample(_CHOICE, _TRIES)
    for port in tried:
        reason = _taken(port)
        if reason is None:
            return port
    raise InputError(f"port {tried[-1]} of {HOST} cannot be used: {reason}; choose another")


def _taken(port: int) -> str | None:
    """Return why a server cannot listen there, or None where it can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error.strerror or str(error)
    return None
