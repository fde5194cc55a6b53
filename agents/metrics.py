"""Model names in metrics: only those of the catalog, of which there are few."""

import time
from threading import Lock

from agents.models import AIModel

REMEMBERED_SECONDS = 60.0


class _Catalog:
    def __init__(self) -> None:
        self._lock = Lock()
        self._names: frozenset[str] = frozenset()
        self._read_at = -REMEMBERED_SECONDS

    def names(self) -> frozenset[str]:
        """Slugs and vendors' names; read from the database once a minute."""
        with self._lock:
            is_fresh = time.monotonic() - self._read_at < REMEMBERED_SECONDS
        if not is_fresh:
            pairs = AIModel.objects.values_list("slug", "upstream_id")
            names = frozenset(name for pair in pairs for name in pair)
            with self._lock:
                self._names, self._read_at = names, time.monotonic()
        return self._names


_catalog = _Catalog()


def model_label(name: str) -> str:
    """The name of a catalog model; "other" for a model that requires a developer's own key; "none" without a model."""
    if not name:
        return "none"
    return name if name in _catalog.names() else "other"
