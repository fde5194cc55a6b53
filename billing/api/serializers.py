"""The queries of /api/v1/billing/…"""

from typing import Any

from rest_framework import serializers

from billing.models import LedgerEntry
from bubblyphone.core.pages.date_fields import DayField


class TransactionsQuerySerializer(serializers.Serializer[Any]):
    """The query of GET /billing/transactions, except the cursor's parameters."""

    type = serializers.ChoiceField(["credit", "debit"], required=False)
    kind = serializers.ChoiceField(LedgerEntry.Kind.choices, required=False)
    # `from` is a word of Python's own.
    vars()["from"] = DayField(required=False, help_text="First day (UTC).")
    to = DayField(required=False, help_text="Last day (UTC).")
    format = serializers.ChoiceField(["json", "csv"], required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("from") and attrs.get("to") and attrs["to"] < attrs["from"]:
            raise serializers.ValidationError({"to": ["Must not be before `from`."]})
        return attrs


class UsageQuerySerializer(serializers.Serializer[Any]):
    """The query of GET /billing/usage."""

    period = serializers.CharField(required=False, help_text="Month as YYYY-MM. Default: the current month.")
