"""Agents in the export of an account's data (accounts.extension_points.EXPORT_TABLES)."""

from collections.abc import Iterator
from typing import Any

from accounts.extension_points import ExportTable
from accounts.models import Developer
from agents.api.responses import AGENT, MODEL_KEY, SECRET
from agents.models import AgentVersion, Secret
from agents.selectors import agents_of, model_keys_of
from bubblyphone.core.api.views import format_time
from bubblyphone.core.pagination import in_pages


def _agents(developer: Developer) -> Iterator[dict[str, Any]]:
    for agent in in_pages(agents_of(developer)):
        yield {**AGENT.of(agent), "draft": agent.draft or None}


def _versions(developer: Developer) -> Iterator[dict[str, Any]]:
    for version in in_pages(AgentVersion.objects.filter(agent__developer=developer)):
        yield {
            "agent_id": version.agent_id,
            "version": version.number,
            "published_at": format_time(version.published_at),
            "restored_version": version.restored,
            "values": version.values,
        }


def _model_keys(developer: Developer) -> Iterator[dict[str, Any]]:
    for key in in_pages(model_keys_of(developer)):
        yield MODEL_KEY.of(key)


def _secrets(developer: Developer) -> Iterator[dict[str, Any]]:
    """Secrets without their values."""
    for secret in in_pages(Secret.objects.filter(developer=developer)):
        yield SECRET.of(secret)


TABLES = (
    ExportTable("agents", _agents),
    ExportTable("agent_versions", _versions),
    ExportTable("model_keys", _model_keys),
    ExportTable("secrets", _secrets),
)
