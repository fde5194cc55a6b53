"""OpenAI Realtime sessions whose connection is refused, dropped or closed."""

import pytest

from agents.providers.base import ProviderError
from agents.providers.openai import OpenAIRealtimeModel
from tests.agents.providers.openai_sessions import config, open_session
from tests.agents.providers.sounds import mulaw_frames
from tests.fakes.openai_realtime import FakeOpenAI, Script

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize(("status", "retryable"), [(401, False), (403, False), (404, False), (429, True), (503, True)])
async def test_refused_connection(status: int, retryable: bool) -> None:
    async with FakeOpenAI(Script(refuse_status=status)) as fake:
        with pytest.raises(ProviderError, match=f"status {status}") as caught:
            await open_session(fake)
        assert caught.value.retryable is retryable


async def test_refused_settings_report_the_vendor_s_message() -> None:
    async with FakeOpenAI(Script(refuse_settings="Unsupported model.")) as fake:
        with pytest.raises(ProviderError, match="Unsupported model") as caught:
            await open_session(fake)
        assert caught.value.retryable is False


async def test_an_unresponsive_vendor_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agents.providers.connecting.CONNECT_TIMEOUT_SECONDS", 0.3)
    async with FakeOpenAI(Script(hang=True)) as fake:
        with pytest.raises(ProviderError, match="in time") as caught:
            await open_session(fake)
        assert caught.value.retryable is True


async def test_an_unreachable_vendor() -> None:
    async with FakeOpenAI() as fake:
        pass
    with pytest.raises(ProviderError, match="could not be reached") as caught:
        await open_session(fake)
    assert caught.value.retryable is True


async def test_a_dropped_connection_ends_the_events_with_a_retryable_error() -> None:
    async with FakeOpenAI(Script(drop_after_frames=3)) as fake, await open_session(fake) as reading:
        await reading.say(mulaw_frames(60, loud=False))
        failure = await reading.until_failed()
        assert isinstance(failure, ProviderError)
        assert failure.retryable is True
        with pytest.raises(ProviderError):
            await reading.session.send_audio("AAAA")


async def test_closing_ends_the_events_and_can_be_repeated() -> None:
    async with FakeOpenAI() as fake, await open_session(fake) as reading:
        await reading.session.close()
        await reading.session.close()
        await reading.until(lambda: reading.task is not None and reading.task.done())
        assert reading.failure is None


async def test_the_developer_s_key_and_a_missing_key() -> None:
    async with FakeOpenAI() as fake:
        async with await open_session(fake, api_key="sk-own"):
            assert fake.headers[0]["Authorization"] == "Bearer sk-own"
        keyless = OpenAIRealtimeModel(base_url=fake.base_url)
        assert keyless.is_available() is False
        with pytest.raises(ProviderError, match="No OpenAI API key"):
            await keyless.connect(config())


@pytest.mark.parametrize(("choice", "value"), [("voice", "Kore"), ("language", "en-US")])
async def test_an_error_names_the_refused_voice_or_language(choice: str, value: str) -> None:
    async with FakeOpenAI() as fake:
        with pytest.raises(ProviderError) as refusal:
            await open_session(fake, **{choice: value})
    assert (refusal.value.refused, refusal.value.retryable) == (choice, False)
