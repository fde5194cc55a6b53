"""Webhooks to the platform: signed like Telnyx's, in order for each call, and retried if not accepted within two seconds."""

import asyncio
import base64
import logging
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sandbox.exchange.faults import Faults
from sandbox.exchange.tasks import Tasks

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 2.0
RETRY_DELAYS_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)


def now_text() -> str:
    """The current time in Telnyx's format: ISO 8601, microseconds, Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(slots=True)
class WebhookQueue:
    """The destination of one call's events: a URL, a retry policy per event type (ms), and their order."""

    url: str
    retries_ms: Mapping[str, Sequence[int]] = field(default_factory=dict)
    last: asyncio.Task[Any] | None = None


class WebhookSender:
    """Signs and posts events. `seed` is the 32-byte ed25519 private key. The platform has the public key."""

    def __init__(self, seed: bytes, http: aiohttp.ClientSession, tasks: Tasks, faults: Faults) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self._http = http
        self._tasks = tasks
        self._faults = faults
        self._leaving: set[asyncio.Task[Any]] = set()

    def send(self, queue: WebhookQueue, event_type: str, payload: Mapping[str, Any]) -> None:
        """Deliver an event in the background, after the first attempt of the previous event in the same queue."""
        if not queue.url:
            return
        event = {
            "record_type": "event",
            "event_type": event_type,
            "id": str(uuid.uuid4()),
            "occurred_at": now_text(),
            "payload": dict(payload),
        }
        before = None if self._faults.reorder else queue.last
        queue.last = self._tasks.start(self._first_attempt(queue, event, before), f"webhook {event_type}")
        self._leaving.add(queue.last)
        queue.last.add_done_callback(self._leaving.discard)

    async def flush(self, seconds: float) -> None:
        """Wait until every event has been tried once, at most this long."""
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=seconds)

    async def _first_attempt(
        self, queue: WebhookQueue, event: dict[str, Any], before: asyncio.Task[Any] | None
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        await asyncio.sleep(self._faults.delay_seconds())
        if self._faults.is_duplicated():
            self._tasks.start(self._repeat(queue.url, event), "webhook duplicate")
        if not await self._post(queue.url, event, attempt=1):
            policy = queue.retries_ms.get(event["event_type"])
            delays = RETRY_DELAYS_SECONDS if policy is None else [ms / 1000 for ms in policy]
            self._tasks.start(self._retry(queue.url, event, delays), "webhook retry")

    async def _repeat(self, url: str, event: dict[str, Any]) -> None:
        await asyncio.sleep(self._faults.delay_seconds())
        await self._post(url, event, attempt=2)

    async def _retry(self, url: str, event: dict[str, Any], delays: Sequence[float]) -> None:
        for attempt, delay in enumerate(delays, start=2):
            await asyncio.sleep(delay)
            if await self._post(url, event, attempt):
                return
        logger.warning("gave up on webhook %s", event["event_type"])

    async def _post(self, url: str, event: dict[str, Any], attempt: int) -> bool:
        """Whether the event is done: accepted, or refused permanently (a 4xx other than 408 and 429)."""
        body = orjson.dumps({"data": event, "meta": {"attempt": attempt, "delivered_to": url}})
        headers = self.sign(body) | {"Content-Type": "application/json", "User-Agent": "telnyx-webhooks"}
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                async with self._http.post(url, data=body, headers=headers, allow_redirects=False) as response:
                    return response.status < 300 or (400 <= response.status < 500 and response.status not in {408, 429})
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            logger.debug("webhook %s attempt %d failed: %s", event["event_type"], attempt, type(error).__name__)
            return False

    def sign(self, body: bytes) -> dict[str, str]:
        """The two signature headers: ed25519 over `timestamp|body`."""
        timestamp = str(int(time.time()))
        signature = self._key.sign(timestamp.encode() + b"|" + body)
        return {"telnyx-timestamp": timestamp, "telnyx-signature-ed25519": base64.b64encode(signature).decode()}

    @property
    def public_key(self) -> str:
        """Base64 of the 32-byte public key, as the portal shows it."""
        return base64.b64encode(self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
