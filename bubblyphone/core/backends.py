"""Choosing an implementation by dotted path, as Django's own backends do."""

from collections.abc import Mapping
from typing import Any

from django.utils.module_loading import import_string


def load_backend(entry: Mapping[str, Any]) -> Any:
    """Build `{"BACKEND": "dotted.path.Class", "OPTIONS": {…}}`, imported on first use."""
    return import_string(entry["BACKEND"])(**entry["OPTIONS"])
