"""`{{secret.NAME}}` in a tool's headers and URL: finding it, filling it in, and keeping its value out of everything people read."""

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping

NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
MASK = "•••"
_ENTITIES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_WORD = re.compile(r"[A-Za-z0-9]+")
# An encoded value shorter than this could be part of any text.
_LEAST_ENCODED = 8
_BASE64 = "[A-Za-z0-9+/_-]?"
_FOR_URLS = str.maketrans("+/", "-_")
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
        # The longest first, since one may contain another.
        ordered = sorted(filter(None, self._values.values()), key=len, reverse=True)
        self._patterns = [(_longest_word(value), re.compile("".join(map(_spellings_of, value)))) for value in ordered]
        encoded = [form for value in ordered for form in _encoded_forms(value)]
        self._encoded = {text for text, _, _ in encoded}
        for text, before, after in sorted(encoded, key=lambda form: len(form[0]), reverse=True):
            pattern = re.compile(before + "".join(map(_spellings_of, text)) + after)
            self._patterns.append((_longest_word(text), pattern))

    def __repr__(self) -> str:
        return f"SecretValues({', '.join(self._values)})"

    def value(self, name: str) -> str:
        """Raises KeyError for a secret that does not exist."""
        return self._values[name]

    def redact(self, text: str, *, is_whole: bool = True) -> str:
        """The text with every value of these secrets masked, however a server spelled it, also in base64 and hexadecimal; of one that
        was cut, also the beginning of a value at its end."""
        for word, pattern in self._patterns:
            if word in text:
                text = pattern.sub(MASK, text)
        return text if is_whole else self._without_beginning(text)

    def _without_beginning(self, text: str) -> str:
        lengths = [(value, 1) for value in self._values.values()] + [(one, _LEAST_ENCODED) for one in self._encoded]
        beginnings = (value[:end] for value, least in lengths for end in range(len(value) - 1, least - 1, -1))
        longest = max((len(one) for one in beginnings if text.endswith(one)), default=0)
        return f"{text[:-longest]}{MASK}" if longest else text


def _encoded_forms(value: str) -> Iterator[tuple[str, str, str]]:
    """A value in hexadecimal, and in base64 wherever it begins in the bytes that were encoded together, as `user:value` is (RFC 4648).

    Each with expressions for the characters before and after it that stand for bits of the value and of its neighbors.
    """
    content = value.encode()
    forms = [(content.hex(), "", ""), (content.hex().upper(), "", "")]
    for offset, foreign_characters in enumerate((0, 2, 3)):
        bits = (offset + len(content)) * 8
        text = b64encode(bytes(offset) + content).decode()[foreign_characters : bits // 6]
        around = (_BASE64 if offset else "", f"{_BASE64}={{0,2}}" if bits % 6 else "")
        forms += [(text, *around), (text.translate(_FOR_URLS), *around)]
    return (form for form in dict.fromkeys(forms) if len(form[0]) >= _LEAST_ENCODED)


def _longest_word(value: str) -> str:
    """Its longest run of characters that have only one spelling: where it is not, the value is not."""
    return max(_WORD.findall(value), key=len, default="")


def _spellings_of(character: str) -> str:
    """An expression for a character of a secret: unchanged, or as escaped in a URL, in HTML, or in JSON."""
    if character.isascii() and character.isalnum():
        return character
    code = ord(character)
    encoded = "".join(f"%{byte:02x}" for byte in character.encode())
    entity = f"&(?:#0{{0,5}}{code}|#x0{{0,5}}{code:x}|{_ENTITIES.get(character, f'#{code}')});"
    plus = r"|\+" if character == " " else ""
    # Backslashes: of JSON, also of JSON within JSON. A bounded number, so that a text full of them takes no longer.
    return rf"(?:\\{{0,7}}{re.escape(character)}|(?i:{encoded})|(?i:{entity})|\\{{1,4}}u(?i:{code:04x}){plus})"
