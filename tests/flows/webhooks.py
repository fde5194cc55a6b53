"""A developer's server: takes webhooks, keeps them, answers as told."""

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
    """One webhook as it came."""

    event: str
    body: str
    json: dict[str, Any]
    headers: dict[str, str]

    def is_signed_with(self, secret: str) -> bool:
        """The check of the published Node snippet: over `JSON.stringify(JSON.parse(body))`."""
        again = json.dumps(json.loads(self.body), separators=(",", ":"), ensure_ascii=False)
        signed = f"{self.headers['x-timestamp']}.{again}".encode()
        expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        return f"sha256={expected}" == self.headers["x-signature"]


class WebhookReceiver:
    """`async with WebhookReceiver() as receiver: receiver.url`. `answers` maps an event to (status, body) or a function.

    What came must have been as our description of webhooks says.
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
        """The only message of that event."""
        (found,) = (message for message in self.messages if message.event == event)
        return found

    def ids(self) -> dict[str, set[str]]:
        """Event → the ids of its webhooks: retries of one delivery count once."""
        return {
            name: {message.headers["x-webhook-id"] for message in self.messages if message.event == name}
            for name in self.names
        }
