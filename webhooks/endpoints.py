"""The addresses that an account's events go to. The app that owns them registers how to find them."""

from collections.abc import Callable
from dataclasses import dataclass

from accounts.models import Developer


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A number's addresses. An empty one is not set."""

    number_id: int
    e164: str
    label: str
    webhook_url: str
    tool_webhook_url: str


EndpointSource = Callable[[Developer], list[Endpoint]]
_sources: list[EndpointSource] = []


def register_source(source: EndpointSource) -> None:
    """Called once per source, from `AppConfig.ready`."""
    _sources.append(source)


def endpoints_of(developer: Developer) -> list[Endpoint]:
    """The endpoints of every source, in the order of registration."""
    return [endpoint for source in _sources for endpoint in source(developer)]
