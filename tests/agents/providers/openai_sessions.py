"""Sessions with a loopback server that speaks OpenAI Realtime."""

from typing import Any

from agents.providers.base import SessionConfig
from agents.providers.openai import OpenAIRealtimeModel
from bubblyphone.core.audio import PCMU_8K
from tests.agents.providers.reading import Reading
from tests.fakes.openai_realtime import FakeOpenAI


def config(**changes: Any) -> SessionConfig:
    return SessionConfig(
        **{"upstream_model": "gpt-realtime-2", "instructions": "Be brief.", "caller_format": PCMU_8K, **changes}
    )


async def open_session(fake: FakeOpenAI, **changes: Any) -> Reading:
    model = OpenAIRealtimeModel(api_key="sk-platform", base_url=fake.base_url)
    return Reading(await model.connect(config(**changes)))
