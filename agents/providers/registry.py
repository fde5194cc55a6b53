"""The model providers of `settings.MODEL_PROVIDERS`, each built once per process and imported on first use.

Importing the vendors' SDKs takes seconds of CPU, and the offline models need half a gigabyte, so processes without sessions do not load
them. A media process loads them at its start (`load_all`), a web process before its first session (`expect_sessions`), not during a call.
"""

import logging
import threading
from functools import cache

from django.conf import settings

from agents.providers.base import ProviderError, RealtimeModel
from bubblyphone.core.backends import load_backend

logger = logging.getLogger(__name__)
_expected = threading.Event()


@cache
def get_model(provider: str) -> RealtimeModel:
    """The model factory of a provider: `openai`, `google` or `local`. Raises KeyError for any other name."""
    model = load_backend(settings.MODEL_PROVIDERS[provider])
    if not isinstance(model, RealtimeModel):
        raise TypeError(f"MODEL_PROVIDERS[{provider!r}] is not a RealtimeModel")
    return model


def expect_sessions() -> None:
    """Announce from any thread that this process will soon hold a session: its server then loads the providers, once."""
    _expected.set()


def are_sessions_expected() -> bool:
    return _expected.is_set()


def load_all() -> None:
    """Import and build every provider, which blocks for seconds, in a process that will hold calls."""
    for provider in settings.MODEL_PROVIDERS:
        get_model(provider)


async def warm_up() -> None:
    """Have every available provider load in advance, so that its first call does not wait."""
    for provider in settings.MODEL_PROVIDERS:
        model = get_model(provider)
        if model.is_available():
            try:
                await model.warm_up()
            except ProviderError as error:
                logger.warning("Warming up the provider %s failed: %s", provider, error)
