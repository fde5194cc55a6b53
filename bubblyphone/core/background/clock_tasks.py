"""The tasks of `manage.py clock`. Registered in `AppConfig.ready`."""

from collections.abc import Callable, Coroutine
from typing import Any

from bubblyphone.core.registry import Registry

ClockTask = Callable[[], Coroutine[Any, Any, None]]
CLOCK_TASKS: Registry[ClockTask] = Registry()
"""Coroutine functions that run until they are canceled."""
