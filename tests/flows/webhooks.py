"""A developer's server that records webhooks and responds to them."""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import jsonschema
from aiohttp import web

from tests.described import check_webhook

Answer = tuple[int, Any] | Callable[[dict[str, Any]], Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A webhook as received."""

    event: str
    body: str
    json: dict[str, Any]
    headers: dict[str, str]

    def is_signed_with(self, secret: str) -> bool:
        """Check the signature as the published Node snippet does, over `JSON.stringify(JSON.parse(body))`."""
        again = json.dumps(json.loads(self.body), separators=(",", ":"), ensure_ascii=False)
        signed = f"{self.headers['x-timestamp']}.{again}".encode()
        expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        return f"sha256={expected}" == self.headers["x-signature"]


class WebhookReceiver:
    """`async with WebhookReceiver() as receiver: receiver.url`. `answers` maps an event to a (status, body) or a function.

    All webhooks must match their published schemas.
    """

    def __init__(self, answers: dict[str, Answer] | None = None) -> None:
        self.messages: list[Message] = []
        self.answers = answers or {}
        self._problems: list[str] = []

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        assert self._problems == []

    async def _take(self, request: web.Request) -> web.Response:
        body = (await request.read()).decode()
        content = json.loads(body)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.messages.append(Message(content["event"], body, content, headers))
        try:
            check_webhook(content)
        except (KeyError, jsonschema.ValidationError) as error:
            self._problems.append(f"{body}: {error}")
        answer = self.answers.get(content["event"], (200, {"status": "ok"}))
        status, answer = answer if isinstance(answer, tuple) else (200, answer(content))
        return web.json_response(answer, status=status)

    @property
    def names(self) -> list[str]:
        return [message.event for message in self.messages]

    def one(self, event: str) -> Message:
        """The only message of this event type."""
        (found,) = (message for message in self.messages if message.event == event)
        return found

    def ids(self) -> dict[str, set[str]]:
        """Event type → the IDs of its webhooks. Retries of a delivery have the same ID."""
        return {
            name: {message.headers["x-webhook-id"] for message in self.messages if message.event == name}
            for name in self.names
        }
