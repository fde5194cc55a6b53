"""Variables: `{{customer_name}}` in a prompt, a greeting or `transfer_number` becomes what the call says it is.

`{{name|there}}` says "there" where the variable has no value, or an empty one. Values come from the request, else from what is
built in, else from the `default_variables` of the agent or number.
"""

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from bubblyphone.core.numbering.e164 import is_e164

MAX_VALUE_CHARACTERS = 2000
MAX_DEFAULTS = 50
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
BUILT_IN = (
    "current_date", "current_time", "current_weekday", "timezone", "caller_number", "agent_number", "direction", "call_id",
)  # fmt: skip
_TOKEN = re.compile(r"\{\{\s*(" + NAME.pattern + r")\s*(?:\|([^{}]*))?\}\}")


def built_in_values(
    *, at: datetime, time_zone: str, remote_number: str, agent_number: str, direction: str, call_id: str
) -> dict[str, str]:
    """The variables that every call has. A number that is withheld, or none at all (sandbox), is ""."""
    now = at.astimezone(ZoneInfo(time_zone))
    return {
        "current_date": f"{now:%Y-%m-%d}",
        "current_time": f"{now:%H:%M}",
        "current_weekday": f"{now:%A}",
        "timezone": time_zone,
        "caller_number": remote_number if is_e164(remote_number) else "",
        "agent_number": agent_number if is_e164(agent_number) else "",
        "direction": direction,
        "call_id": call_id,
    }


def values_of(given: Mapping[str, str], built_in: Mapping[str, str], defaults: Mapping[str, str]) -> dict[str, str]:
    """All values of a call. The request wins; a default stands in for a built-in variable without a value."""
    known = {name: value for name, value in built_in.items() if value or name not in defaults}
    return {**defaults, **known, **given}


def missing(texts: tuple[str, ...], variables: Mapping[str, str]) -> list[str]:
    """The names that the texts refer to without a default and `variables` lacks, each once, in the order they are read."""
    names = (match[1] for text in texts for match in _TOKEN.finditer(text) if match[2] is None)
    return list(dict.fromkeys(name for name in names if name not in variables))


def defaults_in(texts: tuple[str, ...]) -> dict[str, str]:
    """The names that the texts refer to and that are not built in, as they are read, with their first default in a text, or ""."""
    found: dict[str, str] = {}
    for match in (match for text in texts for match in _TOKEN.finditer(text) if match[1] not in BUILT_IN):
        found[match[1]] = found.get(match[1]) or (match[2] or "").strip()
    return found


def split(text: str) -> list[tuple[str, str]]:
    """The text in pieces, `(piece, name)`: a token with the name it refers to, all else with ""."""
    pieces = []
    end = 0
    for match in _TOKEN.finditer(text):
        pieces += [(text[end : match.start()], ""), (match[0], match[1])]
        end = match.end()
    pieces.append((text[end:], ""))
    return [piece for piece in pieces if piece[0]]


def names_in(text: str) -> list[str]:
    """The names that a text refers to, as they are read."""
    return [match[1] for match in _TOKEN.finditer(text)]


def expand(text: str, variables: Mapping[str, str], *, keep: Collection[str] = ()) -> str:
    """Put the values in, in one pass: a value that looks like a token itself stays as it is. Unknown names stay too, and so do
    the tokens of the names in `keep`."""

    def value(match: re.Match[str]) -> str:
        if match[1] in keep:
            return match[0]
        default = None if match[2] is None else match[2].strip()
        return variables.get(match[1]) or (variables.get(match[1], match[0]) if default is None else default)

    return _TOKEN.sub(value, text)


def has_variables(text: str) -> bool:
    return _TOKEN.search(text) is not None
