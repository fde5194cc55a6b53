"""Requests in their thread: no request affects the next one in the same thread, and what happens if the client disconnects."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any
from weakref import ref

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.core.signals import request_finished
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from django.utils import timezone, translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from structlog.contextvars import get_contextvars

from bubblyphone.server import compute_slots, request_handler
from bubblyphone.server.request_handler import ThreadedHandler

WAIT = 30
begun, may_end = Event(), Event()
ended: list[str] = []
used: list[Any] = []  # weak references to requests and views


def changes_thread_state(request: HttpRequest) -> HttpResponse:
    translation.activate("de")
    timezone.activate("Asia/Tokyo")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return shows_thread_state(request)


def shows_thread_state(request: HttpRequest) -> HttpResponse:
    return HttpResponse(_thread_state())


async def asks_asynchronously(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{await sync_to_async(_thread_state)()} {request.body.decode()}")


def fails(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("SELECT no_such_column")
    return HttpResponse()


def waits(request: HttpRequest) -> HttpResponse:
    begun.set()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert may_end.wait(WAIT)
    ended.append("view")
    return HttpResponse()


def streams(request: HttpRequest) -> StreamingHttpResponse:
    return RecordsItsEnd(_pieces())


class RecordsItsEnd(StreamingHttpResponse):
    def close(self) -> None:
        super().close()
        ended.append("response")


@csrf_exempt
@require_POST
def receives(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def is_slow(request: HttpRequest) -> HttpResponse:
    assert may_end.wait(WAIT)
    return HttpResponse()


class Resource(APIView):
    authentication_classes = permission_classes = ()

    def get(self, request: Request) -> Response:
        self._note(request)
        return Response({"id": 1})

    def post(self, request: Request) -> Response:
        self._note(request)
        return Response(request.data)

    def _note(self, request: Request) -> None:
        django_request = request.get_full_path.__self__  # which REST framework's request wraps
        used.extend((ref(request), ref(django_request), ref(self)))


class Outlasts(APIView):
    """Uses everything of its request after a wait, as a purchase does after the carrier's answer."""

    authentication_classes = permission_classes = ()

    def post(self, request: Request, name: str) -> Response:
        begun.set()
        assert may_end.wait(WAIT)
        django_request = request.get_full_path.__self__
        ended.append(
            f"{django_request.method} {request.query_params['id']} {request.data['amount']} {request.user} {django_request.user} "
            f"{django_request.resolver_match.route} {self.kwargs} {self.request is request}"
        )
        return Response()


async def _pieces() -> AsyncIterator[str]:
    try:
        yield _thread_state()
        while "endless" in get_contextvars()["request_id"]:
            yield "more"
            await asyncio.sleep(0.01)
    finally:
        ended.append("pieces")


def _thread_state() -> str:
    return f"{translation.get_language()} {timezone.get_current_timezone_name()} {get_contextvars()['request_id']}"


VIEWS = (changes_thread_state, shows_thread_state, asks_asynchronously, fails, waits, streams, is_slow)
urlpatterns = [
    *(path(view.__name__, view) for view in VIEWS),
    path("api/v1/resource", Resource.as_view()),
    path("api/v1/outlasts/<name>", Outlasts.as_view()),
    path("healthz", shows_thread_state),
    path("webhooks/telnyx", receives),
]


def handler500(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=500)


@pytest.fixture
def thread(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPoolExecutor]:
    """A pool with a single thread for requests. Each test starts with a clean one."""
    settings.ROOT_URLCONF = __name__
    for event in (begun, may_end):
        event.clear()
    ended.clear()
    with ThreadPoolExecutor(1) as only:
        monkeypatch.setattr(request_handler, "THREADS", only)
        yield only
        only.submit(lambda: connection.close()).result(WAIT)


def send(view: Any, request_id: str) -> ApplicationCommunicator:
    headers = [(b"host", b"localhost"), (b"x-request-id", request_id.encode())]
    scope = {"type": "http", "method": "GET", "path": f"/{view.__name__}", "query_string": b"", "headers": headers}
    return ApplicationCommunicator(ThreadedHandler(), scope)


async def answer(view: Any, request_id: str, *body: bytes) -> tuple[int, str]:
    """Status and text. Sends the body in these pieces."""
    request = send(view, request_id)
    for piece in body:
        await request.send_input({"type": "http.request", "body": piece, "more_body": True})
    await request.send_input({"type": "http.request", "body": b""})
    start = await request.receive_output(WAIT)
    text, has_more = b"", True
    while has_more:
        part = await request.receive_output(WAIT)
        text, has_more = text + part.get("body", b""), part.get("more_body", False)
    await request.wait(WAIT)
    return start["status"], text.decode()


def has_connection() -> bool:
    """Whether this thread still holds its pooled connection."""
    return connection.connection is not None


@pytest.mark.django_db
async def test_a_request_leaves_nothing_in_its_thread(thread: ThreadPoolExecutor) -> None:
    """No language, time zone, log context or connection, whether it succeeds or fails."""
    assert await answer(changes_thread_state, "1") == (200, "de Asia/Tokyo 1")
    assert not thread.submit(has_connection).result(WAIT)
    assert await answer(shows_thread_state, "2") == (200, "en-us UTC 2")
    assert await answer(asks_asynchronously, "3", b"in ", b"pieces") == (200, "en-us UTC 3 in pieces")
    assert (await answer(fails, "4"))[0] == 500
    assert not thread.submit(has_connection).result(WAIT)
    assert await answer(streams, "5") == (200, "en-us UTC 5")
    assert ended == ["pieces", "response"]
    assert await answer(shows_thread_state, "6") == (200, "en-us UTC 6")


@pytest.mark.django_db
async def test_the_server_waits_for_a_view_whose_client_disconnects(thread: ThreadPoolExecutor) -> None:
    finished = Event()

    def note(**_: Any) -> None:
        finished.set()

    request_finished.connect(note)
    try:
        request = send(waits, "1")
        await request.send_input({"type": "http.request", "body": b""})
        assert await asyncio.to_thread(begun.wait, WAIT)
        await request.send_input({"type": "http.disconnect"})
        await asyncio.sleep(0)
        assert not request.future.done()
        may_end.set()
        await request.wait(WAIT)
    finally:
        request_finished.disconnect(note)
    assert ended == ["view"]
    assert finished.is_set()
    assert request.output_queue.empty()
    assert not thread.submit(has_connection).result(WAIT)


async def test_a_view_keeps_its_request_after_the_server_has_given_up_on_it(thread: ThreadPoolExecutor) -> None:
    """Daphne cancels a request that still runs 10 seconds after its client disconnected. Its view must complete what it began."""
    body = b'{"amount": 5}'
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/v1/outlasts/x",
        "query_string": b"id=7",
        "headers": headers,
    }
    request = ApplicationCommunicator(ThreadedHandler(), scope)
    await request.send_input({"type": "http.request", "body": body})
    assert await asyncio.to_thread(begun.wait, WAIT)
    await request.send_input({"type": "http.disconnect"})
    while not request.future.done():
        request.future.cancel()
        await asyncio.sleep(0)
    assert ended == []
    may_end.set()
    await asyncio.to_thread(thread.submit(list).result, WAIT)  # runs after the view
    assert ended == ["POST 7 5 AnonymousUser AnonymousUser api/v1/outlasts/<name> {'name': 'x'} True"]


async def test_a_stream_ends_when_its_client_disconnects(thread: ThreadPoolExecutor) -> None:
    request = send(streams, "endless")
    await request.send_input({"type": "http.request", "body": b""})
    assert (await request.receive_output(WAIT))["status"] == 200
    assert await request.receive_output(WAIT)
    await request.send_input({"type": "http.disconnect"})
    await request.wait(WAIT)
    assert ended == ["pieces", "response"]


async def test_an_incomplete_body_never_reaches_a_view(thread: ThreadPoolExecutor) -> None:
    request = send(waits, "1")
    await request.send_input({"type": "http.request", "body": b"half", "more_body": True})
    await request.send_input({"type": "http.disconnect"})
    await request.wait(WAIT)
    assert not begun.is_set()
    assert request.output_queue.empty()


async def test_webhooks_and_monitors_do_not_wait_for_pages(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ROOT_URLCONF = __name__
    monkeypatch.setattr(compute_slots, "CHECK_SECONDS", 3600.0)  # pages keep their slots until they end
    handler = ThreadedHandler()
    may_end.clear()

    async def ask(method: str, address: str) -> ApplicationCommunicator:
        headers = [(b"host", b"localhost"), (b"x-request-id", b"1")]
        scope = {"type": "http", "method": method, "path": address, "query_string": b"", "headers": headers}
        request = ApplicationCommunicator(handler, scope)
        await request.send_input({"type": "http.request", "body": b""})
        return request

    with ThreadPoolExecutor() as threads:
        monkeypatch.setattr(request_handler, "THREADS", threads)
        pages = [await ask("GET", "/is_slow") for _ in range(compute_slots.SLOTS + 1)]
        try:
            for method, address in (("GET", "/healthz"), ("POST", "/webhooks/telnyx")):
                assert (await (await ask(method, address)).receive_output(WAIT))["status"] == 200
            assert [page.output_queue.qsize() for page in pages] == [0] * len(pages)
        finally:
            may_end.set()
        for page in pages:
            assert (await page.receive_output(WAIT))["status"] == 200


class Client:
    """Sends one request, and disconnects when it has the whole response, as daphne does."""

    def __init__(self, body: bytes) -> None:
        self.answer = b""
        self._body: bytes | None = body
        self._is_answered = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        body, self._body = self._body, None
        if body is not None:
            return {"type": "http.request", "body": body}
        await self._is_answered.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.answer += message.get("body", b"")
        if message["type"] == "http.response.body" and not message.get("more_body"):
            self._is_answered.set()


@pytest.fixture
def no_collections() -> Iterator[None]:
    used.clear()
    gc.disable()
    yield
    gc.enable()
    used.clear()


@pytest.mark.parametrize(
    ("method", "address", "body", "answer"),
    [
        ("GET", "/api/v1/resource", b"", b'{"id":1}'),
        ("POST", "/api/v1/resource", b'{"name": "x"}', b'{"name":"x"}'),
    ],
)
async def test_an_answered_api_request_leaves_nothing_to_the_garbage_collector(
    thread: ThreadPoolExecutor, no_collections: None, method: str, address: str, body: bytes, answer: bytes
) -> None:
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    scope = {"type": "http", "method": method, "path": address, "query_string": b"", "headers": headers}
    client = Client(body)
    await ThreadedHandler()(scope, client.receive, client.send)
    assert answer in client.answer
    handled = ref(client)
    del client
    assert handled() is None
    assert used
    assert [one() for one in used] == [None] * len(used)
