"""Requests to the platform: signed with X-Twilio-Signature, and retried as the URL's fragment says.

Signature: https://www.twilio.com/docs/usage/security. Fragments such as `#rc=3&rp=all&rt=5000` (retries, retry policy, and
read timeout in milliseconds): https://www.twilio.com/docs/usage/webhooks/webhooks-connection-overrides.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import aiohttp

from sandbox.exchange.faults import Faults
from sandbox.exchange.tasks import Tasks
from sandbox.exchange.twilio.values import new_sid

logger = logging.getLogger(__name__)

TIMEOUT_MS = 15000
DEFAULT_TRIES, MAX_TRIES = 1, 5
RETRY_SECONDS = 0.2


def sign(auth_token: str, url: str, params: Mapping[str, str]) -> str:
    """X-Twilio-Signature: HMAC-SHA1 of the whole URL and, for form bodies, all names and values, sorted by name."""
    text = url + "".join(name + params[name] for name in sorted(params))
    return base64.b64encode(hmac.new(auth_token.encode(), text.encode(), hashlib.sha1).digest()).decode()


@dataclass(frozen=True, slots=True)
class Reply:
    """The response. `status` is 0 if there was none."""

    status: int
    content_type: str = ""
    text: str = ""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


@dataclass(slots=True)
class CallbackQueue:
    """The order of one call's callbacks."""

    last: asyncio.Task[Any] | None = None


@dataclass(frozen=True, slots=True)
class _Overrides:
    """The overrides in a URL's fragment. `policy`: "ct" (no connection), "rt" (read timeout), "4xx", "5xx", "all"."""

    tries: int = DEFAULT_TRIES
    policy: frozenset[str] = frozenset({"ct"})
    read_ms: int = TIMEOUT_MS

    @classmethod
    def of(cls, fragment: str) -> "_Overrides":
        values = {name: texts[-1] for name, texts in parse_qs(fragment).items()}
        return cls(
            tries=min(int(values.get("rc", DEFAULT_TRIES)), MAX_TRIES),
            policy=frozenset(values.get("rp", "ct").split(",")),
            read_ms=min(int(values.get("rt", TIMEOUT_MS)), TIMEOUT_MS),
        )

    def wants_again(self, failure: str) -> bool:
        return bool(failure) and bool(self.policy & {failure, "all"})


@dataclass(slots=True)
class Callbacks:
    """`send` delivers in the background and in order. `fetch` waits for the response."""

    http: aiohttp.ClientSession
    tasks: Tasks
    faults: Faults
    _leaving: set[asyncio.Task[Any]] = field(default_factory=set)

    def send(self, queue: CallbackQueue, auth_token: str, url: str, method: str, params: Mapping[str, str]) -> None:
        """Deliver a callback after the previous one in the same queue. Does nothing without a URL."""
        if not url:
            return
        before = None if self.faults.reorder else queue.last
        queue.last = self.tasks.start(self._deliver(auth_token, url, method, params, before), "twilio callback")
        self._leaving.add(queue.last)
        queue.last.add_done_callback(self._leaving.discard)

    async def flush(self, seconds: float) -> None:
        """Wait until every callback has been delivered or has failed, at most this long."""
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=seconds)

    async def _deliver(
        self, auth_token: str, url: str, method: str, params: Mapping[str, str], before: asyncio.Task[Any] | None
    ) -> None:
        if before is not None:
            await asyncio.wait([before])
        await asyncio.sleep(self.faults.delay_seconds())
        if self.faults.is_duplicated():
            self.tasks.start(self.fetch(auth_token, url, method, params), "twilio callback duplicate")
        reply = await self.fetch(auth_token, url, method, params)
        if not reply.is_success:
            logger.info("a callback to the platform failed with %s", reply.status or "no answer")

    async def fetch(self, auth_token: str, url: str, method: str, params: Mapping[str, str]) -> Reply:
        """Request a URL, and retry if its fragment says so. All attempts have the same idempotency token."""
        parts = urlsplit(url)
        overrides = _Overrides.of(parts.fragment)
        target = urlunsplit(parts._replace(fragment=""))
        if method == "GET":
            target += ("&" if parts.query else "?") + urlencode(params)
            params = {}
        headers = {
            "X-Twilio-Signature": sign(auth_token, target, params),
            "I-Twilio-Idempotency-Token": new_sid("IT"),
            "User-Agent": "TwilioProxy/1.1",
        }
        for left in range(overrides.tries, -1, -1):
            reply, failure = await self._try(target, method, params, headers, overrides.read_ms / 1000)
            if not left or not overrides.wants_again(failure):
                break
            await asyncio.sleep(RETRY_SECONDS)
        return reply

    async def _try(
        self, url: str, method: str, params: Mapping[str, str], headers: Mapping[str, str], seconds: float
    ) -> tuple[Reply, str]:
        """The reply, and the failure as one of the values of `rp`."""
        data = dict(params) if method == "POST" else None
        try:
            async with (
                asyncio.timeout(seconds),
                self.http.request(method, url, data=data, headers=headers, allow_redirects=False) as response,
            ):
                text = await response.text(errors="replace")
        except TimeoutError:
            return Reply(0), "rt"
        except (aiohttp.ClientError, OSError):
            return Reply(0), "ct"
        failure = f"{response.status // 100}xx" if response.status >= 400 else ""
        return Reply(response.status, response.content_type, text), failure
