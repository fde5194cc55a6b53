"""TwiML documents: their sources and parsing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin
from xml.etree import ElementTree

VOICE_TYPES = frozenset({"text/xml", "application/xml", "text/html"})
FETCH_FAILED, INVALID_TYPE, INVALID_DOCUMENT, INVALID_VERB, INVALID_ATTRIBUTE = 11200, 12300, 12100, 12200, 12200


class TwimlError(Exception):
    """A document is unavailable or invalid. `code` is Twilio's error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Source:
    """A document (`text`), or the URL to fetch it from. `params` are sent with the request."""

    url: str = ""
    method: str = "POST"
    text: str = ""
    fallback_url: str = ""
    fallback_method: str = "POST"
    params: Mapping[str, str] = field(default_factory=dict)

    def at(self, location: str, method: str, params: Mapping[str, str] | None = None) -> "Source":
        """Another document, whose URL can be relative to this one's."""
        return Source(url=urljoin(self.url, location), method=method, params=params or {})


class Goto(Exception):
    """This document ends, and another one starts."""

    def __init__(self, source: Source) -> None:
        super().__init__(source.url)
        self.source = source


def parse_document(text: str) -> ElementTree.Element:
    """The Response element. Raises TwimlError."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise TwimlError(INVALID_DOCUMENT, "Document parse failure: a document type is not allowed.")
    try:
        root = ElementTree.fromstring(text.strip())  # noqa: S314 - without a document type there are no entities
    except ElementTree.ParseError as error:
        raise TwimlError(INVALID_DOCUMENT, f"Document parse failure: {error}.") from error
    if root.tag != "Response":
        raise TwimlError(INVALID_DOCUMENT, "Document parse failure: the root element is not Response.")
    return root


def check_attributes(element: ElementTree.Element, known: str, unoffered: str = "") -> None:
    """Refuse attributes that are not among the `known` (names separated by spaces). Raises TwimlError.

    Twilio warns of unknown attributes and continues; here they end the call, so that typos are noticed.
    """
    for name in element.attrib:
        if name in unoffered.split():
            raise TwimlError(INVALID_ATTRIBUTE, f"The built-in exchange does not support {name} of <{element.tag}>.")
        if name not in known.split():
            raise TwimlError(INVALID_ATTRIBUTE, f"<{element.tag}> has no attribute {name}.")


def number_of(element: ElementTree.Element, name: str, default: int, least: int = 0, most: int = 86400) -> int:
    """An attribute that is a whole number. Raises TwimlError."""
    text = element.get(name, "")
    if not text:
        return default
    if not text.isdecimal() or not least <= int(text) <= most:
        raise TwimlError(INVALID_ATTRIBUTE, f"{name} of <{element.tag}> must be a number from {least} to {most}.")
    return int(text)


def flag_of(element: ElementTree.Element, name: str, *, default: bool) -> bool:
    """An attribute that is true or false. Raises TwimlError."""
    text = element.get(name, "").lower()
    if text not in {"", "true", "false"}:
        raise TwimlError(INVALID_ATTRIBUTE, f"{name} of <{element.tag}> must be true or false.")
    return default if not text else text == "true"


def method_of(element: ElementTree.Element, name: str = "method") -> str:
    """GET or POST. Raises TwimlError."""
    text = element.get(name, "POST").upper()
    if text not in {"GET", "POST"}:
        raise TwimlError(INVALID_ATTRIBUTE, f"{name} of <{element.tag}> must be GET or POST.")
    return text
