"""The JSON API of the model catalog, model keys and agents."""

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.admin_keys import require_admin_key_to_change
from accounts.models import Developer
from agents import selectors, services
from agents.key_check import check_model_key
from agents.models import Agent, AIModel, ModelKey
from agents.serializers import AgentSerializer, ModelKeySerializer
from agents.settings import own_settings
from bubblyphone.core.api import StrictSerializer, data, format_time, page_of, validated
from bubblyphone.core.money import format_amount


def model_data(model: AIModel) -> dict[str, Any]:
    """An entry of the catalog, with its price to six decimals."""
    reason = selectors.unavailable_reason(model)
    return {
        "slug": model.slug,
        "provider": model.provider,
        "display_name": model.display_name,
        "price_per_minute": f"{model.price_per_minute:.6f}",
        "status": "unavailable" if reason else "available",
        "reason": reason or None,
        "capabilities": model.can.model_dump(mode="json"),
        "successor": model.successor.slug if model.successor else None,
        "retires_on": model.retires_on.isoformat() if model.retires_on else None,
    }


def model_key_data(key: ModelKey) -> dict[str, Any]:
    """A model key without the key."""
    return {
        "id": key.pk,
        "provider": key.provider,
        "label": key.label,
        "last_four": f"...{key.last_four}",
        "created_at": format_time(key.created_at),
    }


def agent_data(agent: Agent) -> dict[str, Any]:
    """An agent as `selectors.get_agent` returns it. Null: not set by the agent, so the number or the default applies."""
    return {
        "id": agent.pk,
        "developer_id": agent.developer_id,
        "name": agent.name,
        "description": agent.description or None,
        "model_slug": agent.model_slug,
        **own_settings(agent),
        # Shown as false, the documented default. Unset and false differ only for a number that has it on.
        "recording_enabled": bool(agent.recording_enabled),
        "daily_cap": format_amount(agent.daily_cap),
        "analysis_schema": agent.analysis_schema,
        "phone_numbers_count": getattr(agent, "phone_numbers_count", 0),
        "created_at": format_time(agent.created_at),
        "updated_at": format_time(agent.updated_at),
    }


class ModelList(APIView):
    def get(self, request: Request) -> Response:
        return data([model_data(model) for model in selectors.list_models()])


class ModelKeyList(APIView):
    def get(self, request: Request) -> Response:
        return page_of(request, selectors.model_keys_of(_developer(request)), model_key_data)

    def post(self, request: Request) -> Response:
        body = ModelKeySerializer(data=request.data)
        body.is_valid(raise_exception=True)
        key = services.create_model_key(developer=_developer(request), **body.validated_data)
        return data(model_key_data(key), status=201)


class ModelKeyDetail(APIView):
    def delete(self, request: Request, pk: int) -> Response:
        services.delete_model_key(key=selectors.get_model_key(developer=_developer(request), pk=pk))
        return Response(status=204)


class ModelKeyTest(APIView):
    def post(self, request: Request, pk: int) -> Response:
        key = selectors.get_model_key(developer=_developer(request), pk=pk)
        validated(StrictSerializer, request)
        check = check_model_key(key=key)
        return data({"ok": check.ok, "message": check.message})


class AgentList(APIView):
    def get(self, request: Request) -> Response:
        return page_of(request, selectors.agents_of(_developer(request)), agent_data)

    def post(self, request: Request) -> Response:
        body = AgentSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        require_admin_key_to_change(services.CAP_FIELDS, Agent(), body.validated_data, request)
        agent = services.create_agent(developer=_developer(request), changes=body.validated_data)
        return data(agent_data(agent), status=201)


class AgentDetail(APIView):
    def get(self, request: Request, pk: int) -> Response:
        return data(agent_data(selectors.get_agent(developer=_developer(request), pk=pk)))

    def patch(self, request: Request, pk: int) -> Response:
        agent = selectors.get_agent(developer=_developer(request), pk=pk)
        body = AgentSerializer(data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        require_admin_key_to_change(services.CAP_FIELDS, agent, body.validated_data, request)
        services.update_agent(agent=agent, changes=body.validated_data)
        changed = selectors.get_agent(developer=_developer(request), pk=pk)
        return data(agent_data(changed), warnings=services.variable_warnings(changed))

    def delete(self, request: Request, pk: int) -> Response:
        services.delete_agent(agent=selectors.get_agent(developer=_developer(request), pk=pk))
        return Response(status=204)


def _developer(request: Request) -> Developer:
    assert isinstance(request.user, Developer)
    return request.user
