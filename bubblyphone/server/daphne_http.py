"""Daphne's HTTP request: forms are left to Django, bodies are bounded and have a length, refusals of the API are JSON."""

import time
from typing import Any

from daphne.http_protocol import WebRequest

from bubblyphone.core.http import json_error
from bubblyphone.core.middleware import API_PREFIX
from bubblyphone.server.daphne_websocket import leave_forms_alone

# More than any view takes.
KEPT_BYTES = 65 * 1024 * 1024


class LeanWebRequest(WebRequest):  # type: ignore[misc]
    """Installed by bubblyphone.serve.

    Twisted would parse the body of every form posted, for an attribute that nobody reads here, and on the event loop: an upload of
    10 MiB takes it a second, in which no call hears anything. A form that it cannot parse would not reach us at all.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        leave_forms_alone(self)
        self.request_start = time.time()  # daphne's, which has it only from `process` on
        self._received_bytes = 0

    def handleContentChunk(self, data: bytes) -> None:
        """A body in chunks has no length by which it could be refused at once."""
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
        """Twisted drops only the first piece of a response to HEAD; the others would be read as the next response."""
        if self.method == b"HEAD" and message.get("type") == "http.response.body":
            message = {**message, "body": b""}
        super().handle_reply(message)

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """What daphne says itself, where an error came through Django or the request is not HTTP."""
        if not self.uri.startswith(API_PREFIX.encode()):
            super().basic_error(status, status_text, body)
            return
        answer = json_error(status)
        headers = [(name.encode(), value.encode()) for name, value in answer.items()]
        self.handle_reply({"type": "http.response.start", "status": status, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": answer.content})


def last_response(status: bytes, answer: bytes = b"") -> bytes:
    """The bytes of an answer after which the connection ends: without a content, or with one of the API's."""
    kind = b"Content-Type: application/json\r\n" if answer else b""
    return b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, kind, len(answer), answer)
