"""The addresses and backlog that the server listens with."""

import socket

LOOPBACK = "127.0.0.1"
# Connections that the kernel queues until the loop accepts them. Twisted's 50 are fewer than the calls that a carrier may send at once,
# and a connection beyond the queue waits a second or is reset. Linux lowers this to net.core.somaxconn (4096 by default).
BACKLOG = 2048


def describe_endpoints(host: str, port: int) -> list[str]:
    """Twisted's endpoint descriptions. Loopback includes IPv6 if the machine has it, because `localhost` may be either."""
    hosts = [host]
    if host == LOOPBACK and _has_ipv6_loopback():
        hosts.append("::1")
    names = [name.replace(":", r"\:") for name in hosts]
    return [f"tcp:port={port}:interface={name}:backlog={BACKLOG}" for name in names]


def _has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True
