"""`manage.py exchange` and `manage.py dial`, as processes."""

import asyncio
import base64
import json
import os
import signal
import socket
import sys
import wave
from pathlib import Path

import pytest
from telnyx import AsyncTelnyx

from bubblyphone.core.audio import pcm16_to_mulaw
from sandbox.exchange.audio.tones import tone
from tests.sandbox.exchange.calls import OWNED
from tests.sandbox.exchange.platform import FakePlatform, MediaConnection
from tests.sandbox.exchange.test_media_stream import RTP
from tests.sandbox.exchange.twilio.conftest import ACCOUNT_SID, Twilio

ROOT = Path(__file__).parents[3]
SEED = base64.b64encode(b"k" * 32).decode()
ANSWER = pcm16_to_mulaw(tone(600, 0.6))


@pytest.fixture
def environment(platform: FakePlatform, tmp_path: Path) -> dict[str, str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    state = {"phone_numbers": {OWNED: {"id": "1", "phone_number": OWNED, "connection_id": "exchange"}}}
    tables: dict[str, dict] = {name: {} for name in ("orders", "requirement_groups", "documents", "addresses")}
    (tmp_path / "exchange.json").write_text(json.dumps(state | tables | {"last_id": 1}))
    return os.environ | {
        "DJANGO_SETTINGS_MODULE": "bubblyphone.settings_test",
        "DATA_DIR": str(tmp_path),
        "EXCHANGE_URL": f"http://127.0.0.1:{port}",
        "EXCHANGE_PRIVATE_KEY": SEED,
        "EXCHANGE_WEBHOOK_URL": platform.webhook_url,
        "EXCHANGE_TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "EXCHANGE_TWILIO_AUTH_TOKEN": "token",
        "TELNYX_API_KEY": "KEYtest",
        "TELNYX_BASE_URL": f"http://127.0.0.1:{port}/v2",
        "TELNYX_CONNECTION_ID": "exchange",
    }


async def manage(environment: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "manage.py",
        *arguments,
        cwd=ROOT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def answer(platform: FakePlatform, environment: dict[str, str]) -> MediaConnection:
    """Answer the next inbound call."""
    call_id = (await platform.event("call.initiated", seconds=60))["call_control_id"]
    async with AsyncTelnyx(api_key="KEYtest", base_url=environment["TELNYX_BASE_URL"], max_retries=0) as telnyx:
        await telnyx.calls.actions.answer(call_id, stream_url=platform.media_url(), **RTP)
    stream = await platform.stream()
    await stream.wait_for("start")
    return stream


@pytest.mark.slow
async def test_dial_against_the_exchange(platform: FakePlatform, environment: dict[str, str], tmp_path: Path):
    question = tmp_path / "question.wav"
    with wave.open(str(question), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(tone(440, 0.5))
    exchange = await manage(environment, "exchange")
    try:
        assert exchange.stdout is not None
        line = await asyncio.wait_for(exchange.stdout.readline(), 60)
        assert line.decode().strip() == f"exchange listening at {environment['EXCHANGE_URL']}"
        twilio = Twilio(environment["EXCHANGE_URL"], ACCOUNT_SID, "token")
        assert (await twilio(lambda client: client.api.accounts(ACCOUNT_SID).fetch())).status == "active"
        record = tmp_path / "call.wav"
        options = ["--wav", str(question), "--press", "5", "--hangup-after", "6", "--record", str(record)]
        dial = await manage(environment, "dial", OWNED, *options)
        assert dial.stdout is not None
        stream = await answer(platform, environment)
        await stream.send_audio(ANSWER)  # the greeting
        happened = []
        async with asyncio.timeout(30):
            async for line in dial.stdout:
                happened.append(line.decode().split()[2])
                if happened[-1] == "said":
                    await stream.send_audio(ANSWER)
        _, problems = await dial.communicate()
        assert dial.returncode == 0, problems.decode()
        assert happened[:7] == ["ringing", "answered", "hears", "says", "said", "hears", "pressed"]
        assert line.decode().rstrip() == f"recorded to {record}"
        with wave.open(str(record)) as recording:
            assert recording.getnchannels() == 2
            assert 5.5 < recording.getnframes() / 8000 < 6.5
        assert pcm16_to_mulaw(tone(440, 0.5)) in stream.audio()
    finally:
        exchange.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(exchange.wait(), 30) == 0


async def test_a_missing_setting_is_named(environment: dict[str, str]):
    exchange = await manage(environment | {"EXCHANGE_PRIVATE_KEY": "short"}, "exchange")
    _, problems = await asyncio.wait_for(exchange.communicate(), 60)
    assert exchange.returncode == 1
    assert "EXCHANGE_PRIVATE_KEY must be 32 bytes in base64." in problems.decode()
