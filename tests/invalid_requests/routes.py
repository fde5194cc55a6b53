"""Every route from the URL resolver, except Django's admin."""

import re
from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

_PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>")
# A valid value for each route converter.
_FITTING = {"int": "1", "str": "x", "slug": "x", "path": "x/y", "uuid": "00000000-0000-4000-8000-000000000000"}


def _leaves(resolver: URLResolver, prefix: str = "/") -> Iterator[tuple[str, URLPattern]]:
    for pattern in resolver.url_patterns:
        path = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLPattern):
            yield path, pattern
        elif path != "/admin/":
            yield from _leaves(pattern, path)


def page_routes() -> list[tuple[str, Any]]:
    """Path, with its parameters in angle brackets, and view of every route outside the API."""
    return [(path, pattern.callback) for path, pattern in _leaves(get_resolver()) if not path.startswith("/api/")]


def filled(path: str, **known: Any) -> str:
    """The path with `known` values for its parameters, or else any valid value."""
    return _PARAMETER.sub(lambda match: str(known.get(match[2], _FITTING[match[1] or "str"])), path)
