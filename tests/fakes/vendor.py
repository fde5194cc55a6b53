"""Shared by the fake model vendors: their script, speech detection, and a loopback server."""

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import numpy as np
from aiohttp import web


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the model. After tool calls, the next reply is what the model says once it has their results."""

    audio: bytes = b""  # PCM16, 24 kHz
    text: str = ""  # transcript of the audio
    tool_calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()  # name, arguments
    commentary: str = ""  # spoken before the answer, by a model that thinks
    hears: str = ""  # transcript of the caller's utterance that this answers


@dataclass(slots=True)
class Script:
    """How the vendor behaves. Each request for an answer gets the next reply. After the last one, replies are silent."""

    replies: list[Reply] = field(default_factory=list)
    speed: float = 10.0  # audio is sent this many times faster than it plays
    parrot: bool = False  # echo every caller frame immediately, without validation: for benchmarks
    refuse_status: int = 0  # answer the WebSocket request with this HTTP status
    refuse_settings: str = ""  # refuse the session's settings with this message
    hang: bool = False  # accept the connection and never say anything
    nonsense: bool = False  # send unreadable and unknown frames before each reply
    drop_after_frames: int = 0  # drop the connection after this many caller frames; 0: never
    drop_connections: int = 1  # on this many connections, counted from the first
    go_away_after_frames: int = 0  # Gemini: announce the end of a connection
    go_away_connections: int = 1  # of this many connections, counted from the first
    go_away_seconds: float = 4.0
    refuse_resumption: bool = False  # Gemini
    leaves_speech_unanswered: bool = False  # OpenAI: detects the caller's speech but does not answer on its own
    words_after_seconds: float = 0.0  # how much later than the caller's utterance its transcript arrives


class EnergyVad:
    """Detects speech by loudness: it starts after 60 ms above the threshold and ends after 200 ms below it."""

    def __init__(self, threshold: float = 500) -> None:
        self._threshold = threshold
        self._loud_ms = self._quiet_ms = 0.0
        self.is_speaking = False

    def hear(self, pcm: bytes, rate: int) -> str:
        """Process a piece of PCM16. Returns "started", "stopped" or ""."""
        samples = np.frombuffer(pcm, np.int16).astype(np.float64)
        milliseconds = len(samples) / rate * 1000
        is_loud = len(samples) > 0 and float(np.sqrt(np.mean(samples**2))) > self._threshold
        self._loud_ms = self._loud_ms + milliseconds if is_loud else 0
        self._quiet_ms = 0 if is_loud else self._quiet_ms + milliseconds
        if not self.is_speaking and self._loud_ms >= 60:
            self.is_speaking = True
            return "started"
        if self.is_speaking and self._quiet_ms >= 200:
            self.is_speaking = False
            return "stopped"
        return ""


class VendorSocket(web.WebSocketResponse):
    """The server's end of one connection."""

    transport: Any = None


class FakeVendor:
    """A WebSocket server with one path. Use as `async with FakeOpenAI(Script(...)) as fake: fake.base_url`."""

    path = "/"

    def __init__(self, script: Script | None = None, *, tls: ssl.SSLContext | None = None) -> None:
        self.script = script or Script()
        self.received: list[dict[str, Any]] = []  # all client messages except audio, over all connections
        self.caller_audio: list[bytes] = []  # raw, as received, one entry per message
        self.headers: list[Mapping[str, str]] = []  # of each connection
        self.queries: list[Mapping[str, str]] = []
        self.sockets: list[VendorSocket] = []
        self.base_url = ""
        self._replies = iter(self.script.replies)
        self._tls = tls
        self._runner: web.AppRunner | None = None

    def next_reply(self) -> Reply:
        return next(self._replies, Reply())

    def messages(self, kind: str) -> list[dict[str, Any]]:
        """The received messages with that `type` (OpenAI) or top-level key (Gemini)."""
        return [each for each in self.received if each.get("type") == kind or kind in each]

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get(self.path, self.serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        port = self._runner.addresses[0][1]
        self.base_url = self.url_at("https://localhost" if self._tls else "http://127.0.0.1", port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for socket in self.sockets:
            cut(socket)
        if self._runner is not None:
            await self._runner.cleanup()

    def url_at(self, origin: str, port: int) -> str:
        return f"{origin}:{port}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(request.headers)
        self.queries.append(request.query)
        if status := self.script.refuse_status:
            return web.json_response({"error": {"message": "Refused by script.", "type": "refused"}}, status=status)
        socket = VendorSocket(compress=False, max_msg_size=0)
        socket.transport = request.transport
        await socket.prepare(request)
        self.sockets.append(socket)
        if self.script.hang:
            await asyncio.sleep(3600)
        with contextlib.suppress(ConnectionError):  # the client hung up, or the script dropped the connection
            await self.converse(socket, len(self.sockets))
        return socket

    async def converse(self, socket: VendorSocket, number: int) -> None:
        """Handle one conversation. `number` counts connections from 1."""
        raise NotImplementedError


def cut(socket: VendorSocket) -> None:
    """Drop the connection without a closing frame, like a crash."""
    if socket.transport is not None:
        socket.transport.abort()
