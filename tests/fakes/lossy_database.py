"""A proxy to PostgreSQL that breaks a connection during a COMMIT."""

import contextlib
import socket
import threading
from typing import Self

BYTES = 65536


class LossyDatabase:
    """Forwards everything, except what `lose` names of the next COMMIT: "message" or "response". The client's connection breaks then.

    The database's side stays open, as when a firewall forgets a connection.
    """

    def __init__(self, host: str, port: int | str) -> None:
        self._host, self._port = host, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.lose = ""

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        for each in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for it
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                self._sockets += [client, server]
                is_broken = threading.Event()
                for forward in (self._forward_messages, self._forward_responses):
                    threading.Thread(target=forward, args=(client, server, is_broken), daemon=True).start()

    def _connect(self) -> socket.socket:
        if not self._host.startswith("/"):
            return socket.create_connection((self._host, int(self._port)))
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{self._host}/.s.PGSQL.{self._port}")
        return server

    def _forward_messages(self, client: socket.socket, server: socket.socket, is_broken: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(BYTES):
                lost = self.lose if b"COMMIT" in data else ""
                if lost:
                    self.lose = ""
                    is_broken.set()
                if lost == "message":
                    client.shutdown(socket.SHUT_RDWR)
                    return
                server.sendall(data)
            if not is_broken.is_set():
                server.shutdown(socket.SHUT_RDWR)

    def _forward_responses(self, client: socket.socket, server: socket.socket, is_broken: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while (data := server.recv(BYTES)) and not is_broken.is_set():
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)
