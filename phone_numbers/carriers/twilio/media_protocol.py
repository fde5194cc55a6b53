"""Twilio's Media Streams: https://www.twilio.com/docs/voice/media-streams/websocket-messages

Always µ-law at 8 kHz. Messages that we send contain the id of the stream, so each connection has its own object.
"""

from typing import Any, Self

import orjson

from bubblyphone.core.audio import PCMU_8K
from bubblyphone.core.json.documents import parse_foreign_json
from phone_numbers.carriers.media_protocol import (
    DtmfPressed,
    MarkReached,
    MediaFrame,
    MediaProtocol,
    StreamStarted,
    StreamStopped,
)


class TwilioMediaProtocol(MediaProtocol):
    """Frames of one stream. Audio can have any length; Twilio plays it in order."""

    audio_marks = (
        ('"event":"media"', '"track":"inbound"', '"payload":"'),
        ('"event": "media"', '"track": "inbound"', '"payload": "'),
    )
    mark_patterns = (('"event":"mark"', '"mark":{"name":"'), ('"event": "mark"', '"mark": {"name": "'))

    def __init__(self, started: StreamStarted, stream_sid: str) -> None:
        super().__init__(started)
        sid = orjson.dumps(stream_sid).decode()
        self._stream_sid = stream_sid
        self._audio_prefix = '{"event":"media","streamSid":' + sid + ',"media":{"payload":"'
        self._clear = '{"event":"clear","streamSid":' + sid + "}"

    @classmethod
    def begin(cls, frame: str) -> Self | None:
        message = _read(frame)
        if message.get("event") != "start":
            return None
        try:
            start = message["start"]
            media_format = start["mediaFormat"]
            if (media_format["encoding"], int(media_format["sampleRate"])) != ("audio/x-mulaw", 8000):
                raise ValueError("The stream is not mu-law at 8 kHz.")
            return cls(StreamStarted(str(start["callSid"]), PCMU_8K), str(start["streamSid"]))
        except (KeyError, TypeError) as error:
            raise ValueError("Not a start of Twilio's Media Streams.") from error

    def parse(self, frame: str) -> MediaFrame:
        try:
            return _translate(_read(frame))
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("Not a frame of Twilio's Media Streams.") from error

    def encode_audio(self, payload: str) -> str:
        return self._audio_prefix + payload + '"}}'

    def encode_mark(self, name: str) -> str:
        return orjson.dumps({"event": "mark", "streamSid": self._stream_sid, "mark": {"name": name}}).decode()

    def encode_clear(self) -> str:
        return self._clear


def _read(frame: str) -> dict[str, Any]:
    message = parse_foreign_json(frame)
    if not isinstance(message, dict):
        raise ValueError("Not a frame of Twilio's Media Streams.")
    return message


def _translate(message: dict[str, Any]) -> MediaFrame:
    match message["event"]:
        case "media":
            media = message["media"]
            return str(media["payload"]) if media.get("track", "inbound") == "inbound" else None
        case "mark":
            return MarkReached(str(message["mark"]["name"]))
        case "dtmf":
            return DtmfPressed(str(message["dtmf"]["digit"]))
        case "stop":
            return StreamStopped()
    return None
