"""Form bodies: the parameters of a resource, and their valid values.

Twilio ignores unknown parameters. The exchange refuses them, so that typos are noticed.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from sandbox.exchange.twilio import errors

METHODS = ("GET", "POST")


@dataclass(frozen=True, slots=True)
class Form:
    """A body's parameters, with all values of repeated ones."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def text(self, name: str, default: str = "") -> str:
        return self.values[name][-1] if name in self.values else default

    def all(self, name: str) -> tuple[str, ...]:
        """Repeated values, and values separated by spaces, as the SDKs' lists and TwiML have them."""
        return tuple(word for value in self.values.get(name, ()) for word in value.split())

    def choice(self, name: str, choices: Iterable[str], default: str) -> str:
        """Raises TwilioError for any other value."""
        value = self.text(name) or default
        allowed = tuple(choices)
        if value not in {*allowed, default}:
            raise errors.invalid(name, f"must be one of {', '.join(allowed)}")
        return value

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """A whole number within bounds. Raises TwilioError."""
        text = self.text(name)
        if not text:
            return default
        if not text.isdecimal() or not least <= int(text) <= most:
            raise errors.invalid(name, f"must be a whole number from {least} to {most}")
        return int(text)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """`true` or `false`. Raises TwilioError."""
        text = self.text(name).lower()
        if text not in {"", "true", "false"}:
            raise errors.invalid(name, "must be true or false")
        return default if not text else text == "true"

    def url(self, name: str) -> str:
        """An http or https URL, or "". Raises TwilioError."""
        value = self.text(name)
        if value and not re.match(r"https?://[^/\s]+", value):
            raise errors.invalid_url(name)
        return value

    def method(self, name: str) -> str:
        return self.choice(name, METHODS, "POST")


async def read_form(request: web.Request, known: str, unoffered: str = "") -> Form:
    """The body of a request. Raises TwilioError for parameters that Twilio does not know, and for `unoffered` ones with a value.

    `known` and `unoffered` are names separated by spaces; we do not support the latter.
    """
    posted = await request.post()
    values: dict[str, tuple[str, ...]] = {}
    names, refused = frozenset(known.split()), frozenset(unoffered.split())
    for name in dict.fromkeys(posted):
        texts = tuple(str(value) for value in posted.getall(name))
        if name in refused and any(texts):
            raise errors.not_offered(name)
        if name not in names and name not in refused:
            raise errors.invalid(name, "unknown parameter")
        values[name] = texts
    return Form(values)
