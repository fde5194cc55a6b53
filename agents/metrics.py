"""Model names in metrics: only those of the catalog, of which there are few."""

import time
from functools import lru_cache

from agents.models import AIModel


@lru_cache(maxsize=1)
def _catalog(minute: int) -> frozenset[str]:
    """Slugs and vendors' names of all models. `minute` is the cache key, so they are read from the database once a minute."""
    pairs = AIModel.objects.values_list("slug", "upstream_id")
    return frozenset(name for pair in pairs for name in pair)


def model_label(name: str) -> str:
    """The name of a catalog model; "other" for a model that requires a developer's own key; "none" without a model."""
    if not name:
        return "none"
    return name if name in _catalog(int(time.monotonic() // 60)) else "other"
