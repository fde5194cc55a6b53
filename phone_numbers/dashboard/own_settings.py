"""A number's own settings next to its agent's: which of them calls use, and which the agent overrides."""

from dataclasses import dataclass

from agents import versions
from agents.agent_settings.call_config import FIELDS
from phone_numbers.models import PhoneNumber

MAX_SHOWN = 80  # characters of a value


@dataclass(frozen=True, slots=True)
class OwnSetting:
    """A setting of a number. `of_agent`: the agent's value, "" if it has none and the number's applies."""

    label: str
    value: str
    of_agent: str


def own_settings(number: PhoneNumber) -> list[OwnSetting]:
    """Settings of a number that differ from its agent's, with the agent's values. [] without an agent, because the number then decides
    alone.
    """
    if number.agent is None:
        return []
    pinned = number.agent_version
    of_agent = pinned.values if pinned is not None else versions.snapshot(number.agent)
    found = []
    for name in FIELDS:
        value = getattr(number, name, None)  # numbers have no analysis schema
        own, agents = _short(name, value), _short(name, of_agent.get(name))
        if own and own != agents:
            found.append(OwnSetting(versions.LABELS[name], own, agents))
    return found


def _short(name: str, value: object) -> str:
    """A value on one line."""
    line = " ".join(versions.in_words(name, versions.as_plain(value)).split())
    return line if len(line) <= MAX_SHOWN else f"{line[: MAX_SHOWN - 1]}…"
