"""Recording a leg, from the command or the answer to the end: the person's audio left, what they hear right."""

import asyncio
import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bubblyphone.core.audio import mulaw_to_pcm16, wav_file
from sandbox.exchange.audio.audio_queue import FRAME_SECONDS
from sandbox.exchange.audio.mixing import stereo_wav
from sandbox.exchange.recording_store import RecordingStore
from sandbox.exchange.tasks import Tasks
from sandbox.exchange.webhooks import now_text

if TYPE_CHECKING:
    from sandbox.exchange.legs import Leg

logger = logging.getLogger(__name__)

# The name of tasks that a stopping exchange waits for.
SAVE_TASK = "save recording"


@dataclass(frozen=True, slots=True)
class RecordParams:
    """A command's recording settings. `max_seconds` 0 means no limit."""

    channels: str = "dual"
    max_seconds: int = 0
    recording_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @classmethod
    def from_answer(cls, body: Mapping[str, Any]) -> "RecordParams | None":
        """The `record_…` fields of dial, answer and transfer."""
        if not body.get("record"):
            return None
        return cls(body.get("record_channels") or "dual", body.get("record_max_length") or 0)


@dataclass(slots=True, eq=False)
class Recording:
    """One running recording. The leg calls `hear` every 20 ms."""

    params: RecordParams
    started_at: str = field(default_factory=now_text)
    is_paused: bool = False
    _said: bytearray = field(default_factory=bytearray)
    _heard: bytearray = field(default_factory=bytearray)

    def hear(self, said: bytes, heard: bytes) -> None:
        """Add 20 ms of PCMU from each party."""
        if not self.is_paused:
            self._said += said
            self._heard += heard

    @property
    def seconds(self) -> float:
        return len(self._said) / 8000

    @property
    def is_full(self) -> bool:
        return 0 < self.params.max_seconds <= self.seconds + FRAME_SECONDS / 2

    def wav(self) -> bytes:
        """A WAV, 16 bit, 8 kHz. Dual: the person left, the other party right. Single: both mixed."""
        said, heard = bytes(self._said), bytes(self._heard)
        if self.params.channels == "dual":
            return stereo_wav(said, heard)
        left, right = (np.frombuffer(mulaw_to_pcm16(side), "<i2").astype(np.int32) for side in (said, heard))
        return wav_file(np.clip(left + right, -32768, 32767).astype("<i2").tobytes(), 8000)


class Recorder:
    """All recordings of one leg."""

    def __init__(self, leg: "Leg", recording_store: RecordingStore, tasks: Tasks) -> None:
        self._leg = leg
        self._recording_store = recording_store
        self._tasks = tasks
        self.running: dict[str, Recording] = {}

    def start(self, params: RecordParams) -> Recording:
        """Start another recording."""
        recording = self.running[params.recording_id] = Recording(params)
        return recording

    def hear(self, said: bytes, heard: bytes) -> None:
        """Add 20 ms of PCMU from each party."""
        for recording in list(self.running.values()):
            recording.hear(said, heard)
            if recording.is_full:
                self.stop(recording.params.recording_id)

    def chosen(self, recording_id: str | None) -> list[Recording]:
        """The running recording with this ID, or all of them."""
        if recording_id is None:
            return list(self.running.values())
        return [self.running[recording_id]] if recording_id in self.running else []

    def stop(self, recording_id: str | None = None) -> None:
        """End a recording, or all of them. Each is saved and then reported."""
        for recording in self.chosen(recording_id):
            del self.running[recording.params.recording_id]
            self._tasks.start(self._save(recording, now_text()), SAVE_TASK)

    async def _save(self, recording: Recording, ended_at: str) -> None:
        leg = self._leg
        about = {
            "channels": recording.params.channels,
            "recording_started_at": recording.started_at,
            "recording_ended_at": ended_at,
        }
        parties = {
            **leg.ids(),
            "connection_id": leg.connection_id,
            "from": leg.from_number,
            "to": leg.to_number,
            "duration_millis": round(recording.seconds * 1000),
        }
        # An hour is a hundred megabytes, too much to process on the event loop that runs the calls' audio.
        try:
            wav = await asyncio.to_thread(recording.wav)
            await asyncio.to_thread(self._recording_store.put, recording.params.recording_id, wav, parties | about)
        except OSError:
            logger.exception("a recording could not be saved")
            leg.report("call.recording.error", parties=False, reason="Internal server error")
            return
        urls = {"wav": self._recording_store.url(recording.params.recording_id)}
        leg.report(
            "call.recording.saved",
            parties=False,
            recording_id=recording.params.recording_id,
            format="wav",
            recording_urls=urls,
            public_recording_urls={},
            **about,
        )
