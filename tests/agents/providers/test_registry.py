"""Providers by name, and both vendors' sessions over TLS as in production."""

from pathlib import Path

import pytest

from agents.providers import connecting
from agents.providers.base import RealtimeModel, SessionConfig
from agents.providers.gemini import GeminiLiveModel
from agents.providers.openai import OpenAIRealtimeModel
from agents.providers.registry import get_model
from bubblyphone.core.audio import PCMU_8K
from tests.fakes.gemini_live import FakeGemini
from tests.fakes.openai_realtime import FakeOpenAI
from tests.fakes.tls import self_signed


def test_models_are_created_once_per_provider_name() -> None:
    assert isinstance(get_model("openai"), OpenAIRealtimeModel)
    assert isinstance(get_model("google"), GeminiLiveModel)
    assert get_model("google") is get_model("google")
    with pytest.raises(KeyError):
        get_model("nobody")


@pytest.mark.parametrize(
    ("fake_class", "model_class"), [(FakeOpenAI, OpenAIRealtimeModel), (FakeGemini, GeminiLiveModel)]
)
async def test_https_addresses_use_verified_tls(
    fake_class: type[FakeOpenAI | FakeGemini],
    model_class: type[OpenAIRealtimeModel | GeminiLiveModel],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, _ = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "localhost.pem"))
    connecting.tls_context.cache_clear()
    try:
        async with fake_class(tls=server) as fake:
            model: RealtimeModel = model_class(api_key="k", base_url=fake.base_url)
            session = await model.connect(SessionConfig("a-model", "Be brief.", PCMU_8K))
            await session.close()
            assert len(fake.sockets) == 1
    finally:
        connecting.tls_context.cache_clear()
