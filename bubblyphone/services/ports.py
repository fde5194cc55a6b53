"""Loopback ports: finds a free one, and checks whether one is taken."""

import socket

from ephemeral_port_reserve import reserve

from bubblyphone.services.secrets_store import SecretsStore


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on `port` now. With SO_REUSEADDR, like servers, so TIME_WAIT counts as free."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def find_free() -> int:
    """A free loopback port. The system does not assign it to another process for a minute, unless one requests that number."""
    port: int = reserve()
    return port


def keep_port(secrets_store: SecretsStore, name: str) -> int:
    """The stored port for `name` if it is still free, otherwise a new one, which is stored."""
    port = int(secrets_store.get(name) or 0)
    if not port or not is_free(port):
        port = find_free()
        secrets_store.keep(name, str(port))
    return port
