"""Extracts a model's audio from the vendors' messages, and recognizes an interruption, without parsing them.

A message in any other shape is parsed normally. https://platform.openai.com/docs/api-reference/realtime-server-
events/response/output_audio/delta https://ai.google.dev/api/live#BidiGenerateContentServerContent
"""

import re

from bubblyphone.core.audio import is_base64

# The text before the audio. Ids with a backslash would have to be parsed.
_OPENAI = re.compile(
    rb'\{(?:"type":"response\.output_audio\.delta","event_id":"[^"\\]*"|"event_id":"[^"\\]*","type":"response\.output_audio\.delta"),'
    rb'"response_id":"([^"\\]*)","item_id":"([^"\\]*)",'
    rb'"output_index":\d+,"content_index":\d+,"delta":"'
)
_BACKSLASH = ord("\\")
_GEMINI = re.compile(
    rb'\s*\{\s*"serverContent":\s*\{\s*"modelTurn":\s*\{\s*(?:"role":\s*"model",\s*)?"parts":\s*\[\s*\{\s*"inlineData":\s*\{\s*'
    rb'"mimeType":\s*"audio/pcm;rate=24000",\s*"data":\s*"'
)
_GEMINI_END = re.compile(rb'"\s*\}\s*\}\s*\]\s*\}\s*\}\s*\}\s*')
_GEMINI_INTERRUPTION = re.compile(rb'\s*\{\s*"serverContent":\s*\{\s*"interrupted":\s*true\s*\}\s*\}\s*')


def of_openai(message: bytes) -> tuple[str, str, str] | None:
    """Response id, item id and payload of an audio message."""
    head = _OPENAI.match(message)
    if head is None or not message.endswith(b'"}'):
        return None
    payload = message[head.end() : -2]
    if not is_base64(payload):
        return None
    response_id, item_id = head.groups()
    try:
        return response_id.decode(), item_id.decode(), payload.decode()
    except UnicodeDecodeError:
        return None


class OpenAICutter:
    """The same for the messages of one session. Those of one answer differ only in event id and audio: the rest is compared."""

    def __init__(self) -> None:
        self._head = self._tail = b""  # the text around the event id of the previous message
        self._response_id = self._item_id = ""

    def cut(self, message: bytes) -> tuple[str, str, str] | None:
        """Like `of_openai`."""
        head, tail = self._head, self._tail
        if tail and message.startswith(head):
            id_end = message.find(b'"', len(head))
            if message.startswith(tail, id_end) and message[id_end - 1] != _BACKSLASH and message.endswith(b'"}'):
                payload = message[id_end + len(tail) : -2]
                return (self._response_id, self._item_id, payload.decode()) if is_base64(payload) else None
        audio = of_openai(message)
        if audio is not None:
            self._remember(message, audio)
        return audio

    def _remember(self, message: bytes, audio: tuple[str, str, str]) -> None:
        id_begin = message.find(b'"event_id":"') + len(b'"event_id":"')
        self._head = message[:id_begin]
        self._tail = message[message.find(b'"', id_begin) : len(message) - len(audio[2]) - 2]
        self._response_id, self._item_id, _ = audio


def of_gemini(message: bytes) -> str | None:
    """The payload of a message that contains exactly one piece of audio."""
    head = _GEMINI.match(message)
    if head is None:
        return None
    end = message.find(b'"', head.end())
    if end <= head.end() or _GEMINI_END.fullmatch(message, end) is None:
        return None
    payload = message[head.end() : end]
    return payload.decode() if is_base64(payload) else None


def is_gemini_interruption(message: bytes) -> bool:
    """Whether a message only reports that the caller interrupted the answer."""
    return _GEMINI_INTERRUPTION.fullmatch(message) is not None
