"""Agents in the export of an account's data (accounts.extension_points.EXPORT_TABLES)."""

from collections.abc import Iterator
from typing import Any

from accounts.extension_points import ExportTable
from accounts.models import Developer
from agents.api.shapes import AGENT, MODEL_KEY
from agents.selectors import agents_of, model_keys_of
from bubblyphone.core.archive import in_pages


def _agents(developer: Developer) -> Iterator[dict[str, Any]]:
    for agent in in_pages(agents_of(developer)):
        yield AGENT.of(agent)


def _model_keys(developer: Developer) -> Iterator[dict[str, Any]]:
    for key in in_pages(model_keys_of(developer)):
        yield MODEL_KEY.of(key)


TABLES = (ExportTable("agents", _agents), ExportTable("model_keys", _model_keys))
