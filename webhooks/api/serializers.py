"""Bodies and filters of events and webhook endpoints."""

from typing import Any

from rest_framework import serializers

from bubblyphone.core.api.openapi import description
from bubblyphone.core.api.views import StrictSerializer
from bubblyphone.core.pages.date_fields import DayOrTimeField
from webhooks.http.outbound_http import MAX_URL_LENGTH, validate_webhook_url
from webhooks.outbox import EVERY_EVENT


def check_types(names: list[str]) -> list[str]:
    """Without repetitions. Raises ValidationError that names what is no type of event."""
    unknown = [name for name in names if name not in description().event_types]
    if unknown:
        raise serializers.ValidationError(f"Unknown event type: {', '.join(unknown)}.")
    return list(dict.fromkeys(names))


class EndpointSerializer(StrictSerializer):
    """An account's webhook endpoint. On PATCH fields are optional."""

    url = serializers.URLField(max_length=MAX_URL_LENGTH, validators=[validate_webhook_url])
    events = serializers.ListField(
        source="event_types", child=serializers.CharField(max_length=60), allow_empty=False, max_length=100
    )
    description = serializers.CharField(max_length=200, allow_blank=True, required=False)
    enabled = serializers.BooleanField(required=False)

    def validate_events(self, names: list[str]) -> list[str]:
        return [EVERY_EVENT] if EVERY_EVENT in names else check_types(names)


class EventFilters(serializers.Serializer[Any]):
    """GET /events."""

    after = serializers.CharField(max_length=40, required=False)
    type = serializers.CharField(max_length=2000, required=False)
    since = DayOrTimeField(required=False)

    def validate_type(self, names: str) -> list[str]:
        return check_types([name.strip() for name in names.split(",")])
