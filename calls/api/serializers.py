"""Calls as JSON, and the bodies that create them."""

from typing import Any

from rest_framework import serializers

from agents.serializers import (
    MAX_ID,
    AgentSettingsSerializer,
    ClearableText,
    ModelSlugField,
    PhoneNumberField,
    VariablesField,
)
from bubblyphone.core.api.views import StrictSerializer
from bubblyphone.core.pages.date_fields import DayOrTimeField
from calls.api.metadata import MetadataField, MetadataFilter
from calls.max_lengths import MAX_BRIEFING_CHARACTERS
from calls.models import CallStatus, Direction, Outcome
from calls.webhook_mode.actions import MAX_TEXT_CHARACTERS
from phone_numbers.models import CallMode


class CallFilters(serializers.Serializer[Any]):
    """The filters of a list of calls."""

    direction = serializers.ChoiceField(choices=Direction.choices, required=False)
    status = serializers.ChoiceField(choices=CallStatus.choices, required=False)
    phone_number_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False)
    agent_id = serializers.IntegerField(min_value=1, max_value=2**63 - 1, required=False)
    date_from = DayOrTimeField(required=False)
    date_to = DayOrTimeField(required=False, end_of_day=True)
    sandbox = serializers.BooleanField(required=False, allow_null=True, default=None)
    voicemail_detected = serializers.BooleanField(required=False, allow_null=True, default=None)
    outcome = serializers.ChoiceField(choices=Outcome.choices, required=False)
    metadata = MetadataFilter(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "date_from" in attrs and "date_to" in attrs and attrs["date_to"] < attrs["date_from"]:
            raise serializers.ValidationError({"date_to": ["Must not be before `date_from`."]})
        return attrs


class RequiredText(ClearableText):
    """A required, non-blank text."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"required": True, "allow_null": False, "allow_blank": False, **kwargs})


class ContextSerializer(StrictSerializer):
    """The body of POST /calls/{id}/context."""

    message = RequiredText(max_length=2000)


class SpeakSerializer(StrictSerializer):
    """The body of POST /calls/{id}/speak."""

    text = RequiredText(max_length=MAX_TEXT_CHARACTERS)


class TransferSerializer(StrictSerializer):
    """The body of POST /calls/{id}/transfer."""

    to = PhoneNumberField(allow_null=False, allow_blank=False)
    transfer_to = PhoneNumberField(allow_null=False, allow_blank=False)
    briefing = ClearableText(max_length=MAX_BRIEFING_CHARACTERS)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("to" in attrs) == ("transfer_to" in attrs):
            raise serializers.ValidationError({"to": ["Send one number, as `to` or as `transfer_to`."]})
        return {"to": attrs.get("to") or attrs["transfer_to"], "briefing": attrs.get("briefing") or ""}


class CallSerializer(AgentSettingsSerializer):
    """The body of POST /calls: whom to call, and settings that override the agent's for this call only."""

    to = PhoneNumberField(required=True, allow_null=False, allow_blank=False)
    mode = serializers.ChoiceField(CallMode.choices, required=False)
    model = ModelSlugField(max_length=80)
    agent_id = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=MAX_ID)
    dynamic_variables = VariablesField(required=False, allow_null=True)
    metadata = MetadataField(required=False, allow_null=True)

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        del fields["lookup_url"]  # of inbound calls
        # `from` is a word of Python's own.
        return {"from": PhoneNumberField(required=True, allow_null=False, allow_blank=False), **fields}
