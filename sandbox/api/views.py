"""The sandbox over the API."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.admin_keys import api_key_of
from agents.agent_settings.declarations import KINDS
from agents.serializers import MAX_ID, ModelSlugField, VariablesField, body_field
from bubblyphone.core.api.views import StrictSerializer, data, validated
from bubblyphone.core.errors import InvalidRequest
from calls.api.metadata import MetadataField
from phone_numbers.selectors import numbers_of
from sandbox import services
from sandbox.api.responses import DEMO, STARTED


class OverridesSerializer(StrictSerializer):
    """Settings that override the number's in a test call."""

    system_prompt = body_field(KINDS["system_prompt"])
    model = ModelSlugField(max_length=80)
    voice = body_field(KINDS["voice"])


class SandboxCallSerializer(StrictSerializer):
    """The body of POST /sandbox/calls."""

    phone_number_id = serializers.IntegerField(min_value=1, max_value=MAX_ID)
    overrides = OverridesSerializer(required=False, allow_null=True)
    dynamic_variables = VariablesField(required=False, allow_null=True)
    metadata = MetadataField(required=False, allow_null=True)


class SandboxCallsView(APIView):
    """POST /sandbox/calls."""

    def post(self, request: Request) -> Response:
        body = validated(SandboxCallSerializer, request)
        developer = signed_in(request)
        number = numbers_of(developer).filter(pk=body["phone_number_id"]).first()
        if number is None:
            raise InvalidRequest({"phone_number_id": ["This phone number does not exist."]})
        overrides: dict[str, Any] = body.get("overrides") or {}
        started = services.start_sandbox_call(
            developer=developer,
            number=number,
            overrides=overrides,
            dynamic_variables=body.get("dynamic_variables"),
            metadata=body.get("metadata"),
            api_key=api_key_of(request),
        )
        return data(STARTED.of(started), status=201)


class SandboxDemoView(APIView):
    """POST /sandbox/demo."""

    def post(self, request: Request) -> Response:
        started, left = services.start_demo_call(developer=signed_in(request))
        return data(DEMO.of(started, demos_remaining=left), status=201)
