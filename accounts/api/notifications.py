"""/api/v1/notifications: which notifications the account gets, and how."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import notifications
from accounts.access import signed_in
from accounts.admin_keys import AdminKeyView
from bubblyphone.core.api.views import StrictSerializer, data, validated


class ChannelsSerializer(StrictSerializer):
    """One kind in the body of PUT /notifications."""

    email = serializers.BooleanField(required=False)
    webhook = serializers.BooleanField(required=False)


class NotificationsSerializer(StrictSerializer):
    """The body of PUT /notifications. Omitted kinds stay unchanged."""

    def get_fields(self) -> dict[str, Any]:
        return {kind.name: ChannelsSerializer(required=False) for kind in notifications.optional_kinds()}


class NotificationsView(AdminKeyView):
    """GET and PUT /notifications."""

    def get(self, request: Request) -> Response:
        return data(notifications.choices_of(signed_in(request)))

    def put(self, request: Request) -> Response:
        developer = signed_in(request)
        notifications.choose(developer, validated(NotificationsSerializer, request))
        return data(notifications.choices_of(developer))
