"""PATCH /phone-numbers/{id}: only the named fields change; null clears."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.admin_keys import require_admin_key_to_change
from agents.serializers import MAX_ID, AgentSettingsSerializer, EmptyableText, ModelSlugField, WebhookUrlField
from bubblyphone.core.api.amounts import AmountField
from bubblyphone.core.api.views import data, validated
from phone_numbers.api.responses import NUMBER_DETAIL
from phone_numbers.configuration import CAP_FIELDS, update_number, variable_warnings
from phone_numbers.models import CallMode, PhoneNumber


class EmptyableUrl(WebhookUrlField, EmptyableText):
    """A URL to post to; when cleared, the column holds ""."""


class NumberUpdateSerializer(AgentSettingsSerializer):
    """The body. Its `validated_data` is the `changes` of `phone_numbers.configuration.update_number`."""

    label = EmptyableText(max_length=100)  # type: ignore[assignment]  # DRF fields have an attribute of that name
    webhook_url = EmptyableUrl(max_length=2000)
    mode = serializers.ChoiceField(CallMode.choices, required=False)
    agent_id = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=MAX_ID)
    agent_version = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=2**31 - 1)
    model = ModelSlugField(max_length=80, source="model_slug")
    daily_cap = AmountField(required=False, allow_null=True)
    max_concurrent_calls = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=10_000)


def patch_number(request: Request, number: PhoneNumber) -> Response:
    """Handle PATCH for one of the developer's numbers. Raises InvalidRequest, NotFound and Forbidden."""
    changes = validated(NumberUpdateSerializer, request, partial=True)
    require_admin_key_to_change(CAP_FIELDS, number, changes, request)
    changed = update_number(number=number, changes=changes)
    return data(NUMBER_DETAIL.of(changed), warnings=variable_warnings(changed))
