"""Agents in the export of an account's data (accounts.extension_points.EXPORT_TABLES)."""

from typing import Any

from accounts.extension_points import exported, owned
from agents.api.responses import AGENT, MODEL_KEY, SECRET
from agents.models import Agent, AgentVersion, Secret
from agents.selectors import agents_of, model_keys_of
from bubblyphone.core.api.views import format_time


def _agent(agent: Agent) -> dict[str, Any]:
    return {**AGENT.of(agent), "draft": agent.draft or None}


def _version(version: AgentVersion) -> dict[str, Any]:
    return {
        "agent_id": version.agent_id,
        "version": version.number,
        "published_at": format_time(version.published_at),
        "restored_version": version.restored,
        "values": version.values,
    }


TABLES = (
    exported("agents", agents_of, _agent),
    exported("agent_versions", lambda developer: AgentVersion.objects.filter(agent__developer=developer), _version),
    exported("model_keys", model_keys_of, MODEL_KEY.of),
    exported("secrets", owned(Secret), SECRET.of),
)
