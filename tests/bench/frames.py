"""Audio frames with numbers, in both message formats that carry them."""

from base64 import b64decode, b64encode
from dataclasses import dataclass

FRAME_SECONDS = 0.02
FRAME_BYTES = 160  # 20 ms of G.711

# Six bytes (two for the call's number, four for the frame's) are eight base64 characters. The rest is always the same.
_TAG_BYTES, _TAG_CHARACTERS = 6, 8
_REST = b64encode(bytes(range(256))[: FRAME_BYTES - _TAG_BYTES])


@dataclass(frozen=True, slots=True)
class Dialect:
    """How audio is sent (`prefix` + base64 + `suffix`), and the text before it in received messages."""

    prefix: bytes
    suffix: bytes
    key: bytes

    def payload_of(self, message: bytes) -> bytes:
        """The base64 payload of a message, or nothing."""
        start = message.find(self.key)
        return message[start + len(self.key) : message.find(b'"', start + len(self.key))] if start >= 0 else b""


TELNYX = Dialect(
    b'{"event":"media","sequence_number":"4","stream_id":"32de0dea-53cb-4b21-89a4-9e1819c043bc",'
    b'"media":{"track":"inbound","chunk":"2","timestamp":"5","payload":"',
    b'"}}',
    b'"payload":"',
)
REALTIME = Dialect(b'{"type":"input_audio_buffer.append","audio":"', b'"}', b'"delta":"')


def make_payload(call: int, number: int) -> bytes:
    """The base64 of the `number`-th frame of a call."""
    return b64encode(call.to_bytes(2, "big") + number.to_bytes(4, "big")) + _REST


def read_tag(payload: bytes) -> tuple[int, int] | None:
    """The numbers of a frame's call and of the frame, or None for other audio."""
    if not payload.endswith(_REST):
        return None
    tag = b64decode(payload[:_TAG_CHARACTERS])
    return int.from_bytes(tag[:2], "big"), int.from_bytes(tag[2:], "big")
