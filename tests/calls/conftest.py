"""Fixtures for calls."""

from pathlib import Path
from typing import Any

import pytest

from bubblyphone.storage import private_storage


@pytest.fixture
def recordings_folder(settings: Any, tmp_path: Path) -> Path:
    """Recordings in a folder of the test's own; gives the one they are kept in."""
    settings.DATA_DIR = tmp_path
    settings.STORAGES = {**settings.STORAGES, "recordings": private_storage("recordings", tmp_path, "")}
    return tmp_path / "recordings"
