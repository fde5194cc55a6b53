"""Where the files of recordings are: while they are made, and for keeps."""

from pathlib import Path

from django.conf import settings
from django.core.files import File
from django.core.files.storage import Storage, storages

from calls.models import Recording


def storage() -> Storage:
    """Where recordings are kept (settings.STORAGES)."""
    return storages["recordings"]


def draft_path(call_id: int) -> Path:
    """The file of a recording that is being made: on this platform's disk, which all its processes share."""
    return Path(settings.DATA_DIR) / "recordings-in-progress" / f"{call_id}.wav"


def open_recording(call_id: int) -> "File[bytes]":
    """The kept recording of a call. Raises FileNotFoundError, and what the storage raises."""
    recording = Recording.objects.filter(call_id=call_id, deleted_at=None).exclude(name="").first()
    if recording is None:
        raise FileNotFoundError(f"no recording of call {call_id}")
    return storage().open(recording.name)
