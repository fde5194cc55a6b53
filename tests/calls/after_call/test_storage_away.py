"""Unreachable storage: requests for a recording get status 503, and nothing is lost. Retries by jobs are in test_recordings.py."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from calls.after_call import recording_access
from calls.models import Call, Recording
from tests.calls.recorded import RATE, ended_call, record, sine
from tests.jobs import run_jobs
from tests.pages.signed_in import signed_in_client
from tests.storages_away import AWAY, MESSAGE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


@pytest.fixture
def call(recordings_folder: Path) -> Call:
    call = ended_call()
    record(call, sine(2), bytes(2 * 2 * RATE))
    run_jobs()
    return call


@pytest.fixture(params=AWAY)
def away(request: pytest.FixtureRequest, call: Call, settings: Any, tmp_path: Path) -> Iterator[None]:
    (tmp_path / "away").mkdir()
    with AWAY[request.param](tmp_path / "away") as storage:
        before, settings.STORAGES = settings.STORAGES, {**settings.STORAGES, "recordings": storage}
        yield
        settings.STORAGES = before


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize("method", ["get", "head"])
def test_requests_for_a_recording_get_status_503(call: Call, method: str) -> None:
    url = recording_access.signed_url(Recording.objects.get(call=call)).url.removeprefix("http://localhost:8000")
    answers = [
        getattr(Client(), method)(url),
        getattr(signed_in_client(call.developer), method)(f"/calls/{call.pk}/waveform.svg"),
    ]
    assert [(answer.status_code, answer.headers.get("Retry-After")) for answer in answers] == [(503, "60")] * 2
    assert all((MESSAGE in answer.content.decode()) is (method == "get") for answer in answers)
    assert Recording.objects.get(call=call).status == "ready"
