"""What daphne passes to Django for each request, tested in memory without reactor or sockets."""

from types import SimpleNamespace

import pytest
from twisted.internet.testing import StringTransport
from twisted.web.http import HTTPChannel

from bubblyphone.server import daphne_http
from bubblyphone.server.daphne_http import LeanWebRequest

FORM = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f.pdf"\r\n\r\n%PDF\r\n--b--\r\n'


class Connection:
    """Takes requests, and keeps what daphne would pass to Django."""

    def __init__(self) -> None:
        self.handed_on: list[tuple[LeanWebRequest, dict[bytes, bytes]]] = []
        channel = HTTPChannel()
        channel.requestFactory = LeanWebRequest
        server = SimpleNamespace(
            protocol_connected=lambda request: None,
            protocol_disconnected=lambda request: None,
            create_application=lambda request, scope: self.handed_on.append((request, dict(scope["headers"]))),
            log_action=lambda *arguments: None,
            proxy_forwarded_address_header=None,
            root_path="",
            server_name="",
        )
        channel.factory = SimpleNamespace(server=server, log=lambda request: None)
        self.channel, self._transport = channel, StringTransport()
        channel.makeConnection(self._transport)

    def receive(self, *head: str, body: bytes = b"") -> None:
        self.channel.dataReceived("\r\n".join([*head, "Host: localhost", "", ""]).encode() + body)
        self.channel.setTimeout(None)

    def answer(self) -> str:
        return self._transport.value().decode()

    def is_broken_off(self) -> bool:
        return self._transport.disconnected

    def body(self) -> tuple[bytes, bytes]:
        """The only request's Content-Length header and its body."""
        ((request, headers),) = self.handed_on
        return headers[b"content-length"], request.content.read()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data; boundary=b", FORM),
        ("multipart/form-data", b"no boundary"),
        ("application/x-www-form-urlencoded", b"a=1"),
    ],
)
def test_forms_are_passed_on_unparsed(content_type: str, body: bytes) -> None:
    connection = Connection()
    connection.receive("POST /x HTTP/1.1", f"Content-Type: {content_type}", f"Content-Length: {len(body)}", body=body)
    assert connection.handed_on[0][0].args == {}
    assert connection.body() == (b"%d" % len(body), body)


@pytest.mark.parametrize("length", [[], [(b"Content-Length", b"9")]])
def test_a_response_to_head_has_no_body_even_if_sent_in_pieces(length: list[tuple[bytes, bytes]]) -> None:
    connection = Connection()
    connection.receive("HEAD /x HTTP/1.1")
    ((request, _),) = connection.handed_on
    request.handle_reply({"type": "http.response.start", "status": 200, "headers": length})
    for piece, more in ((b"one", True), (b"two", True), (b"end", False)):
        request.handle_reply({"type": "http.response.body", "body": piece, "more_body": more})
    head, _, body = connection.answer().partition("\r\n\r\n")
    assert (head.split("\r\n")[0], body) == ("HTTP/1.1 200 OK", "")
    assert ("Content-Length: 9" in head) is bool(length)


def test_a_chunked_body_gets_a_length() -> None:
    connection = Connection()
    connection.receive("POST /x HTTP/1.1", "Transfer-Encoding: chunked", body=b"3\r\n{}\n\r\n2\r\n\n\n\r\n0\r\n\r\n")
    assert connection.body() == (b"5", b"{}\n\n\n")


def test_an_oversized_body_is_cut_but_its_length_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daphne_http, "KEPT_BYTES", 9)
    connection = Connection()
    connection.receive("POST /x HTTP/1.1", "Content-Length: 14")
    for piece in (b"1234567", b"1234567"):
        connection.channel.dataReceived(piece)
    assert connection.body() == (b"14", b"1234567")


@pytest.mark.parametrize(
    ("path", "answer"),
    [("/api/v1/calls", '{"message":"Server error."}'), ("/docs", "<h1>500 Internal Server Error</h1>")],
)
def test_daphne_s_own_errors_are_json_for_the_api(path: str, answer: str) -> None:
    connection = Connection()
    connection.receive(f"GET {path} HTTP/1.1")
    ((request, _),) = connection.handed_on
    request.handle_exception(RuntimeError())
    assert connection.answer().startswith("HTTP/1.1 500 ")
    assert answer in connection.answer()


def test_the_connection_is_closed_if_a_response_fails_midway() -> None:
    connection = Connection()
    connection.receive("GET /calls.csv HTTP/1.1")
    ((request, _),) = connection.handed_on
    request.handle_reply({"type": "http.response.start", "status": 200, "headers": []})
    request.handle_reply({"type": "http.response.body", "body": b"id\r\n", "more_body": True})
    request.handle_exception(RuntimeError())
    assert connection.answer().endswith("4\r\nid\r\n\r\n")  # without the final chunk
    assert connection.is_broken_off()
