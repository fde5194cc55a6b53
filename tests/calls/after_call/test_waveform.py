"""The waveform of a recording, from a stereo file with a quiet caller and a loud agent."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from django.test import Client

from calls.after_call.recording_files import storage
from calls.after_call.wav_file import WavFile
from calls.after_call.waveform import BUCKETS, peaks, waveform_svg
from calls.models import Recording
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import make_developer
from tests.pages.signed_in import signed_in_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
RATE = 8000


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    """Two seconds: the caller hums in the first, the agent in the second."""
    path = tmp_path / "call.wav"
    hum = np.sin(np.arange(RATE) * 2 * np.pi * 400 / RATE)
    silence = np.zeros(RATE)
    left, right = (np.concatenate(parts) for parts in ((hum * 0.25, silence), (silence, hum)))
    file = WavFile(path, RATE, NOON)
    file.append(*((samples * 32_000).astype("<i2").tobytes() for samples in (left, right)))
    file.close()
    number = make_streaming_number(make_account())
    call = make_call(number, NOON, status="completed", hangup_cause="normal_clearing", ended_at=NOON)
    with path.open("rb") as content:
        name = storage().save("waveform-test.wav", content)
    return Recording.objects.create(
        call=call, maker="platform", status="ready", started_at=NOON, name=name, duration_ms=2000, size_bytes=1
    )


def test_the_waveform_shows_the_volume_of_each_side(recording: Recording) -> None:
    caller, agent = peaks(recording)
    half = BUCKETS // 2
    assert caller[: half - 1] == pytest.approx([0.244] * (half - 1), abs=0.02)
    assert caller[half:] == [0.0] * half
    assert agent[:half] == [0.0] * half
    assert agent[half:] == pytest.approx([0.977] * half, abs=0.02)
    assert "M0 50v-24." in waveform_svg(recording)  # upwards, the square root of a quarter of full scale


def test_only_the_owner_of_a_call_sees_its_waveform(recording: Recording) -> None:
    call = recording.call
    client = signed_in_client(call.developer)
    answer = client.get(f"/calls/{call.pk}/waveform.svg")
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/svg+xml")
    assert answer["Cache-Control"] == "private, max-age=86400"
    html = client.get(f"/calls/{call.pk}").content.decode()
    assert f'href="/calls/{call.pk}/waveform.svg" x="0.0" width="2000.0"' in html
    refusals = [other.get(f"/calls/{call.pk}/waveform.svg") for other in (signed_in_client(make_developer()), Client())]
    assert [refusal.status_code for refusal in refusals] == [404, 302]
    assert not any("max-age=86400" in refusal["Cache-Control"] for refusal in refusals)
