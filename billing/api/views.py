"""/api/v1/billing/…"""

from typing import Any, cast

from django.http import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Developer
from billing import exports, ledger, selectors
from billing.api.serializers import TransactionsQuerySerializer, UsageQuerySerializer
from billing.extension_points import USAGE_REPORT
from billing.models import LedgerEntry
from billing.periods import read_month
from bubblyphone.core.api import data, format_time, page_of
from bubblyphone.core.money import ZERO, format_money

CURRENCY = "USD"


def transaction_data(entry: LedgerEntry) -> dict[str, Any]:
    """A movement: its amount is positive either way, `type` says which."""
    family, about = entry.about
    return {
        "id": entry.pk,
        "type": "credit" if entry.amount >= ZERO else "debit",
        "kind": entry.kind,
        "amount": format_money(abs(entry.amount)),
        "description": entry.description,
        "call_id": about if family == "call" else None,
        "phone_number_id": about if family == "number" else None,
        "created_at": format_time(entry.created_at),
    }


class BalanceView(APIView):
    """GET /billing/balance. `held` is as good as spent, `available` what can still be spent."""

    def get(self, request: Request) -> Response:
        found = ledger.balance_summary(cast(Developer, request.user).pk)
        return data(
            {
                "balance": format_money(found.balance),
                "held": format_money(found.held),
                "available": format_money(found.available),
                "currency": CURRENCY,
            }
        )


class TransactionsView(APIView):
    """GET /billing/transactions, newest first; all of what was asked for as a CSV file with `?format=csv`."""

    def get(self, request: Request) -> HttpResponseBase:
        query = TransactionsQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        wanted = query.validated_data
        entries = selectors.entries_of(
            cast(Developer, request.user).pk,
            movement=wanted.get("type", ""),
            kind=wanted.get("kind", ""),
            first_day=wanted.get("from"),
            last_day=wanted.get("to"),
        )
        if wanted.get("format") == "csv" or ("format" not in wanted and _asks_for_csv(request)):
            return exports.transactions_csv(entries)
        return page_of(request, entries, transaction_data)


class UsageView(APIView):
    """GET /billing/usage: a month by category, day, number, agent and model."""

    def get(self, request: Request) -> Response:
        query = UsageQuerySerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        period = read_month(query.validated_data.get("period"), timezone.now())
        return data(USAGE_REPORT.get()(cast(Developer, request.user), period))


def _asks_for_csv(request: Request) -> bool:
    """By the first type that the client accepts."""
    return request.headers.get("Accept", "").partition(",")[0].partition(";")[0].strip().lower() == "text/csv"
