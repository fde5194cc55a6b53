"""`manage.py listen` follows events through the API, continues after a server restart, and forwards events with a signature."""

import hashlib
import hmac
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import CommandError, call_command
from django.test.testcases import LiveServerThread, QuietWSGIRequestHandler

from bubblyphone.services.ports import find_free
from tests.factories import make_api_key, make_developer
from tests.fakes.recording_server import Answer, RecordingServer
from webhooks.management.commands.listen import Command
from webhooks.models import Event
from webhooks.outbox import publish

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_redis")]
SECONDS = 30.0


class ClosingHandler(QuietWSGIRequestHandler):
    """Closes connections, because an open one would outlive its server in this process."""

    protocol_version = "HTTP/1.0"


class Server(LiveServerThread):
    """The platform's API on a port that a previous server used."""

    def _create_server(self, connections_override: Any = None) -> Any:
        return self.server_class((self.host, self.port), ClosingHandler, allow_reuse_address=True)


@contextmanager
def server(port: int) -> Iterator[None]:
    """Run the API on a port, and stop it at the end."""
    thread = Server("127.0.0.1", StaticFilesHandler, port=port)
    thread.daemon = True
    thread.start()
    assert thread.is_ready.wait(SECONDS) and thread.error is None, thread.error
    yield
    thread.terminate()


class Listening(threading.Thread):
    """Runs the command in a thread until `stop`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(daemon=True)
        self.options, self.out, self.err, self.is_over = options, io.StringIO(), io.StringIO(), threading.Event()
        self.start()

    def _sleep(self, seconds: float) -> None:
        if self.is_over.wait(min(seconds, 0.02)):
            raise KeyboardInterrupt

    def run(self) -> None:
        command = Command()
        command.sleep = self._sleep
        call_command(command, stdout=self.out, stderr=self.err, **self.options)

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + SECONDS
        while text not in self.out.getvalue() + self.err.getvalue():
            assert self.is_alive() and time.monotonic() < deadline, self.out.getvalue() + self.err.getvalue()
            time.sleep(0.02)

    def stop(self) -> None:
        self.is_over.set()
        self.join(SECONDS)
        assert not self.is_alive()


def put(developer_id: int, event_type: str = "call.hangup", **payload: Any) -> str:
    body = {"event": event_type, **payload}
    return publish(developer_id=developer_id, subject="call:42", event_type=event_type, payload=body).public_id


def test_events_are_printed_and_forwarded_once_across_a_restart(settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 10_000
    developer = make_developer(email="jane@example.com")
    _, key = make_api_key(developer)
    port = find_free()
    with RecordingServer([Answer(200), Answer(500)]) as receiver:
        with server(port):
            listener = Listening(
                url=f"http://127.0.0.1:{port}", api_key=key, forward=receiver.url, secret="whsec_mine",
                type=["call.hangup"], body=True,
            )  # fmt: skip
            listener.wait_for("Listening to the events of jane@example.com.")
            first = put(developer.pk, cost=0.1)
            put(developer.pk, "call.ended")
            listener.wait_for("HTTP 200")
        listener.wait_for("Retrying.")
        second = put(developer.pk, name="Zoë")
        put(make_developer().pk)
        with server(port):
            listener.wait_for("HTTP 500")
            listener.stop()
    assert [line.split()[-1] for line in listener.out.getvalue().splitlines() if "call 42" in line] == [first, second]
    assert listener.err.getvalue().splitlines()[-1] == "Connected again."
    assert '"cost": 0.1' in listener.out.getvalue()
    assert [(request.headers["X-Webhook-Id"], request.body.decode()) for request in receiver.requests] == [
        (first, '{"event":"call.hangup","cost":0.1}'),
        (second, '{"event":"call.hangup","name":"Zoë"}'),
    ]
    for request in receiver.requests:
        message = f"{request.headers['X-Timestamp']}.".encode() + request.body
        digest = hmac.new(b"whsec_mine", message, hashlib.sha256).hexdigest()
        assert request.headers["X-Signature"] == f"sha256={digest}"


def test_an_expired_event_does_not_end_the_command(settings: Any) -> None:
    settings.RATE_LIMIT_PER_MINUTE = 10_000
    developer = make_developer()
    _, key = make_api_key(developer)
    port = find_free()
    with server(port):
        listener = Listening(url=f"http://127.0.0.1:{port}", api_key=key)
        listener.wait_for("Listening")
        put(developer.pk)
        listener.wait_for("evt_")
        Event.objects.all().delete()
        second = put(developer.pk, "call.ended")
        listener.wait_for(second)
        third = put(developer.pk)
        listener.wait_for(third)
        listener.stop()
    assert [line.split()[-1] for line in listener.out.getvalue().splitlines() if "evt_" in line][1:] == [second, third]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"api_key": "bp_live_sk_wrong"}, "Unauthenticated"),
        ({"after": "evt_0"}, "after: No such event."),
        ({"type": ["call.nothing"]}, "type: Unknown event type: call.nothing."),
        ({"url": "localhost:3000"}, "The server's URL must begin with http:// or https://."),
        ({"forward": "ftp://x"}, "--forward must be a port or a URL, not 'ftp://x'."),
    ],
)
def test_invalid_options_end_the_command_with_the_reason(live_server: Any, options: dict[str, Any], text: str) -> None:
    _, key = make_api_key(make_developer())
    with pytest.raises(CommandError, match=text.replace("(", r"\(")):
        call_command("listen", stdout=io.StringIO(), **{"url": live_server.url, "api_key": key, **options})


@pytest.mark.parametrize(
    "answer", [Answer(404, b"<h1>Not found</h1>"), Answer(200, b"<h1>Hello</h1>"), Answer(200, b"[]")]
)
def test_a_server_without_our_api_is_reported(answer: Answer) -> None:
    with RecordingServer([answer]) as other, pytest.raises(CommandError, match=r"Check --url\.$"):
        call_command("listen", stdout=io.StringIO(), url=other.url, api_key="bp_live_sk_x")
