"""A phone on a WebSocket: the dashboard's Phone page, relayed by the platform.

URL: `EXCHANGE_URL/handset?token=<TELNYX_API_KEY>` (or the key as a Bearer token). Text frames are JSON and control
the phone. Binary frames are audio: PCM16 little-endian, mono, 16 kHz, 20 ms (640 bytes) each, both ways, from
`answered` to `ended`. Client audio of other lengths is accepted too. To mute, the client sends silence or nothing.

Client to server:

    {"type": "register", "number": "+15551230100"}    must be first; the number that others see and can call
    {"type": "dial", "to": "+14155550100"}            only if there is no call
    {"type": "answer"}                                answer the ringing call
    {"type": "decline"}                               decline the ringing call
    {"type": "dtmf", "digit": "5"}                    0-9 A-D * #
    {"type": "hangup"}                                also while the callee's phone rings

Server to client:

    {"type": "registered", "number": "+15551230100"}
    {"type": "ringing", "from": "+1…", "to": "+1…", "direction": "inbound" | "outbound"}    inbound: this phone rings
    {"type": "answered"}
    {"type": "dtmf", "digit": "5"}                    the other party pressed a key
    {"type": "ended", "cause": "normal_clearing"}     a Telnyx hangup_cause
    {"type": "error", "message": "…"}                 the message was invalid and ignored

Registering a number that another client has registered takes it over. The other client gets an `error`, and its connection
is closed with code 4001.
"""

import asyncio
from collections import deque
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from bubblyphone.core.audio import Resampler, mulaw_to_pcm16, pcm16_to_mulaw
from bubblyphone.core.json.documents import InvalidJSON, parse_json
from sandbox.exchange.audio.jitter import JitterBuffer
from sandbox.exchange.handsets.handset import Handset, Line
from sandbox.exchange.switch import Switch
from sandbox.exchange.validation import E164

CLIENT_RATE = 16000
DIGITS = frozenset("0123456789ABCD*#")
MAX_OUTBOX_FRAMES = 250
TAKEN_OVER = 4001


class RemoteHandset(Handset):
    """The exchange's end of a registered client's connection."""

    def __init__(self, number: str, socket: web.WebSocketResponse) -> None:
        super().__init__(number)
        self._socket = socket
        self._outbox: deque[bytes | dict[str, Any]] = deque()
        self._wake = asyncio.Event()
        self._reset_audio()

    def _reset_audio(self) -> None:
        self._answered = False
        self._microphone = JitterBuffer()
        self._down = Resampler(CLIENT_RATE, 8000)
        self._up = Resampler(8000, CLIENT_RATE)

    # --- the phone ----------------------------------------------------------------------------------------------------

    def on_ringing(self, line: Line, *, inbound: bool) -> None:
        parties = {"from": line.from_number, "to": line.to_number}
        self.tell({"type": "ringing"} | parties | {"direction": "inbound" if inbound else "outbound"})

    def on_answered(self) -> None:
        self._reset_audio()
        self._answered = True
        self.tell({"type": "answered"})

    def next_frame(self) -> bytes | None:
        return self._microphone.take()

    def play(self, frame: bytes) -> None:
        self.tell(self._up.process(mulaw_to_pcm16(frame)))

    def on_dtmf(self, digit: str) -> None:
        self.tell({"type": "dtmf", "digit": digit})

    def on_ended(self, cause: str) -> None:
        self._answered = False
        self.tell({"type": "ended", "cause": cause})

    # --- the client ---------------------------------------------------------------------------------------------------

    def hear(self, pcm16: bytes) -> None:
        """Take the client's microphone audio."""
        if self._answered:
            self._microphone.put(pcm16_to_mulaw(self._down.process(pcm16)))

    def tell(self, message: bytes | dict[str, Any]) -> None:
        """Queue a frame for the client. A client that does not read for five seconds misses audio, but never a message."""
        if isinstance(message, bytes) and len(self._outbox) >= MAX_OUTBOX_FRAMES:
            return
        self._outbox.append(message)
        self._wake.set()

    async def write(self) -> None:
        """Send queued messages until canceled or the client has disconnected."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._outbox:
                message = self._outbox.popleft()
                if isinstance(message, bytes):
                    await self._socket.send_bytes(message)
                else:
                    await self._socket.send_str(orjson.dumps(message).decode())

    async def take_over(self) -> None:
        """Close this client's connection, because another client has registered its number."""
        await self._socket.send_json({"type": "error", "message": "Another phone registered this number."})
        await self._socket.close(code=TAKEN_OVER)


class HandsetSocket:
    """The WebSocket endpoint."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/handset", self.connect)]

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=20, compress=False, max_msg_size=64 * 1024)
        await socket.prepare(request)
        handset: RemoteHandset | None = None
        writer: asyncio.Task[None] | None = None
        try:
            async for message in socket:
                if message.type is WSMsgType.ERROR:
                    break  # too large or invalid: aiohttp has closed the socket with the matching code
                if message.type is WSMsgType.BINARY:
                    if handset is not None:
                        handset.hear(message.data)
                    continue
                control = _parse(message.data)
                if control.get("type") == "register" and handset is None:
                    handset = await self._register(control, socket)
                    if handset is not None:
                        writer = self._switch.context.tasks.start(_write(handset), "handset writer")
                    continue
                problem = self._handle_control(handset, control)
                if problem:
                    await socket.send_json({"type": "error", "message": problem})
        finally:
            if handset is not None:
                self._switch.detach(handset)
            if writer is not None:
                writer.cancel()
        return socket

    async def _register(self, control: dict[str, Any], socket: web.WebSocketResponse) -> RemoteHandset | None:
        number = control.get("number")
        if not isinstance(number, str) or not E164.fullmatch(number):
            await socket.send_json({"type": "error", "message": "number must be like +15551230100."})
            return None
        handset = RemoteHandset(number, socket)
        before = self._switch.attach(handset)
        if isinstance(before, RemoteHandset):
            self._switch.context.tasks.start(before.take_over(), "handset take-over")
        handset.tell({"type": "registered", "number": number})
        return handset

    def _handle_control(self, handset: RemoteHandset | None, control: dict[str, Any]) -> str:
        """Carry out a control message. Returns the problem if it cannot be carried out."""
        if handset is None:
            return "Register first."
        line = handset.line
        match control:
            case {"type": "dial", "to": str(to)} if E164.fullmatch(to):
                if line is not None:
                    return "This phone is already in a call."
                self._switch.call(handset, to)
            case {"type": "answer"} if line is not None:
                line.pick_up()
            case {"type": "decline"} if line is not None:
                line.decline()
            case {"type": "hangup"} if line is not None:
                line.put_down()
            case {"type": "dtmf", "digit": str(digit)} if digit in DIGITS and line is not None:
                line.press(digit)
            case {"type": "answer" | "decline" | "hangup"} | {"type": "dtmf", "digit": str()} if line is None:
                return "There is no call."
            case _:
                return "Unknown message or invalid value."
        return ""


def _parse(text: Any) -> dict[str, Any]:
    try:
        control = parse_json(text)
    except InvalidJSON:
        return {}
    return control if isinstance(control, dict) else {}


async def _write(handset: RemoteHandset) -> None:
    try:
        await handset.write()
    except ConnectionError:
        # The reader ends too, and disconnects the handset.
        return
