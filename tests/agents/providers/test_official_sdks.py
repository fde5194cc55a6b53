"""The vendors' own SDKs as clients of the fakes, to show that the fakes speak the vendors' protocols."""

from pathlib import Path

from google import genai
from google.genai import types
from openai import AsyncOpenAI

from tests.agents.providers.sounds import tone
from tests.fakes.gemini_live import FakeGemini
from tests.fakes.openai_realtime import FakeOpenAI
from tests.fakes.tls import self_signed
from tests.fakes.vendor import Reply, Script


async def test_openai() -> None:
    script = Script([Reply(tone(24000, 200), "Hello.")])
    async with FakeOpenAI(script) as fake:
        client = AsyncOpenAI(api_key="sk-test", base_url=fake.base_url)
        async with client.realtime.connect(model="gpt-realtime-2") as connection:
            await connection.session.update(session={"type": "realtime", "output_modalities": ["audio"]})
            await connection.response.create()
            kinds = []
            async for event in connection:
                kinds.append(event.type)
                if event.type == "response.done":
                    break
        assert kinds == [
            "session.created",
            "session.updated",
            "response.created",
            "response.output_item.added",
            "response.output_audio_transcript.delta",
            "response.output_audio.delta",
            "response.output_audio.delta",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.output_item.done",
            "response.done",
        ]


async def test_gemini(tmp_path: Path) -> None:
    server, client_tls = self_signed(tmp_path)
    async with FakeGemini(Script([Reply(tone(24000, 80), "Hello there.")]), tls=server) as fake:
        client = genai.Client(
            api_key="test-key",
            http_options=types.HttpOptions(
                base_url=fake.base_url,
                api_version="v1beta",
                async_client_args={"ssl": client_tls, "compression": None, "max_size": None},
            ),
        )
        settings = types.LiveConnectConfig(
            response_modalities=[types.Modality.AUDIO],
            output_audio_transcription=types.AudioTranscriptionConfig(),
            session_resumption=types.SessionResumptionConfig(),
        )
        audio, words = b"", ""
        async with client.aio.live.connect(model="gemini-3.1-flash-live-preview", config=settings) as session:
            await session.send_realtime_input(text="Greet.")
            async for message in session.receive():
                audio += message.data or b""
                content = message.server_content
                if content and content.output_transcription:
                    words += content.output_transcription.text or ""
        assert audio == tone(24000, 80)
        assert words == "Hello there."
        assert fake.rejected == []
