"""Samples of vendors' voices: one sentence, spoken with the account's own key and stored for all accounts."""

import io
import wave
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connections
from django.test import Client

from agents.models import VoiceSample
from agents.providers.registry import get_model
from agents.services import create_model_key
from agents.voice_samples import TEXT
from tests.factories import make_developer
from tests.fakes.gemini_live import FakeGemini
from tests.fakes.openai_realtime import FakeOpenAI, Reply, Script

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("empty_redis", "_no_proxy")]
SOUND = bytes(range(1, 251)) * 48  # a quarter of a second


@pytest.fixture
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


def use(settings: Any, provider: str, fake: FakeOpenAI | FakeGemini) -> None:
    entry = settings.MODEL_PROVIDERS[provider]
    options = {**entry["OPTIONS"], "base_url": fake.base_url, "api_key": ""}
    settings.MODEL_PROVIDERS = {**settings.MODEL_PROVIDERS, provider: {**entry, "OPTIONS": options}}
    get_model.cache_clear()


@sync_to_async
def ask(client: Client, model: str, voice: str) -> tuple[int, bytes]:
    answer = client.get("/voices/sample.wav", {"model": model, "voice": voice})
    return answer.status_code, answer.content


@sync_to_async
def account(provider: str = "") -> Client:
    developer = make_developer()
    if provider:
        create_model_key(developer=developer, provider=provider, api_key=f"own-key-at-{provider}-0123456789")
    client = Client()
    client.force_login(developer)
    return client


@pytest.mark.parametrize(
    ("provider", "vendor", "model", "voice"),
    [("openai", FakeOpenAI, "gpt-realtime-mini", "cedar"), ("google", FakeGemini, "gemini-3.1-flash-live", "Puck")],
)
async def test_a_voice_is_recorded_once_with_the_account_s_key(
    settings: Any, provider: str, vendor: Any, model: str, voice: str
) -> None:
    async with vendor(Script([Reply(audio=SOUND, text=TEXT)])) as fake:
        use(settings, provider, fake)
        without_key, owner = await account(), await account(provider)
        status, text = await ask(without_key, model, voice)
        assert (status, b"Add your own" in text, len(fake.headers)) == (404, True, 0)
        status, sound = await ask(owner, model, voice)
        assert status == 200, sound
        with wave.open(io.BytesIO(sound)) as file:
            assert (file.getframerate(), file.readframes(len(SOUND))) == (24_000, SOUND)
        assert TEXT in str(fake.received)
        assert voice in str(fake.received)
        assert f"own-key-at-{provider}" in f"{fake.headers[0]} {fake.queries[0]}"
        assert await ask(without_key, model, voice) == (200, sound)
        assert (await ask(owner, model, "nobody"))[0] == 404
        assert (await ask(owner, "nothing", voice))[0] == 404
        assert (len(fake.headers), await VoiceSample.objects.acount()) == (1, 1)
        fake.script.refuse_status = 401
        refused = "marin" if provider == "openai" else "Kore"
        assert (await ask(owner, model, refused))[0] == 502
        assert await VoiceSample.objects.acount() == 1
    get_model.cache_clear()
    await sync_to_async(connections.close_all)()


async def test_only_the_expected_sentence_is_stored_for_all(settings: Any) -> None:
    cases = [
        (SOUND, "Hello. This is how I sound on", 200),
        (SOUND, f"Sure! {TEXT}", 200),
        (SOUND * 90, TEXT, 502),  # 22 seconds
        (b"", TEXT, 502),
        (SOUND, TEXT.upper(), 200),
    ]
    async with FakeOpenAI(Script(speed=1000.0)) as fake:
        use(settings, "openai", fake)
        owner, stored = await account("openai"), []
        for sound, text, status in cases:
            fake.script.replies.append(Reply(audio=sound, text=text))
            assert (await ask(owner, "gpt-realtime-mini", "cedar"))[0] == status, text
            stored.append(await VoiceSample.objects.acount())
        assert stored == [0, 0, 0, 0, 1]
    get_model.cache_clear()
    await sync_to_async(connections.close_all)()
