"""Media Streams: https://www.twilio.com/docs/voice/media-streams/websocket-messages."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from bubblyphone.core.json.documents import InvalidJSON, parse_json
from sandbox.exchange.legs import Leg
from sandbox.exchange.media_stream import MediaStream, StreamParams
from sandbox.exchange.twilio.callbacks import sign
from sandbox.exchange.twilio.values import new_sid

# Twilio's warnings about frames that it drops.
INVALID_MESSAGE, INVALID_MEDIA, BUFFER_FULL = 31951, 31952, 31931


def stream_params(url: str, custom_parameters: Mapping[str, str]) -> StreamParams:
    """A bidirectional stream: µ-law in both directions, with marks and clear."""
    return StreamParams(url=url, mode="rtp", target_legs="self", custom_parameters=custom_parameters)


@dataclass(frozen=True, slots=True)
class StreamOwner:
    """The call that a stream belongs to. `warn(code, text)` reports frames that Twilio would drop."""

    account_sid: str
    auth_token: str
    call_sid: str
    warn: Callable[[int, str], None]


class TwilioStream(MediaStream):
    """A media stream in Twilio's format."""

    def __init__(self, leg: Leg, params: StreamParams, http: aiohttp.ClientSession, owner: StreamOwner) -> None:
        super().__init__(leg, params, http)
        self.stream_id = new_sid("MZ")
        self._owner = owner

    def _headers(self) -> dict[str, str]:
        return {"X-Twilio-Signature": sign(self._owner.auth_token, self.params.url, {})}

    async def _introduce(self) -> None:
        await self._send_raw({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        start = {
            "accountSid": self._owner.account_sid,
            "streamSid": self.stream_id,
            "callSid": self._owner.call_sid,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": dict(self.params.custom_parameters),
        }
        await self._send({"event": "start", "start": start})
        self._leg.stream_started(self)

    async def _say_goodbye(self) -> None:
        owner = {"accountSid": self._owner.account_sid, "callSid": self._owner.call_sid}
        await self._send({"event": "stop", "stop": owner})

    async def send_dtmf(self, digit: str) -> None:
        if self._started:
            await self._send({"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": digit}})

    # --- from the platform --------------------------------------------------------------------------------------------

    async def _receive(self, message: aiohttp.WSMessage) -> None:
        try:
            frame = parse_json(message.data)
            event, stream_sid = frame["event"], frame["streamSid"]
        except (InvalidJSON, KeyError, TypeError):
            self._owner.warn(INVALID_MESSAGE, "A message is JSON text with event and streamSid.")
            return
        if stream_sid != self.stream_id:
            self._owner.warn(INVALID_MESSAGE, "The streamSid is not that of this stream.")
        elif not await self._take_command(event, frame):
            self._owner.warn(INVALID_MESSAGE, f"The event {event} is unknown or incomplete.")

    async def _receive_media(self, frame: Mapping[str, Any]) -> None:
        try:
            data = base64.b64decode(frame["media"]["payload"], validate=True)
        except (KeyError, TypeError, ValueError, binascii.Error):
            self._owner.warn(INVALID_MEDIA, "The payload is not base64.")
            return
        if not self._audio_queue.write(data):
            self._owner.warn(BUFFER_FULL, "Too much audio is waiting to be played.")

    # --- to the platform ----------------------------------------------------------------------------------------------

    async def _send_media(self, track: str, data: bytes) -> None:
        # Built by hand, because this frame is sent fifty times a second.
        self._sequence += 1
        self._chunks[track] = chunk = self._chunks[track] + 1
        payload = base64.b64encode(data).decode()
        await self._send_text(
            f'{{"event":"media","sequenceNumber":"{self._sequence}","media":{{"track":"{track}","chunk":"{chunk}",'
            f'"timestamp":"{(chunk - 1) * 20}","payload":"{payload}"}},"streamSid":"{self.stream_id}"}}'
        )

    async def _send(self, frame: dict[str, Any]) -> None:
        self._sequence += 1
        await self._send_raw(frame | {"sequenceNumber": str(self._sequence), "streamSid": self.stream_id})
