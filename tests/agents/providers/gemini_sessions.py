"""Sessions with a loopback server that speaks Gemini Live."""

from typing import Any

from agents.providers.base import SessionConfig
from agents.providers.gemini import GeminiLiveModel
from bubblyphone.core.audio import PCMU_8K
from tests.agents.providers.reading import Reading
from tests.agents.providers.sounds import pcm_frames
from tests.fakes.gemini_live import FakeGemini

SILENCE = pcm_frames(100, loud=False)


def config(**changes: Any) -> SessionConfig:
    fields = {"upstream_model": "gemini-3.1-flash-live-preview", "instructions": "Be brief.", "caller_format": PCMU_8K}
    return SessionConfig(**{**fields, **changes})


async def open_session(fake: FakeGemini, **changes: Any) -> Reading:
    model = GeminiLiveModel(api_key="platform-key", base_url=fake.base_url, api_version="v1beta")
    return Reading(await model.connect(config(**changes)))
