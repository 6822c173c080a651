"""Several ports of the loopback interface at once."""

from __future__ import annotations

from components.deployment.local.ports import free_port


def free_ports(number: int) -> list[int]:
    """Return ports that are free, no two the same."""
    ports: set[int] = set()
    while len(ports) < number:
        ports.add(free_port())
    return list(ports)
