"""`{{secret.NAME}}` in a tool's headers and URL: finding it, filling it in, and keeping its value out of everything people read."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
MASK = "•••"
TOKEN = re.compile(r"\{\{\s*secret\.(" + NAME.pattern + r")\s*\}\}")


def names_in(text: str) -> list[str]:
    """The secrets that a text refers to."""
    return TOKEN.findall(text)


def names_in_tools(tools: Iterable[Mapping[str, object]]) -> set[str]:
    """The secrets that tool definitions refer to, where they may."""
    return {name for tool in tools for text in _texts(tool) for name in names_in(text)}


def _texts(tool: Mapping[str, object]) -> Iterator[str]:
    headers = tool.get("headers")
    values = [tool.get("url"), *(headers.values() if isinstance(headers, Mapping) else ())]
    return (value for value in values if isinstance(value, str))


def mask(text: str) -> str:
    """For texts that may have no secrets, such as prompts."""
    return TOKEN.sub(MASK, text)


class SecretValues:
    """Secrets in the clear, for as long as requests need them. Never logged, never stored."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._values = dict(values or {})
        # What a server could send back: as it was, in a URL, or within JSON. The longest first, since one may contain another.
        spellings = {
            form
            for value in self._values.values()
            for form in (
                value,
                quote(value, safe=""),
                json.dumps(value)[1:-1],
                json.dumps(value, ensure_ascii=False)[1:-1],
            )
        }
        ordered = sorted(spellings, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __repr__(self) -> str:
        return f"SecretValues({', '.join(self._values)})"

    def value(self, name: str) -> str:
        """Raises KeyError for a secret that does not exist."""
        return self._values[name]

    def missing(self, text: str) -> list[str]:
        """The secrets in a text that do not exist."""
        return [name for name in names_in(text) if name not in self._values]

    def fill_in(self, text: str, *, in_url: bool = False) -> str:
        """Raises KeyError for a secret that does not exist."""
        return TOKEN.sub(
            lambda match: quote(self._values[match[1]], safe="") if in_url else self._values[match[1]], text
        )

    def redact(self, text: str) -> str:
        """The text with every value of these secrets masked."""
        return self._pattern.sub(MASK, text) if self._pattern else text
