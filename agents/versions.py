"""Versions of an agent: each publication keeps all of its values, so that they can be compared, restored, and used by a number.

A version holds plain JSON by the names of `VERSIONED`. What an agent costs in a day is no part of it: a cap limits all of them.
"""

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from accounts.models import ApiKey
from agents.agent_settings import kinds
from agents.agent_settings.call_config import FIELDS
from agents.agent_settings.declarations import KINDS, SETTINGS
from agents.models import Agent, AgentVersion
from bubblyphone.core.database.lookup import get_row
from bubblyphone.core.json.ordered_field import is_same

VERSIONED = ("name", "description", *FIELDS)
LABELS = {
    "name": "Name",
    "description": "Description",
    "model_slug": "Model",
    "analysis_schema": "After the call",
    **{entry.name: entry.label for entry in SETTINGS},
}
DEFAULTS = {entry.name: entry.default for entry in SETTINGS}
CONTEXT_LINES = 2  # unchanged lines shown around a change


class LinkedSettings(Protocol):
    """The part of a phone number that this package uses: its own agent settings, and optionally a linked agent and a version of it."""

    @property
    def agent(self) -> Agent | None: ...
    @property
    def agent_version(self) -> AgentVersion | None: ...


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a text before and after: `sign` is "+", "-", " " for an unchanged one, and "…" where some are left out."""

    sign: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """A value that differs between two versions, as its reader sees it. `is_cleared`: it is not set anymore, so that `default` applies."""

    name: str
    label: str
    lines: list[Line]
    is_cleared: bool
    default: str


def snapshot(agent: Agent) -> dict[str, Any]:
    """All versioned values of an agent as plain JSON."""
    return {name: as_plain(getattr(agent, name)) for name in VERSIONED}


def changes_to(version: AgentVersion) -> dict[str, Any]:
    """What `agents.services` is to set so that an agent is as in this version. A setting that is newer than it is not set."""
    return {name: _stored(name, version.values.get(name)) for name in VERSIONED}


def settings_of(version: AgentVersion) -> Mapping[str, Any]:
    """The version's settings as a layer of a call's configuration (`agents.agent_settings.resolution`)."""
    return {name: _stored(name, version.values.get(name)) for name in FIELDS}


def record(agent: Agent, *, api_key: ApiKey | None = None, restored: int | None = None) -> AgentVersion:
    """Keep what an agent is now as its version of the number that it has. In the transaction that saves the agent."""
    return AgentVersion.objects.create(
        agent=agent, number=agent.version, values=snapshot(agent), api_key=api_key, restored=restored
    )


def get_version(agent: Agent, number: int) -> AgentVersion:
    """Raises NotFound."""
    return get_row(agent.versions.select_related("agent__developer", "api_key"), number=number)


def answering_version(number: LinkedSettings) -> int | None:
    """The number of the version that answers a phone number's calls: the one it is set to, else the live one. None: no agent."""
    if number.agent is None:
        return None
    return number.agent_version.number if number.agent_version is not None else number.agent.version


def author_of(version: AgentVersion) -> str:
    """Who published it, in words."""
    if version.api_key is not None:
        return f"API key {version.api_key.label}".strip()
    return version.agent.developer.email


# --- what differs -----------------------------------------------------------------------------------------------------
def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """What differs between the values of two versions, in the order of the API."""
    names = (name for name in VERSIONED if not is_same(before.get(name), after.get(name)))
    return [_change(name, before.get(name), after.get(name)) for name in names]


def _change(name: str, before: Any, after: Any) -> Change:
    old, new = in_words(name, before), in_words(name, after)
    default = DEFAULTS.get(name)
    said = in_words(name, default) if default or default is False else ""
    return Change(name, LABELS[name], list(_lines(old, new)), is_cleared=bool(old) and not new, default=said)


def in_words(name: str, value: Any) -> str:
    """A value of a version as text; "" where it is not set."""
    if value is None or value == "":
        return ""
    match KINDS.get(name):
        case kinds.Flag():
            return "On" if value else "Off"
        case kinds.Choice(words=words):
            return words.get(value, str(value))
        case kinds.Variables():
            return "\n".join(f"{key} = {text}" for key, text in value.items())
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _lines(before: str, after: str) -> Iterator[Line]:
    old, new = before.splitlines(), after.splitlines()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for place, group in enumerate(matcher.get_grouped_opcodes(CONTEXT_LINES)):
        if place or group[0][1]:
            yield Line("…", "")
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                yield from (Line(" ", text) for text in old[old_from:old_to])
                continue
            yield from (Line("-", text) for text in old[old_from:old_to])
            yield from (Line("+", text) for text in new[new_from:new_to])


def as_plain(value: Any) -> Any:
    """A value of a column as a version has it."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value


def _stored(name: str, value: Any) -> Any:
    """A value of a version as its column takes it."""
    if name == "description":
        return value or ""
    return Decimal(value) if value is not None and isinstance(KINDS.get(name), kinds.Amount) else value
