"""Telnyx's media-streaming WebSocket: https://developers.telnyx.com/docs/voice/programmable-voice/media-streaming

50 frames per second and call pass through here in each direction. Audio, which is almost all of them, is cut out of its frame without
parsing, and inserted between two constants; everything else is JSON.
"""

from typing import Any, Self

import orjson

from bubblyphone.core.audio import PCMA_8K, PCMU_8K, AudioFormat
from bubblyphone.core.json.documents import parse_foreign_json
from phone_numbers.carriers.media_protocol import (
    DtmfPressed,
    MarkReached,
    MediaFrame,
    MediaProtocol,
    StreamError,
    StreamStarted,
    StreamStopped,
)

_AUDIO_PREFIX = '{"event":"media","media":{"payload":"'
_AUDIO_SUFFIX = '"}}'
_CLEAR = '{"event":"clear"}'


class TelnyxMediaProtocol(MediaProtocol):
    """Frames do not depend on their stream, so the only state is the `start` message.

    Telnyx refuses pieces shorter than 20 ms ("20 milliseconds to 30 seconds").
    """

    shortest_piece_ms = 20
    audio_marks = (
        ('"event":"media"', '"track":"inbound"', '"payload":"'),
        ('"event": "media"', '"track": "inbound"', '"payload": "'),
    )
    mark_patterns = (('"event":"mark"', '"mark":{"name":"'), ('"event": "mark"', '"mark": {"name": "'))

    @classmethod
    def begin(cls, frame: str) -> Self | None:
        started = _parse(frame)
        return cls(started) if isinstance(started, StreamStarted) else None

    def parse(self, frame: str) -> MediaFrame:
        return _parse(frame)

    def encode_audio(self, payload: str) -> str:
        return _AUDIO_PREFIX + payload + _AUDIO_SUFFIX

    def encode_mark(self, name: str) -> str:
        return orjson.dumps({"event": "mark", "mark": {"name": name}}).decode()

    def encode_clear(self) -> str:
        return _CLEAR


def _parse(frame: str) -> MediaFrame:
    try:
        message = parse_foreign_json(frame)
        return _translate(message)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError("Not a frame of Telnyx's media protocol.") from error


def _translate(message: dict[str, Any]) -> MediaFrame:
    match message["event"]:
        case "media":
            media = message["media"]
            return str(media["payload"]) if media.get("track", "inbound") == "inbound" else None
        case "start":
            start = message["start"]
            return StreamStarted(str(start["call_control_id"]), _audio_format(start["media_format"]))
        case "mark":
            return MarkReached(str(message["mark"]["name"]))
        case "dtmf":
            return DtmfPressed(str(message["dtmf"]["digit"]))
        case "stop":
            return StreamStopped()
        case "error":
            problem = message.get("payload") or {}
            return StreamError(f"{problem.get('code', '')} {problem.get('title', '')}".strip())
    return None


def _audio_format(media_format: dict[str, Any]) -> AudioFormat:
    """The format that Telnyx really sends, which may differ from the requested one: outside North America, lines use A-law."""
    rate = int(media_format.get("sample_rate") or 8000)
    match str(media_format["encoding"]).upper(), rate:
        case "PCMU", 8000:
            return PCMU_8K
        case "PCMA", 8000:
            return PCMA_8K
        case "L16", 8000 | 16000 | 24000:
            # Little-endian, unlike RFC 3551, as customers of Telnyx found on live calls.
            return AudioFormat("pcm16", rate)
    raise ValueError(f"The stream is {media_format['encoding']} at {rate} Hz, which was not requested.")
