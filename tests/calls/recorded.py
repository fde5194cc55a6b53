"""Calls with a recording, for tests: as a session leaves them, but without running one."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from calls.after_call import recordings
from calls.after_call.recording_files import draft_path
from calls.after_call.wav_file import WavFile
from calls.models import Call
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.jobs import run_jobs

BEGAN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
RATE = 8000


def sine(seconds: float, frequency: float = 440.0) -> bytes:
    """A loud tone, PCM16."""
    times = np.arange(int(seconds * RATE)) / RATE
    return (np.sin(2 * np.pi * frequency * times) * 12000).astype("<i2").tobytes()


def ended_call(balance: str = "10", *, seconds: int = 60, **settings: Any) -> Call:
    """A streaming call that has ended and is settled. `settings` are those of its number."""
    number = make_streaming_number(make_account(balance), recording_enabled=True, **settings)
    run_jobs()  # the jobs that the credit started
    return make_call(
        number,
        BEGAN,
        status="completed",
        ended_at=BEGAN + timedelta(seconds=seconds),
        settled_at=BEGAN + timedelta(seconds=seconds),
        duration_seconds=seconds,
        hangup_cause="normal_clearing",
        recording_enabled=True,
    )


def record(call: Call, left: bytes, right: bytes) -> None:
    """Write the file that a session's recorder writes, and report its start and end."""
    path = draft_path(call.pk)
    path.unlink(missing_ok=True)
    file = WavFile(path, RATE, BEGAN)
    file.append(left, right)
    file.close()
    recordings.session_began(call.pk, at=BEGAN)
    recordings.session_ended(call.pk, at=BEGAN)
