"""Sends the outbox: first attempts as soon as their transaction has committed, retries by `webhooks.sending.retry_schedule`.

One coroutine in the clock process. Several processes can share the work (`webhooks.sending.claims`). What receivers can rely on:
docs/guarantees.md.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

import psycopg
from cryptography.fernet import InvalidToken
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.utils import timezone
from structlog.contextvars import bind_contextvars

from bubblyphone.core.monitoring import tracing
from bubblyphone.core.monitoring.logs import in_context
from webhooks.extension_points import REPLY_HANDLER
from webhooks.http.outbound_http import MAX_RESPONSE_BYTES, PostResult, get_client
from webhooks.models import WebhookDelivery
from webhooks.outbox import CHANNEL
from webhooks.sending.claims import abandon, claim_due, release
from webhooks.sending.outcomes import Arrival, record_arrivals, record_failure
from webhooks.sending.replies import AnswerRefused
from webhooks.sending.retry_schedule import ENDPOINT_RETRY_DELAYS_SECONDS, RETRY_DELAYS_SECONDS
from webhooks.sending.signing import signature_headers, signing_keys

logger = logging.getLogger(__name__)

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

# How long a claim excludes others: longer than an attempt with its timeout of 10 s.
LEASE_SECONDS = 15.0
# NOTIFY wakes us; polling covers what another process left behind, and clocks that differ.
POLL_SECONDS = 2.0
PAUSE_AFTER_ERROR_SECONDS = 1.0
# Under load, claims and records each run this far apart and take many rows at once. After a quiet moment they run at once.
GATHER_SECONDS = 0.01
# Requests in flight, in total and per URL, so that one hanging server cannot take all sockets.
MAX_IN_FLIGHT = 2000
MAX_PER_URL = 100
BATCH = 200
# Events of one subject, such as a call, start in order: each waits for the response to the one before it at the same URL,
# but not for long, since first attempts should leave within 50 ms.
ORDER_SECONDS = 0.01
STOP_GRACE_SECONDS = 3.0


async def run() -> None:
    """Deliver until canceled."""
    await Dispatcher().run()


def take_reply(delivery: WebhookDelivery, result: PostResult) -> PostResult:
    """Carry out the action in the response. If that fails, the attempt fails with the reason."""
    if not result.is_whole:
        return replace(result, error=f"The response is longer than {MAX_RESPONSE_BYTES // 1024} KB.")
    try:
        problem = REPLY_HANDLER.get().take(delivery, result.body)
    except AnswerRefused as error:
        return replace(result, error=str(error), is_final=True)
    except DatabaseError:
        raise
    except Exception:
        logger.exception("Carrying out a webhook response failed")
        problem = "The action in the response failed."
    return replace(result, error=problem) if problem else result


class _DatabaseThread:
    """A thread with its own database connection, called from the event loop."""

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def call(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Result:
        """Raises what the function raises. A broken connection is dropped, so that the next call makes a new one."""

        def guarded() -> Result:
            try:
                return function(*args, **kwargs)
            except (OperationalError, InterfaceError):
                connection.close()
                raise

        return await asyncio.get_running_loop().run_in_executor(self._executor, in_context(guarded))

    async def close(self) -> None:
        # `connection` is another one in every thread: it must be looked up in there.
        await asyncio.get_running_loop().run_in_executor(self._executor, lambda: connection.close())
        self._executor.shutdown()


# --- sending ----------------------------------------------------------------------------------------------------------
class Dispatcher:
    """Claims and sends. When canceled, running attempts get a moment to finish; the rest is released."""

    def __init__(
        self,
        *,
        retry_delays: Sequence[float] = RETRY_DELAYS_SECONDS,
        endpoint_retry_delays: Sequence[float] = ENDPOINT_RETRY_DELAYS_SECONDS,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._retry_delays = retry_delays
        self._endpoint_retry_delays = endpoint_retry_delays
        self._lease_seconds = lease_seconds
        self._wake = asyncio.Event()
        self._in_flight: dict[asyncio.Task[bool], WebhookDelivery] = {}
        # For what the last claim had no room: deliveries to these URLs, or any at all.
        self._busy_urls: frozenset[str] = frozenset()
        self._is_full = False
        # The latest attempt by subject and URL, and whether its turn has come.
        self._newest: dict[tuple[str, str], tuple[asyncio.Task[bool], asyncio.Event]] = {}
        # Separate threads, so that many outcomes at once do not delay the first attempts of others.
        self._claims = _DatabaseThread("webhook-claims")
        self._outcomes = _DatabaseThread("webhook-outcomes")
        # Successful attempts that are not recorded yet.
        self._arrivals: list[tuple[Arrival, asyncio.Future[None]]] = []
        self._recording: asyncio.Task[None] | None = None
        self._replies = _DatabaseThread("webhook-replies")

    async def run(self) -> None:
        """Deliver until canceled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen())
                group.create_task(self._dispatch())
        finally:
            await self._stop()

    async def _listen(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(**_connection_parameters()) as listener:
                    await listener.execute(f"LISTEN {CHANNEL}")
                    self._wake.set()
                    await self._wake_on_notify(listener)
            except psycopg.Error:
                logger.warning("Lost the database connection that listens for new webhooks", exc_info=True)
            await asyncio.sleep(PAUSE_AFTER_ERROR_SECONDS)

    async def _wake_on_notify(self, listener: psycopg.AsyncConnection) -> None:
        """Wake at each notification. Without psycopg's `notifies`, which wakes ten times a second to check whether to stop."""
        loop, socket, readable = asyncio.get_running_loop(), listener.fileno(), asyncio.Event()
        loop.add_reader(socket, readable.set)
        try:
            while True:
                await readable.wait()
                readable.clear()
                listener.pgconn.consume_input()
                while listener.pgconn.notifies() is not None:
                    self._wake.set()
        finally:
            loop.remove_reader(socket)

    async def _dispatch(self) -> None:
        now = asyncio.get_running_loop().time
        while True:
            self._wake.clear()
            started = now()
            try:
                pause = await self._start_due()
            except DatabaseError:
                logger.warning("Reading due webhooks failed", exc_info=True)
                pause = PAUSE_AFTER_ERROR_SECONDS
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(max(0.0, started + GATHER_SECONDS - now()))

    async def _start_due(self) -> float:
        """Start deliveries that are due. Returns the seconds until the next check."""
        limit = min(BATCH, MAX_IN_FLIGHT - len(self._in_flight))
        self._is_full = limit <= 0
        if self._is_full:
            return POLL_SECONDS
        per_url = Counter(delivery.url for delivery in self._in_flight.values())
        self._busy_urls = frozenset(url for url, count in per_url.items() if count >= MAX_PER_URL)
        due, next_due = await self._claims.call(claim_due, self._busy_urls, limit, self._lease_seconds)
        for delivery in due:
            line = delivery.subject, delivery.url
            begun = asyncio.Event()
            task = asyncio.create_task(self._attempt_in_turn(delivery, begun, self._newest.get(line)))
            self._in_flight[task] = delivery
            self._newest[line] = task, begun
            task.add_done_callback(self._ended)
        if len(due) == limit:
            return 0
        if next_due is None:
            return POLL_SECONDS
        return min(POLL_SECONDS, max(0.0, (next_due - timezone.now()).total_seconds()))

    def _ended(self, task: asyncio.Task[bool]) -> None:
        delivery = self._in_flight.pop(task)
        line = delivery.subject, delivery.url
        if line in self._newest and self._newest[line][0] is task:
            del self._newest[line]
        has_arrived = not task.cancelled() and task.exception() is None and task.result()
        # A retry needs scheduling, or a waiting delivery now has room.
        if not has_arrived or self._is_full or delivery.url in self._busy_urls:
            self._wake.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A webhook delivery failed unexpectedly", exc_info=error)

    async def _is_still_wanted(self, delivery: WebhookDelivery) -> bool:
        """Whether to make the attempt. A retry is skipped if its response is no longer needed, and so is everything to an endpoint
        that was deleted while the message was written."""
        is_for_nobody = delivery.endpoint is not None and delivery.endpoint.deleted_at is not None
        if not is_for_nobody and (not delivery.wants_reply or delivery.attempt_count == 0):
            return True
        try:
            if not is_for_nobody and await self._replies.call(lambda: REPLY_HANDLER.get().is_wanted(delivery)):
                return True
            await self._replies.call(abandon, delivery)
        except DatabaseError:
            logger.warning(
                "Could not release a webhook's lease; it is retried when the lease expires",
                exc_info=True,
            )
        return False

    async def _attempt_in_turn(
        self, delivery: WebhookDelivery, begun: asyncio.Event, before: tuple[asyncio.Task[bool], asyncio.Event] | None
    ) -> bool:
        """Returns whether it arrived and that is recorded."""
        try:
            if before is not None:
                task, has_begun = before
                await has_begun.wait()
                await asyncio.wait([task], timeout=ORDER_SECONDS)
        finally:
            begun.set()
        return await self._attempt(delivery)

    async def _attempt(self, delivery: WebhookDelivery) -> bool:
        kind, _, pk = delivery.subject.partition(":")
        bind_contextvars(delivery_id=delivery.pk, account_id=delivery.developer_id, **{f"{kind}_id": pk})
        if not await self._is_still_wanted(delivery):
            return False
        retry_delays = self._retry_delays if delivery.endpoint_id is None else self._endpoint_retry_delays
        started_at = timezone.now()
        with tracing.span(delivery.event_type, call_id=int(pk) if kind == "call" else None):
            result = await _post(delivery)
        # Only while the lease lasts: after it the attempt is repeated anyway.
        deadline = time.monotonic() + self._lease_seconds
        while True:
            try:
                if delivery.wants_reply and result.is_success:
                    result = await self._replies.call(take_reply, delivery, result)
                if result.is_success:
                    await self._record_arrival(Arrival(delivery, result, started_at))
                else:
                    await self._outcomes.call(record_failure, delivery, result, started_at, retry_delays)
                return result.is_success
            except DatabaseError:
                logger.warning("Recording a webhook attempt failed", exc_info=True)
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(PAUSE_AFTER_ERROR_SECONDS)

    async def _record_arrival(self, arrival: Arrival) -> None:
        """Together with the others that wait when the database thread is free. Raises DatabaseError."""
        recorded = asyncio.get_running_loop().create_future()
        self._arrivals.append((arrival, recorded))
        if self._recording is None or self._recording.done():
            self._recording = asyncio.create_task(self._record_arrivals())
        await recorded

    async def _record_arrivals(self) -> None:
        now = asyncio.get_running_loop().time
        while self._arrivals:
            started = now()
            batch, self._arrivals = self._arrivals[:BATCH], self._arrivals[BATCH:]
            await self._record(batch)
            await asyncio.sleep(max(0.0, started + GATHER_SECONDS - now()))

    async def _record(self, batch: Sequence[tuple[Arrival, asyncio.Future[None]]]) -> None:
        """If one of them cannot be stored, the others are: otherwise all of them would be sent again."""
        recording = self._outcomes.call(record_arrivals, [arrival for arrival, _ in batch])
        (error,) = await asyncio.gather(recording, return_exceptions=True)
        if error is not None and len(batch) > 1 and not isinstance(error, OperationalError | InterfaceError):
            for one in batch:
                await self._record([one])
            return
        for _, recorded in batch:
            if recorded.done():
                continue  # its attempt was broken off
            if error is not None:
                recorded.set_exception(error)
            else:
                recorded.set_result(None)

    async def _stop(self) -> None:
        if self._in_flight:
            await asyncio.wait(self._in_flight, timeout=STOP_GRACE_SECONDS)
        broken_off = dict(self._in_flight)
        for task in broken_off:
            task.cancel()
        if self._recording is not None:
            await asyncio.wait([self._recording])  # first, since what has arrived is not to be sent again
        if broken_off:
            await asyncio.wait(broken_off)
            try:
                await self._claims.call(release, [delivery.pk for delivery in broken_off.values()])
            except DatabaseError:
                logger.warning(
                    "Could not release webhook leases at shutdown; they are retried when the leases expire",
                    exc_info=True,
                )
        await self._claims.close()
        await self._outcomes.close()
        await self._replies.close()


async def _post(delivery: WebhookDelivery) -> PostResult:
    try:
        keys = signing_keys(delivery.signing_secret)
    except InvalidToken:
        logger.exception("Cannot decrypt a signing secret. Is a key missing from ENCRYPTION_KEYS?")
        return PostResult(None, "", 0, "The signing secret could not be decrypted.")
    headers = signature_headers(keys, delivery.body, delivery.webhook_id, int(time.time()))
    return await get_client().post(delivery.url, body=delivery.body.encode(), headers=headers)


def _connection_parameters() -> dict[str, Any]:
    """Django's connection parameters, without those for its cursors."""
    parameters = connection.get_connection_params()
    return {
        **{name: parameters[name] for name in parameters if name not in ("cursor_factory", "context")},
        "autocommit": True,
    }
