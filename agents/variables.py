"""Dynamic variables: `{{customer_name}}` in a prompt or greeting becomes what the call's request says it is."""

import re
from collections.abc import Mapping

MAX_VALUE_CHARACTERS = 2000
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKEN = re.compile(r"\{\{\s*(" + NAME.pattern + r")\s*\}\}")


def missing(texts: tuple[str, ...], variables: Mapping[str, str]) -> list[str]:
    """The names that the texts refer to and `variables` lacks, each once, in the order in which they are read."""
    names = (match[1] for text in texts for match in _TOKEN.finditer(text))
    return list(dict.fromkeys(name for name in names if name not in variables))


def split(text: str) -> list[tuple[str, str]]:
    """The text in pieces, `(piece, name)`: a token with the name it refers to, all else with ""."""
    pieces = []
    end = 0
    for match in _TOKEN.finditer(text):
        pieces += [(text[end : match.start()], ""), (match[0], match[1])]
        end = match.end()
    pieces.append((text[end:], ""))
    return [piece for piece in pieces if piece[0]]


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Put the values in, in one pass: a value that looks like a token itself stays as it is. Unknown names stay too."""
    return _TOKEN.sub(lambda match: variables.get(match[1], match[0]), text)
