"""A chat completions server that streams a script, like Ollama and vLLM. Its chunks are validated with the SDK's types."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from openai.types.chat import ChatCompletionChunk


def text(*pieces: str) -> list[dict[str, Any]]:
    return [{"content": piece} for piece in pieces]


def tool_call(name: str, *arguments: str) -> list[dict[str, Any]]:
    first = {"index": 0, "id": "call_9", "type": "function", "function": {"name": name, "arguments": arguments[0]}}
    rest = [{"index": 0, "function": {"arguments": piece}} for piece in arguments[1:]]
    return [{"tool_calls": [piece]} for piece in (first, *rest)]


@dataclass
class ChatServer:
    """Plays its script, with a list of deltas per request. A number is an HTTP status, a float a pause in seconds."""

    script: list[list[Any] | int] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    base_url: str = ""

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json())
        deltas = self.script.pop(0)
        if isinstance(deltas, int):
            return web.json_response({"error": {"message": "out of memory"}}, status=deltas)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        try:
            for delta in deltas:
                if isinstance(delta, float):
                    await asyncio.sleep(delta)
                    continue
                await response.write(b"data: " + json.dumps(chunk(delta)).encode() + b"\n\n")
            await response.write(b"data: [DONE]\n\n")
        except (ConnectionError, asyncio.CancelledError):
            self.hung_up.set()
            raise
        return response

    def messages(self, index: int = -1) -> list[dict[str, Any]]:
        """The messages of a request, without the system prompt."""
        return [message for message in self.requests[index]["messages"] if message["role"] != "system"]


def chunk(delta: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": None}
    body = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    ChatCompletionChunk.model_validate(body)
    return body


@asynccontextmanager
async def chat_server() -> AsyncIterator[ChatServer]:
    """A running server with an empty script."""
    chat = ChatServer()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", chat.complete)
    async with TestServer(app, handler_cancellation=True) as running:
        chat.base_url = f"http://127.0.0.1:{running.port}/v1"
        yield chat
