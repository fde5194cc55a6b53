"""One media stream: the WebSocket on which a leg's audio travels to the platform and back."""

import asyncio
import base64
import binascii
import contextlib
import logging
import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import orjson

from bubblyphone.core.json.documents import InvalidJSON, parse_json
from sandbox.exchange.audio.audio_queue import AudioQueue
from sandbox.exchange.audio.codecs import bytes_per_frame, decoder, encoder
from sandbox.exchange.audio.mixing import mix
from sandbox.exchange.webhooks import now_text

if TYPE_CHECKING:
    from sandbox.exchange.legs import Leg

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS = 5.0
MAX_CHUNK_SECONDS = 30
# The account in Telnyx's `start` and `stop`, always the same here.
USER_ID = "3e6f995f-85f7-4705-9741-53b116d28237"
MALFORMED_FRAME = (100003, "malformed_frame")
INVALID_MEDIA = (100004, "invalid_media")
RATE_LIMIT_REACHED = (100005, "rate_limit_reached")


@dataclass(frozen=True, slots=True)
class StreamParams:
    """A command's stream settings, with Telnyx's defaults."""

    url: str
    track: str = "inbound_track"
    codec: str = "PCMU"  # to the platform
    mode: str = "mp3"  # raw audio from the platform is only accepted in "rtp"
    back_codec: str = "PCMU"  # from the platform
    sample_rate: int = 8000  # for L16 in both directions
    target_legs: str = "opposite"
    auth_token: str = ""
    custom_parameters: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_command(cls, body: Mapping[str, Any], line_codec: str) -> "StreamParams | None":
        """None if the command has no `stream_url`. `line_codec` is the default codec."""
        if not body.get("stream_url"):
            return None
        codec = body.get("stream_codec") or "default"
        return cls(
            url=body["stream_url"],
            track=body.get("stream_track") or "inbound_track",
            codec=line_codec if codec == "default" else codec,
            mode=body.get("stream_bidirectional_mode") or "mp3",
            back_codec=body.get("stream_bidirectional_codec") or "PCMU",
            sample_rate=body.get("stream_bidirectional_sampling_rate") or 8000,
            target_legs=body.get("stream_bidirectional_target_legs") or "opposite",
            auth_token=body.get("stream_auth_token") or "",
            custom_parameters={p["name"]: p.get("value", "") for p in body.get("custom_parameters") or []},
        )


class MediaStream:
    """Runs from the connection to its end in `run()`. The leg calls `exchange_frames` every 20 ms."""

    def __init__(self, leg: "Leg", params: StreamParams, http: aiohttp.ClientSession) -> None:
        self.stream_id = str(uuid.uuid4())
        self.params = params
        self._leg = leg
        self._http = http
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._started = False
        self._stopping = False
        self._sequence = 0
        self._chunks = {"inbound": 0, "outbound": 0}
        self._audio_queue = AudioQueue()
        tracks = {"inbound_track": ["inbound"], "outbound_track": ["outbound"], "both_tracks": ["inbound", "outbound"]}
        rate = params.sample_rate if params.codec == "L16" else 8000
        self._encoders = {track: encoder(params.codec, rate) for track in tracks[params.track]}
        self._media_format = {"encoding": params.codec, "sample_rate": rate, "channels": 1}
        back_rate = params.sample_rate if params.back_codec == "L16" else 8000
        self._decode = decoder(params.back_codec, back_rate)
        self._frame_bytes = bytes_per_frame(params.back_codec, back_rate)

    @property
    def queued_ms(self) -> int:
        """Milliseconds of the platform's audio that have not been played yet."""
        return self._audio_queue.queued_ms

    async def run(self) -> None:
        """Connect, announce the call, and process the platform's frames until the socket closes."""
        try:
            self._socket = await self._connect()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            logger.warning("media stream could not connect: %s", type(error).__name__)
            if not self._stopping:
                self._leg.stream_failed(self, "connection_failed")
            return
        try:
            await self._begin()
            async for message in self._socket:
                await self._receive(message)
        except (ConnectionError, aiohttp.ClientError):
            logger.info("media stream failed")
        if not self._stopping:
            self._started = False
            if self._socket.close_code in {1000, 1001}:
                self._leg.stream_stopped(self)
            else:
                self._leg.stream_failed(self, "connection_lost")

    async def stop(self) -> None:
        """End the stream from our end: send `stop`, then close. Can be called at any time."""
        if self._stopping:
            return
        self._stopping = True
        if self._socket is None or self._socket.closed:
            return
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            if self._started:
                self._started = False
                await self._say_goodbye()
            await self._socket.close()

    async def abort(self) -> None:
        """Drop the connection without a close, like a network failure."""
        if self._socket is not None and (connection := self._socket.get_extra_info("socket")) is not None:
            # With a separate descriptor, because not every event loop releases its socket.
            with socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
                duplicate.shutdown(socket.SHUT_RDWR)

    async def exchange_frames(self, said: bytes, other_audio: bytes) -> bytes:
        """Send 20 ms of the person's audio. Returns 20 ms of the platform's PCMU, for `target_legs`.

        `other_audio` is what the person hears apart from the stream. It belongs to the outbound track.
        """
        for name in self._audio_queue.due_marks():
            await self._send_mark(name)
        spoken = self._audio_queue.next_frame()
        if self._started:
            heard = other_audio if self.params.target_legs == "opposite" else mix(other_audio, spoken)
            for track, encode in self._encoders.items():
                await self._send_media(track, encode(said if track == "inbound" else heard))
        return spoken

    async def send_dtmf(self, digit: str) -> None:
        if self._started:
            await self._send({"event": "dtmf", "occurred_at": now_text(), "dtmf": {"digit": digit}})

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            return await self._http.ws_connect(
                self.params.url, headers=self._headers(), compress=0, max_msg_size=4 * 1024 * 1024, autoping=True
            )

    async def _begin(self) -> None:
        if self._stopping:
            await self._close()
            return
        await self._introduce()
        self._started = True

    # --- Telnyx's protocol, which TwilioStream overrides --------------------------------------------------------------

    def _headers(self) -> dict[str, str]:
        return {"x-telnyx-streaming-auth-token": self.params.auth_token} if self.params.auth_token else {}

    async def _introduce(self) -> None:
        hello: dict[str, Any] = {"event": "connected", "version": "1.0.0"}
        if self.params.auth_token:
            hello["connected"] = {"x-telnyx-streaming-auth-token": self.params.auth_token}
        await self._send_raw(hello)
        self._leg.stream_started(self)
        start: dict[str, Any] = {
            "user_id": USER_ID,
            "call_control_id": self._leg.call_control_id,
            "call_session_id": self._leg.call_session_id,
            "from": self._leg.from_number,
            "to": self._leg.to_number,
            "client_state": self._leg.client_state,
            "tags": [],
            "custom_parameters": dict(self.params.custom_parameters),
            "media_format": self._media_format,
        }
        await self._send({"event": "start", "start": start})

    async def _say_goodbye(self) -> None:
        call = {"user_id": USER_ID, "call_control_id": self._leg.call_control_id}
        await self._send({"event": "stop", "stop": call})

    async def _close(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    # --- from the platform --------------------------------------------------------------------------------------------

    async def _receive(self, message: aiohttp.WSMessage) -> None:
        if message.type is not aiohttp.WSMsgType.TEXT:
            await self._send_error(MALFORMED_FRAME, "Frames must be JSON text.")
            return
        try:
            frame = parse_json(message.data)
            event = frame["event"]
        except (InvalidJSON, KeyError, TypeError):
            await self._send_error(MALFORMED_FRAME, "Received frame was not formed correctly")
            return
        if not await self._take_command(event, frame):
            await self._send_error(MALFORMED_FRAME, "Received frame was not formed correctly")

    async def _take_command(self, event: object, frame: Mapping[str, Any]) -> bool:
        """Process audio, a mark or "clear", which are the same in both protocols. False for anything else."""
        if event == "media":
            await self._receive_media(frame)
        elif event == "clear":
            for name in self._audio_queue.clear():
                await self._send_mark(name)
        elif event == "mark" and isinstance(frame.get("mark"), dict) and isinstance(frame["mark"].get("name"), str):
            if self._audio_queue.mark(frame["mark"]["name"]):
                await self._send_mark(frame["mark"]["name"])
        else:
            return False
        return True

    async def _receive_media(self, frame: Mapping[str, Any]) -> None:
        try:
            data = base64.b64decode(frame["media"]["payload"], validate=True)
        except (KeyError, TypeError, ValueError, binascii.Error):
            await self._send_error(INVALID_MEDIA, "The payload is not base64.")
            return
        if self.params.mode != "rtp":
            await self._send_error(
                INVALID_MEDIA, "In mp3 mode the payload must be an mp3 file, which the exchange does not support."
            )
        elif not self._frame_bytes <= len(data) <= self._frame_bytes * 50 * MAX_CHUNK_SECONDS:
            await self._send_error(INVALID_MEDIA, "A chunk must have 20 milliseconds to 30 seconds of audio.")
        elif self.params.back_codec == "L16" and len(data) % 2:
            await self._send_error(INVALID_MEDIA, "L16 has two bytes per sample.")
        elif not self._audio_queue.write(self._decode(data)):
            await self._send_error(RATE_LIMIT_REACHED, "Too much audio is waiting to be played.")

    # --- to the platform ----------------------------------------------------------------------------------------------

    async def _send_media(self, track: str, data: bytes) -> None:
        # Built by hand, because this frame is sent fifty times a second.
        self._sequence += 1
        self._chunks[track] = chunk = self._chunks[track] + 1
        payload = base64.b64encode(data).decode()
        await self._send_text(
            f'{{"event":"media","sequence_number":"{self._sequence}","stream_id":"{self.stream_id}","media":{{"track":"{track}",'
            f'"chunk":"{chunk}","timestamp":"{(chunk - 1) * 20}","payload":"{payload}"}}}}'
        )

    async def _send_mark(self, name: str) -> None:
        await self._send({"event": "mark", "mark": {"name": name}})

    async def _send_error(self, error: tuple[int, str], detail: str) -> None:
        code, title = error
        payload = {"code": code, "title": title, "detail": detail}
        await self._send_raw({"event": "error", "stream_id": self.stream_id, "payload": payload})

    async def _send(self, frame: dict[str, Any]) -> None:
        self._sequence += 1
        await self._send_raw(frame | {"sequence_number": str(self._sequence), "stream_id": self.stream_id})

    async def _send_raw(self, frame: Mapping[str, Any]) -> None:
        await self._send_text(orjson.dumps(frame).decode())

    async def _send_text(self, text: str) -> None:
        # `run`, which reads the socket, notices and reports if it is lost.
        if self._socket is not None and not self._socket.closed:
            with contextlib.suppress(ConnectionError, aiohttp.ClientError):
                await self._socket.send_str(text)
