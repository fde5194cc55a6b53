"""/api/v1/retention: how many days the account keeps each kind of data."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import retention
from accounts.access import signed_in
from accounts.admin_keys import AdminKeyView
from bubblyphone.core.api.views import StrictSerializer, data, validated


class RetentionSerializer(StrictSerializer):
    """The body of PUT /retention. Omitted kinds stay unchanged."""

    def get_fields(self) -> dict[str, Any]:
        return {
            name: serializers.IntegerField(min_value=1, max_value=retention.MAX_DAYS, allow_null=True, required=False)
            for name in retention.KINDS_IN_API
        }


class RetentionView(AdminKeyView):
    """GET and PUT /retention."""

    def get(self, request: Request) -> Response:
        return data(retention.periods_of(signed_in(request)))

    def put(self, request: Request) -> Response:
        developer = signed_in(request)
        retention.set_periods(developer, validated(RetentionSerializer, request))
        return data(retention.periods_of(developer))
