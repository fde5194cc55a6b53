"""Timeouts for speech workers: a worker that is loading or busy is not killed, only one that hangs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from agents.speech import worker as workers
from agents.speech.frames import Kind
from agents.speech.worker import Worker
from tests.speech.odd_worker import LOAD_SECONDS, WORK_SECONDS
from tests.speech.odd_worker import __name__ as odd_module


@pytest_asyncio.fixture
async def worker() -> AsyncIterator[Worker]:
    started = Worker(odd_module)
    yield started
    await started.close()


async def test_requests_wait_for_loading_and_for_earlier_requests(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience = 2 * WORK_SECONDS
    monkeypatch.setattr(workers, "REPLY_TIMEOUT_SECONDS", patience)
    assert patience < LOAD_SECONDS
    first = await worker.request_one(Kind.TRANSCRIBE)
    monkeypatch.setattr(workers, "REPLY_TIMEOUT_SECONDS", 15 * WORK_SECONDS)
    answers = await asyncio.gather(*[worker.request_one(Kind.TRANSCRIBE) for _ in range(18)])
    assert answers == [first] * 18


async def test_requests_to_a_hung_worker_are_answered_by_its_replacement(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hung = await worker.request_one(Kind.TRANSCRIBE)
    monkeypatch.setattr(workers, "REPLY_TIMEOUT_SECONDS", 15 * WORK_SECONDS)
    hanging = worker.request_one(Kind.TRANSCRIBE, str(tmp_path / "hung").encode())
    answers = await asyncio.gather(hanging, worker.request_one(Kind.TRANSCRIBE))
    assert (len(set(answers)), hung in answers) == (1, False)
