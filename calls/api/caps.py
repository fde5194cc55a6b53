"""/api/v1/billing/caps: limits of the account, and today's spending against all caps."""

from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import signed_in
from accounts.admin_keys import AdminKeyView
from accounts.models import Developer
from billing import caps
from bubblyphone.core.api.amounts import AmountField
from bubblyphone.core.api.views import StrictSerializer, data, validated
from bubblyphone.core.money import ZERO
from calls.api.responses import CAPS
from calls.charging import balance_holds
from calls.charging.daily_caps import DailyCap, Scope, all_daily_caps, spent_today


class CapsSerializer(StrictSerializer):
    """The body of PUT /billing/caps. Omitted fields stay unchanged."""

    daily_cap = AmountField(required=False, allow_null=True)
    max_concurrent_calls = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=10_000)
    max_calls_per_caller_per_hour = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=10_000
    )


class CapsView(AdminKeyView):
    """GET and PUT /billing/caps."""

    def get(self, request: Request) -> Response:
        return data(caps_data(signed_in(request)))

    def put(self, request: Request) -> Response:
        developer = signed_in(request)
        caps.set_limits(developer=developer, changes=validated(CapsSerializer, request))
        return data(caps_data(developer))


def caps_data(developer: Developer) -> dict[str, Any]:
    """The account's limits; null means no limit."""
    limits, now = caps.limits_of(developer), timezone.now()
    others = [cap for cap in all_daily_caps(developer) if cap.scope is not Scope.ACCOUNT]
    whole = DailyCap(developer.pk, Scope.ACCOUNT, developer.pk, limits.daily_cap or ZERO)
    return CAPS.of(
        limits,
        spent_today=whole.spent(now),
        running_calls=balance_holds.open_calls(developer.pk).count(),
        others=list(spent_today(others, now).items()),
    )
