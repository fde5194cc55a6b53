"""What daphne hands on of a form, in memory: no reactor, no sockets."""

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.testing import StringTransport
from twisted.web.http import HTTPChannel

from bubblyphone.web_request import LeanWebRequest

FORM = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f.pdf"\r\n\r\n%PDF\r\n--b--\r\n'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data; boundary=b", FORM),
        ("multipart/form-data", b"no boundary"),
        ("application/x-www-form-urlencoded", b"a=1"),
    ],
)
def test_forms_reach_us_unparsed(content_type: str, body: bytes) -> None:
    seen: list[Any] = []

    class Seen(LeanWebRequest):
        def process(self) -> None:
            seen.append((self.args, self.content.read()))

    channel = HTTPChannel()
    channel.requestFactory = Seen
    channel.factory = SimpleNamespace(server=SimpleNamespace(protocol_connected=lambda request: None))
    channel.makeConnection(StringTransport())
    head = f"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    channel.dataReceived(head.encode() + body)
    assert seen == [({}, body)]
    channel.setTimeout(None)
