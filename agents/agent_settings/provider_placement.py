"""The call settings that the model itself applies, in its provider's terms."""

from collections.abc import Mapping
from typing import Any

from agents.agent_settings.call_config import CallConfig
from agents.agent_settings.declarations import SETTINGS


def model_settings(config: CallConfig) -> dict[str, Any]:
    """Content of `SessionConfig.settings`: the settings that some provider supports."""
    return {setting.name: getattr(config, setting.name) for setting in SETTINGS if setting.providers}


def place_settings(provider: str, said: Mapping[str, Any], session: dict[str, Any]) -> None:
    """Put each setting that the provider supports in its place in the JSON that starts a session."""
    for setting in SETTINGS:
        if (at := setting.providers.get(provider)) is None:
            continue
        value = said.get(setting.name, setting.default)
        if (wanted := at.values.get(value, value)) is None:
            continue
        *parents, last = at.path.split(".")
        place = session
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = wanted
