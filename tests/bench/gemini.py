"""A model at the other end of Gemini Live's protocol: 16 kHz in, 24 kHz out, in binary frames. It answers each frame at once."""

from base64 import b64encode

from aiohttp import WSMsgType, web

from tests.fakes.vendor import FakeVendor

# 20 ms of a tone at 24 kHz: after the platform's resampling, its frames are all alike, and are counted in order.
_TONE = b"".join((8000 * (-1) ** (place // 30)).to_bytes(2, "little", signed=True) for place in range(480))
_ANSWER = (
    b'{"serverContent":{"modelTurn":{"role":"model","parts":[{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"'
    + b64encode(_TONE)
    + b'"}}]}}}'
)
_AUDIO = '{"realtimeInput":{"audio"'


class GeminiEcho(FakeVendor):
    """`base_url` is what GOOGLE_GEMINI_BASE_URL would be."""

    path = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"

    async def converse(self, socket: web.WebSocketResponse, number: int) -> None:
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                return
            if message.data.startswith(_AUDIO):
                await socket.send_bytes(_ANSWER)
            elif message.data.startswith('{"setup"'):
                await socket.send_bytes(b'{"setupComplete":{"sessionId":"session-1"}}')
