"""A speech worker's environment, as reported by the operating system."""

import psutil
import pytest

from agents.speech.tts_worker import __name__ as tts_module
from agents.speech.worker import Worker

SECRETS = (
    "SECRET_KEY",
    "ENCRYPTION_KEYS",
    "DATABASE_URL",
    "REDIS_URL",
    "OPENAI_API_KEY",
    "STRIPE_SECRET_KEY",
    "TELNYX_API_KEY",
)


async def test_a_worker_gets_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "secret-value")
    monkeypatch.setenv("VOICE_VARIATION", "0")
    worker = Worker(tts_module)
    await worker.start()
    environment = psutil.Process(worker.process_id).environ()
    await worker.close()
    assert environment["VOICE_VARIATION"] == "0"
    assert "secret-value" not in environment.values()
