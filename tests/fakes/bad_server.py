"""A loopback server that responds as no HTTP server should: it drips, floods, breaks off, and never ends."""

import contextlib
import gzip
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from typing import Self

DRIP_SECONDS = 0.05


def response(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


def _drip(connection: socket.socket, data: bytes) -> None:
    for byte in data:
        connection.sendall(bytes([byte]))
        time.sleep(DRIP_SECONDS)


def _flood(connection: socket.socket, head: bytes, piece: bytes) -> None:
    connection.sendall(head)
    while True:
        connection.sendall(piece)


def _hang(connection: socket.socket) -> None:
    connection.settimeout(60)
    while connection.recv(65536):  # until either side closes the connection
        pass


ENDLESS = b"HTTP/1.1 200 OK\r\n\r\n"
BEHAVIORS: dict[str, Callable[[socket.socket], object]] = {
    "hang": _hang,
    "drip-header": lambda connection: _drip(connection, b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 600),
    "drip-body": lambda connection: _drip(connection, b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n" + b" " * 600),
    "half": lambda connection: (connection.sendall(response(b'{"metadata": {')[:-5]), _hang(connection)),
    "huge": lambda connection: _flood(connection, ENDLESS, b" " * 65536),
    "endless-header": lambda connection: _flood(connection, b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 4096),
    "bomb": lambda connection: connection.sendall(
        response(gzip.compress(b" " * 50_000_000), headers="Content-Encoding: gzip\r\n")
    ),
    "deep": lambda connection: connection.sendall(response(b"[" * 60_000)),
    "redirect": lambda connection: connection.sendall(response(b"", status="302 Found", headers="Location: /ok\r\n")),
    "error": lambda connection: connection.sendall(response(b'{"reject": true}', status="500 No")),
    "close": lambda connection: None,
    "no-http": lambda connection: connection.sendall(b"\x00\xff what?\r\n\r\n"),
    "html": lambda connection: connection.sendall(response(b"<html>hello</html>")),
    "list": lambda connection: connection.sendall(response(b"[]")),
    "no-content": lambda connection: connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n"),
}


class BadServer:
    """Use as `with BadServer() as server: server.url("drip-body")`."""

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self._listener.getsockname()[1]
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def url(self, behavior: str) -> str:
        return f"http://127.0.0.1:{self.port}/{behavior}"

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            # Read the whole request: closing a connection with unread data would discard the response.
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(65536)
            head, _, body = request.partition(b"\r\n\r\n")
            length = int(re.findall(rb"(?i)content-length: *([0-9]+)", head)[0])
            while len(body) < length:
                body += connection.recv(65536)
            path = request.split(b" ", 2)[1].decode()
            behavior = path.removeprefix("/")
            if behavior == "ok":
                connection.sendall(response(json.dumps({"metadata": {"found": "yes"}}).encode()))
            else:
                BEHAVIORS[behavior](connection)
