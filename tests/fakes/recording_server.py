"""An HTTP server that records requests and responds from a list, for behavior that a carrier would not show on demand."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

import httpx2
import orjson


@dataclass
class ReceivedRequest:
    """A request as received."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        return orjson.loads(self.body)  # type: ignore[no-any-return]


@dataclass
class Answer:
    """A response. Without a status, the connection is closed instead."""

    status: int | None = 200
    body: bytes = b'{"data":{"result":"ok"}}'
    headers: Mapping[str, str] = field(default_factory=dict)


class RecordingServer:
    """Use as `with RecordingServer([Answer(500), Answer()]) as server: server.url, server.requests`. Repeats the last response."""

    def __init__(self, answers: list[Answer] | None = None) -> None:
        self.answers = answers or [Answer()]
        self.requests: list[ReceivedRequest] = []

    def answer_to(self, request: ReceivedRequest) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                request = ReceivedRequest(self.command, self.path, dict(self.headers), body)
                outer.requests.append(request)
                answer = outer.answer_to(request)
                if answer.status is None:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    if value:
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = handle_any

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"


class LossyProxy(RecordingServer):
    """Forwards everything, but drops the responses to `lost` requests ("POST number_orders")."""

    def __init__(self, target: str, lost: set[str]) -> None:
        super().__init__()
        self._target = target
        self._client = httpx2.Client(trust_env=False)
        self.lost = lost

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        self._client.close()

    def answer_to(self, request: ReceivedRequest) -> Answer:
        headers = {
            name: value for name, value in request.headers.items() if name.lower() not in ("host", "content-length")
        }
        response = self._client.request(
            request.method, self._target + request.path, headers=headers, content=request.body
        )
        if f"{request.method} {request.path.partition('?')[0].strip('/').rpartition('/')[2]}" in self.lost:
            return Answer(None)
        return Answer(response.status_code, response.content)
