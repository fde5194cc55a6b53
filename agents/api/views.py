"""The JSON API of the model catalog, model keys and agents."""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.admin_keys import api_key_of, require_admin_key_to_change
from agents import selectors, services
from agents.api.responses import AGENT, AGENT_VERSION, KEY_CHECK, MODEL, MODEL_KEY
from agents.model_catalog.key_check import check_model_key
from agents.models import Agent
from agents.serializers import AgentSerializer, ModelKeySerializer
from bubblyphone.core.api.views import data, page_of, validated
from bubblyphone.core.database.prepared_queries import PreparedList

_MODEL_KEYS = PreparedList(selectors.model_keys_of)
_AGENTS = PreparedList(selectors.agents_of)


class ModelList(APIView):
    def get(self, request: Request) -> Response:
        return data([MODEL.of(model) for model in selectors.list_models()])


class ModelKeyList(APIView):
    def get(self, request: Request) -> Response:
        return page_of(request, _MODEL_KEYS.of(signed_in(request).pk), MODEL_KEY.of)

    def post(self, request: Request) -> Response:
        body = validated(ModelKeySerializer, request)
        key = services.create_model_key(developer=signed_in(request), **body)
        return data(MODEL_KEY.of(key), status=201)


class ModelKeyDetail(APIView):
    def delete(self, request: Request, pk: int) -> Response:
        services.delete_model_key(key=selectors.get_model_key(developer=signed_in(request), pk=pk))
        return Response(status=204)


class ModelKeyTest(APIView):
    def post(self, request: Request, pk: int) -> Response:
        key = selectors.get_model_key(developer=signed_in(request), pk=pk)
        check = check_model_key(key=key)
        return data(KEY_CHECK.of(check))


class AgentList(APIView):
    def get(self, request: Request) -> Response:
        return page_of(request, _AGENTS.of(signed_in(request).pk), AGENT.of)

    def post(self, request: Request) -> Response:
        body = validated(AgentSerializer, request)
        require_admin_key_to_change(services.CAP_FIELDS, Agent(), body, request)
        agent = services.create_agent(developer=signed_in(request), changes=body, api_key=api_key_of(request))
        return data(AGENT.of(agent), status=201)


class AgentDetail(APIView):
    def get(self, request: Request, pk: int) -> Response:
        return data(AGENT.of(selectors.get_agent(developer=signed_in(request), pk=pk)))

    def patch(self, request: Request, pk: int) -> Response:
        agent = selectors.get_agent(developer=signed_in(request), pk=pk)
        body = validated(AgentSerializer, request, partial=True)
        require_admin_key_to_change(services.CAP_FIELDS, agent, body, request)
        services.update_agent(agent=agent, changes=body, api_key=api_key_of(request))
        changed = selectors.get_agent(developer=signed_in(request), pk=pk)
        return data(AGENT.of(changed), warnings=services.variable_warnings(changed))

    def delete(self, request: Request, pk: int) -> Response:
        services.delete_agent(agent=selectors.get_agent(developer=signed_in(request), pk=pk))
        return Response(status=204)


class AgentVersionList(APIView):
    def get(self, request: Request, pk: int) -> Response:
        agent = selectors.get_agent(developer=signed_in(request), pk=pk)
        rows = agent.versions.select_related("agent__developer", "api_key")
        return page_of(request, rows, AGENT_VERSION.of)
