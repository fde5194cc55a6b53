"""Daphne's HTTP request: Django parses forms, bodies have a maximum and a known length, and the API's refusals are JSON."""

import time
from typing import Any

from daphne.http_protocol import WebRequest

from bubblyphone.core.middleware import API_PREFIX
from bubblyphone.core.network.http import json_error
from bubblyphone.server.daphne_websocket import leave_forms_alone

# More than any view accepts.
KEPT_BYTES = 65 * 1024 * 1024


class LeanWebRequest(WebRequest):  # type: ignore[misc]
    """Installed by bubblyphone.serve.

    Twisted would parse the body of every posted form on the event loop, for an attribute that nobody reads: a 10 MiB upload blocks
    all calls for a second. Forms that it cannot parse would not reach us at all.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        leave_forms_alone(self)
        self.request_start = time.time()  # daphne's attribute, which it sets only in `process`
        self._received_bytes = 0

    def handleContentChunk(self, data: bytes) -> None:
        """Refuse a chunked body while it arrives: without a Content-Length it cannot be refused earlier."""
        is_too_large, self._received_bytes = self._received_bytes > KEPT_BYTES, self._received_bytes + len(data)
        if self._received_bytes <= KEPT_BYTES:
            super().handleContentChunk(data)
        elif not is_too_large and self.requestHeaders.hasHeader(b"Transfer-Encoding"):
            self.channel.refuse(413)

    def process(self) -> Any:
        """A chunked body has no Content-Length, and Django and DRF would treat it as empty."""
        if self.requestHeaders.hasHeader(b"Transfer-Encoding"):
            self.requestHeaders.setRawHeaders(b"Content-Length", [b"%d" % self._received_bytes])
        return super().process()

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Drop the body of a response to HEAD. Twisted only drops its first piece, so the rest would be read as the next response."""
        if self.method == b"HEAD" and message.get("type") == "http.response.body":
            message = {**message, "body": b""}
        super().handle_reply(message)

    def handle_exception(self, exception: Exception) -> None:
        """Half of a response cannot become an error, so the connection is broken off: its client must not take it for the whole.

        Daphne's own raises then, out of the callback that looks after all connections, which would never run again.
        """
        if self._response_started:
            self.channel.transport.abortConnection()
        else:
            super().handle_exception(exception)

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Daphne's own response, if Django failed or the request is not HTTP."""
        if not self.uri.startswith(API_PREFIX.encode()):
            super().basic_error(status, status_text, body)
            return
        answer = json_error(status)
        headers = [(name.encode(), value.encode()) for name, value in answer.items()]
        self.handle_reply({"type": "http.response.start", "status": status, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": answer.content})


def last_response(status: bytes, answer: bytes = b"") -> bytes:
    """The bytes of a response after which the connection closes: without a body, or with an error of the API."""
    kind = b"Content-Type: application/json\r\n" if answer else b""
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, kind, len(answer), answer)
