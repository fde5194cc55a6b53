"""The model providers of `settings.MODEL_PROVIDERS`, each built once per process and imported on first use.

Importing the vendors' SDKs takes seconds of CPU: processes that open no session never pay for it, and the web process pays at
its start (`load_all`), not within the first call.
"""

import logging
from functools import cache

from django.conf import settings

from agents.providers.base import ProviderError, RealtimeModel
from bubblyphone.core.backends import load_backend

logger = logging.getLogger(__name__)


@cache
def get_model(provider: str) -> RealtimeModel:
    """The model factory of a provider: `openai`, `google` or `local`. Raises KeyError for any other name."""
    model = load_backend(settings.MODEL_PROVIDERS[provider])
    if not isinstance(model, RealtimeModel):
        raise TypeError(f"MODEL_PROVIDERS[{provider!r}] is not a RealtimeModel")
    return model


def load_all() -> None:
    """Import and build every provider, blocking for seconds: for the start of a process that will hold calls."""
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
