"""Both sessions against an independent server for both protocols, npm's @copilotkit/aimock, if Node is installed.

It has no activity detection and takes no caller audio, so it tests the rest: connecting, settings, history, tools.
"""

import json
import shutil
import socket
import subprocess
from base64 import b64encode
from collections.abc import Iterator

import pytest

from agents.providers.base import ProviderError, SessionConfig, ToolSpec, Turn
from agents.providers.gemini import GeminiLiveModel
from agents.providers.model_events import AudioDelta, ToolCall, TurnDone
from agents.providers.openai import OpenAIRealtimeModel
from bubblyphone.core.audio import PCMU_8K
from tests.agents.providers.reading import Reading
from tests.agents.providers.sounds import tone

PACKAGE = "@copilotkit/aimock@1.43.0"
WEATHER = ToolSpec("get_weather", "Weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}})
GREETING = tone(24000, 100)
FIXTURES = {
    "fixtures": [
        {"match": {"toolCallId": "call_1"}, "response": {"content": "It is sunny."}},
        {
            "match": {"userMessage": "weather"},
            "response": {"toolCalls": [{"id": "call_1", "name": "get_weather", "arguments": '{"city":"Rome"}'}]},
        },
        {
            "match": {"userMessage": "hello"},
            "response": {"audio": {"b64Json": b64encode(GREETING).decode(), "contentType": "audio/pcm;rate=24000"}},
        },
    ]
}


@pytest.fixture(scope="module")
def aimock_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running aimock with FIXTURES."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("needs Node and npm")
    home = tmp_path_factory.mktemp("aimock")
    # Comes from npm's cache after the first time.
    install = [
        npm,
        "install",
        "--silent",
        "--no-audit",
        "--no-fund",
        "--prefer-offline",
        "--prefix",
        str(home),
        PACKAGE,
    ]
    if subprocess.run(install, capture_output=True, timeout=120, check=False).returncode != 0:
        pytest.skip("npm could not install aimock")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    fixtures = home / "fixtures.json"
    fixtures.write_text(json.dumps(FIXTURES))
    command = [node, str(home / "node_modules/@copilotkit/aimock/dist/cli.js"), "-p", str(port), "-f", str(fixtures)]
    with subprocess.Popen([*command, "--log-level", "warn"]) as server:
        try:
            wait_for_port(port, server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def wait_for_port(port: int, server: "subprocess.Popen[bytes]") -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        try:
            server.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        break
    pytest.fail("aimock did not start")


def config(first_words: str) -> SessionConfig:
    return SessionConfig("a-model", "Be brief.", PCMU_8K, tools=(WEATHER,), history=(Turn("user", first_words),))


async def test_openai_tool_round(aimock_url: str) -> None:
    model = OpenAIRealtimeModel(api_key="k", base_url=f"{aimock_url}/v1")
    async with Reading(await model.connect(config("what is the weather"))) as reading:
        await reading.session.generate_reply("Answer the caller.")
        await reading.until_seen(TurnDone)
        assert reading.of(ToolCall) == [ToolCall("call_1", "get_weather", {"city": "Rome"})]
        await reading.session.send_tool_result("call_1", "get_weather", {"sky": "sunny"})
        await reading.until_seen(TurnDone, 2)


async def test_openai_failed_response_ends_the_session(aimock_url: str) -> None:
    model = OpenAIRealtimeModel(api_key="k", base_url=f"{aimock_url}/v1")
    async with Reading(await model.connect(config("nothing that it knows"))) as reading:
        await reading.session.generate_reply("Answer the caller.")
        failure = await reading.until_failed()
        assert isinstance(failure, ProviderError)
        assert str(failure) == "OpenAI failed to respond (no_fixture_match). No fixture matched"


async def test_gemini_audio_answer(aimock_url: str) -> None:
    model = GeminiLiveModel(api_key="k", base_url=aimock_url)
    async with Reading(await model.connect(config("hello"))) as reading:
        await reading.until_seen(TurnDone)
        assert reading.audio == GREETING
        assert {event.item_id for event in reading.of(AudioDelta)} == {"turn_1"}


async def test_gemini_tool_round(aimock_url: str) -> None:
    model = GeminiLiveModel(api_key="k", base_url=aimock_url)
    async with Reading(await model.connect(config("what is the weather"))) as reading:
        await reading.until_seen(ToolCall)
        await reading.session.send_tool_result("call_1", "get_weather", {"sky": "sunny"})
        await reading.until_seen(TurnDone, 1)
        assert [(call.name, call.arguments) for call in reading.of(ToolCall)] == [("get_weather", {"city": "Rome"})]
