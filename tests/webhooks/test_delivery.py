"""The outbox and its dispatcher, on real sockets and a real database."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.utils import timezone

from tests.factories import make_secret_for
from tests.webhooks.receiver import Received, Receiver
from webhooks.http.outbound_http import PostResult
from webhooks.models import SigningSecret, WebhookAttempt, WebhookDelivery
from webhooks.outbox import Address, publish, record_attempt
from webhooks.sending.body_encoding import encode_body
from webhooks.sending.claims import claim_due
from webhooks.sending.delivery import Dispatcher
from webhooks.sending.outcomes import record_failure
from webhooks.sending.signing import rotate_signing_secret, signature_headers, signing_keys

pytestmark = pytest.mark.django_db(transaction=True)


def put(secret: SigningSecret, url: str, **payload: Any) -> WebhookDelivery:
    event = publish(
        developer_id=secret.developer_id,
        subject="call:42",
        event_type="call.ended",
        payload={"event": "call.ended", **payload},
        to=[Address(url, secret.pk)],
    )
    return event.deliveries.select_related("signing_secret").get()


@asynccontextmanager
async def dispatching(**options: Any) -> AsyncIterator[None]:
    task = asyncio.create_task(Dispatcher(**options).run())
    await until_listening()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        await sync_to_async(lambda: connection.close())()


async def until_listening() -> None:
    """Wait until the dispatcher is notified of new messages immediately."""
    async with asyncio.timeout(30):
        while not await sync_to_async(listeners)():
            await asyncio.sleep(0.02)


def listeners() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle' AND query LIKE 'LISTEN %%'"
        )
        return int(cursor.fetchone()[0])


async def attempts_of(delivery: WebhookDelivery, count: int, seconds: float = 30) -> list[WebhookAttempt]:
    async with asyncio.timeout(seconds):
        while True:
            found = [attempt async for attempt in WebhookAttempt.objects.filter(delivery=delivery).order_by("number")]
            if len(found) >= count:
                await delivery.arefresh_from_db()
                return found
            await asyncio.sleep(0.02)


async def test_the_first_attempt_starts_within_50_ms_of_the_commit() -> None:
    secret, plaintext = await sync_to_async(make_secret_for)()
    async with Receiver() as receiver, dispatching():
        delays = []
        for number in range(10):
            delivery = await sync_to_async(put)(secret, f"{receiver.url}/ok", number=number)
            committed = time.time()
            received = await receiver.wait_for(number + 1)
            delays.append(received[-1].at - committed)
        (attempt,) = await attempts_of(delivery, 1)
    # The third best of ten, because the machine may be busy with other tests.
    assert sorted(delays)[2] < 0.05
    assert delivery.status == "delivered"
    assert delivery.next_attempt_at is None
    assert (attempt.number, attempt.response_status, attempt.response_body) == (1, 200, '{"ok": true}')
    assert (attempt.success, attempt.error_message) == (True, None)
    last = received[-1]
    assert last.body == b'{"event":"call.ended","number":9}'
    expected = signature_headers(
        signing_keys(secret), last.body.decode(), delivery.webhook_id, int(last.headers["X-Timestamp"])
    )
    assert {name: last.headers[name] for name in expected} == expected
    assert abs(int(last.headers["X-Timestamp"]) - last.at) < 2
    assert plaintext == signing_keys(secret).current


def test_a_message_is_rolled_back_with_its_transaction() -> None:
    secret, _ = make_secret_for()
    with transaction.atomic():
        put(secret, "http://127.0.0.1:9/")
        transaction.set_rollback(True)
    assert not WebhookDelivery.objects.exists()


@pytest.mark.parametrize(("path", "patience"), [("/slow", 5.0), ("/hang", 0.01)])
async def test_simultaneous_messages_of_a_call_arrive_in_order(
    path: str, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each one is sent after the response to the previous one, or soon after the previous one was sent."""
    monkeypatch.setattr("webhooks.sending.delivery.ORDER_SECONDS", patience)
    secret, _ = await sync_to_async(make_secret_for)()

    def put_together(url: str) -> None:
        with transaction.atomic():
            for number in range(3):
                put(secret, url, number=number)

    async with Receiver() as receiver, dispatching():
        await sync_to_async(put_together)(receiver.url + path)
        received = await receiver.wait_for(3)
    assert [request.body[-2:-1] for request in received] == [b"0", b"1", b"2"]
    assert path == "/hang" or all(later.at - earlier.at >= 0.01 for earlier, later in pairwise(received))


def test_each_failure_delays_the_next_attempt_by_the_schedule() -> None:
    secret, _ = make_secret_for()
    delivery = put(secret, "https://example.com/hook")
    begun = timezone.now()
    for wait in (5, 30, 120):
        record_failure(delivery, PostResult(503, "no", 40, None), begun, (5, 30, 120))
        delivery.refresh_from_db()
        due = begun + timedelta(milliseconds=40, seconds=wait)
        assert (delivery.status, delivery.next_attempt_at) == ("pending", due)
        assert claim_due((), 10, 15.0) == ([], due)  # not earlier


async def test_failures_are_retried_with_the_same_id_and_then_given_up() -> None:
    secret, _ = await sync_to_async(make_secret_for)()
    async with Receiver() as receiver, dispatching(retry_delays=(0.01, 0.02, 0.03)):
        delivery = await sync_to_async(put)(secret, f"{receiver.url}/status/503")
        attempts = await attempts_of(delivery, 4)
        assert await sync_to_async(claim_due)((), 10, 15.0) == ([], None)  # nothing is left to send
    assert [attempt.number for attempt in attempts] == [1, 2, 3, 4]
    assert {(attempt.response_status, attempt.response_body, attempt.success) for attempt in attempts} == {
        (503, "no", False)
    }
    assert len(receiver.received) == 4
    assert {request.headers["X-Webhook-Id"] for request in receiver.received} == {str(delivery.webhook_id)}
    assert (delivery.status, delivery.attempt_count, delivery.next_attempt_at) == ("failed", 4, None)


async def test_hanging_endpoints_do_not_delay_others() -> None:
    secret, _ = await sync_to_async(make_secret_for)()
    async with Receiver() as receiver, dispatching(retry_delays=(1.0,)):
        for number in range(300):
            await sync_to_async(put)(secret, f"{receiver.url}/hang/{number % 20}")
        receiver.failures_left = 1
        delivery = await sync_to_async(put)(secret, f"{receiver.url}/flaky")
        committed = time.time()
        first, second = await receiver.wait_for(2, "/flaky")
        (_, attempt) = await attempts_of(delivery, 2)
    assert first.at - committed < 0.5
    assert second.at - first.at == pytest.approx(1.0, abs=0.5)
    assert attempt.success


async def test_one_url_cannot_use_all_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webhooks.sending.delivery.BATCH", 10)
    monkeypatch.setattr("webhooks.sending.delivery.MAX_PER_URL", 20)
    monkeypatch.setattr("webhooks.sending.delivery.MAX_IN_FLIGHT", 40)
    secret, _ = await sync_to_async(make_secret_for)()
    async with Receiver() as receiver, dispatching():
        for _ in range(60):
            await sync_to_async(put)(secret, f"{receiver.url}/hang")
        await sync_to_async(put)(secret, f"{receiver.url}/ok")
        await receiver.wait_for(1, "/ok", seconds=8)
        await receiver.wait_for(20, "/hang")  # some of them may arrive after the one to the other address
        # Messages are claimed in batches, so the last batch may exceed the limit.
        assert 20 <= len([request for request in receiver.received if request.path == "/hang"]) < 30


@pytest.mark.parametrize("limit", ["MAX_PER_URL", "MAX_IN_FLIGHT"])
async def test_a_response_makes_room_for_the_next_message(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting for the next poll."""
    monkeypatch.setattr(f"webhooks.sending.delivery.{limit}", 4)
    monkeypatch.setattr("webhooks.sending.delivery.BATCH", 4)
    monkeypatch.setattr("webhooks.sending.delivery.POLL_SECONDS", 3600.0)
    secret, _ = await sync_to_async(make_secret_for)()

    def put_together(url: str) -> None:
        with transaction.atomic():
            for number in range(20):
                put(secret, url, number=number)

    async with Receiver() as receiver, dispatching():
        await sync_to_async(put_together)(f"{receiver.url}/slow")
        received = await receiver.wait_for(20)
    assert len({request.body for request in received}) == 20


@pytest.mark.slow
async def test_the_real_timeout_and_first_retry() -> None:
    """A timeout after 10 s and a retry after 5 s, accurate to a second, while 20 other endpoints hang."""
    secret, _ = await sync_to_async(make_secret_for)()
    async with Receiver() as receiver, dispatching():
        hanging = [await sync_to_async(put)(secret, f"{receiver.url}/hang/{number}") for number in range(20)]
        await receiver.wait_for(20)
        await receiver.wait_for(40)
        (attempt,) = await attempts_of(hanging[0], 1)
    for number in range(20):
        first, second = [request.at for request in receiver.received if request.path == f"/hang/{number}"]
        assert second - first == pytest.approx(15.0, abs=1.0)
    assert attempt.response_status is None
    assert attempt.error_message == "No complete response within 10 seconds."
    assert 9_900 <= attempt.latency_ms <= 11_000


async def test_pending_messages_of_a_killed_process_are_delivered_by_the_next() -> None:
    secret, _ = await sync_to_async(make_secret_for)()
    async with Receiver() as receiver:
        process = start_dispatcher()
        try:
            delivery = await sync_to_async(put)(secret, f"{receiver.url}/hang")
            await receiver.wait_for(1, seconds=30)
        finally:
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait)
        await WebhookDelivery.objects.aupdate(url=f"{receiver.url}/ok")
        async with dispatching():
            (again,) = await receiver.wait_for(1, "/ok")
            (attempt,) = await attempts_of(delivery, 1)
    assert again.headers["X-Webhook-Id"] == receiver.received[0].headers["X-Webhook-Id"]
    assert attempt.success


def start_dispatcher() -> "subprocess.Popen[bytes]":
    """A separate process with the test's database and a short lease."""
    code = (
        "import asyncio, django; django.setup()\n"
        "from webhooks.sending.delivery import Dispatcher\n"
        "asyncio.run(Dispatcher(lease_seconds=3).run())"
    )
    environment = {**os.environ, "DATABASE_URL": connection_string()}
    return subprocess.Popen([sys.executable, "-c", code], env=environment)


def connection_string() -> str:
    parameters = connection.settings_dict
    login = f"{parameters['USER']}:{parameters['PASSWORD']}@{parameters['HOST']}:{parameters['PORT']}"
    return f"postgresql://{login}/{parameters['NAME']}"


async def test_a_result_that_cannot_be_stored_does_not_block_others() -> None:
    secret, _ = await sync_to_async(make_secret_for)()
    async with Receiver() as receiver:
        first, bad, good = [await sync_to_async(put)(secret, f"{receiver.url}/ok") for _ in range(3)]
        there = await sync_to_async(record_attempt)(  # an attempt's number is unique
            delivery=bad, number=1, result=PostResult(200, "ok", 20, None), started_at=timezone.now()
        )
        async with await psycopg.AsyncConnection.connect(connection_string()) as other:
            await other.execute(
                "LOCK TABLE webhooks_webhookattempt IN SHARE MODE"
            )  # so that the results are stored together
            async with dispatching():
                await receiver.wait_for(3)
                await other.rollback()
                for delivery in (first, good):
                    await attempts_of(delivery, 1)
                    assert (delivery.status, delivery.attempt_count) == ("delivered", 1)
                await bad.arefresh_from_db()
                assert (bad.status, bad.attempt_count) == ("pending", 0)
                await there.adelete()
                await attempts_of(bad, 1)
        assert len(receiver.received) == 3


async def test_stopping_releases_pending_messages() -> None:
    secret, _ = await sync_to_async(make_secret_for)()
    async with Receiver() as receiver:
        async with dispatching():
            delivery = await sync_to_async(put)(secret, f"{receiver.url}/hang")
            await receiver.wait_for(1)
            stopping = time.monotonic()
        assert time.monotonic() - stopping < 5
        await WebhookDelivery.objects.aupdate(url=f"{receiver.url}/ok")
        async with dispatching():
            await receiver.wait_for(1, "/ok", seconds=12)  # long before its lease would expire
            await attempts_of(delivery, 1)
    assert (delivery.status, delivery.attempt_count) == ("delivered", 1)


async def test_lost_database_connections_are_reopened() -> None:
    secret, _ = await sync_to_async(make_secret_for)()
    async with Receiver() as receiver, dispatching():
        await sync_to_async(put)(secret, f"{receiver.url}/ok")
        await receiver.wait_for(1)
        await sync_to_async(end_other_connections)()
        await sync_to_async(put)(secret, f"{receiver.url}/ok")
        await receiver.wait_for(2)
        await until_listening()
        delivery = await sync_to_async(put)(secret, f"{receiver.url}/ok")
        committed = time.time()
        last = (await receiver.wait_for(3))[-1]
        await attempts_of(delivery, 1)
    assert last.at - committed < 0.3


def end_other_connections() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_after_a_rotation_both_keys_sign() -> None:
    secret, old = await sync_to_async(make_secret_for)()
    new = await sync_to_async(rotate_signing_secret)(secret_id=secret.pk)
    async with Receiver() as receiver, dispatching():
        delivery = await sync_to_async(put)(secret, f"{receiver.url}/ok", n=1.0)
        await attempts_of(delivery, 1)
    request: Received = receiver.received[0]
    keys = signing_keys(await SigningSecret.objects.aget())
    assert (keys.current, keys.previous) == (new, old)
    body, timestamp = encode_body({"event": "call.ended", "n": 1}), int(request.headers["X-Timestamp"])
    assert request.headers["X-Signature"].count("sha256=") == 2
    assert (
        request.headers["X-Signature"] == signature_headers(keys, body, delivery.webhook_id, timestamp)["X-Signature"]
    )


def test_the_outbox_notifies_on_commit() -> None:
    secret, _ = make_secret_for()
    parameters = connection.get_connection_params()
    plain = {name: parameters[name] for name in ("host", "port", "user", "password", "dbname")}
    with psycopg.connect(**plain, autocommit=True) as listener:
        listener.execute("LISTEN webhook_deliveries")
        put(secret, "http://127.0.0.1:9/")
        assert len(list(listener.notifies(timeout=10, stop_after=1))) == 1
