"""Fixtures for calls."""

from pathlib import Path
from typing import Any

import pytest

from bubblyphone.storage import private_storage


@pytest.fixture
def recordings_folder(settings: Any, tmp_path: Path) -> Path:
    """Keeps recordings in the test's temporary folder. Returns the folder of the stored ones."""
    settings.DATA_DIR = tmp_path
    settings.STORAGES = {**settings.STORAGES, "recordings": private_storage("recordings", tmp_path, "")}
    return tmp_path / "recordings"
