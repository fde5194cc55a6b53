"""/api/v1/billing/…"""

from django.http import HttpResponseBase
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from billing import exports, ledger, selectors
from billing.api.responses import BALANCE, TRANSACTION
from billing.api.serializers import TransactionsQuerySerializer, UsageQuerySerializer
from billing.extension_points import USAGE_REPORT
from billing.periods import read_month
from bubblyphone.core.api.views import NewestFirstPagination, data, page_of, validated_query


class BalanceView(APIView):
    """GET /billing/balance. `held` is as good as spent, `available` what can still be spent."""

    def get(self, request: Request) -> Response:
        return data(BALANCE.of(ledger.balance_summary(signed_in(request).pk)))


class TransactionsView(APIView):
    """GET /billing/transactions, newest first; all of what was asked for as a CSV file with `?format=csv`."""

    def get(self, request: Request) -> HttpResponseBase:
        wanted = validated_query(TransactionsQuerySerializer, request)
        entries = selectors.entries_of(
            signed_in(request).pk,
            movement=wanted.get("type", ""),
            kind=wanted.get("kind", ""),
            first_day=wanted.get("from"),
            last_day=wanted.get("to"),
        )
        # In a period PostgreSQL finds entries by their time: by the ids it would go back from the newest one.
        moment = "created_at" if {"from", "to"} & wanted.keys() else ""
        if wanted.get("format") == "csv" or ("format" not in wanted and _asks_for_csv(request)):
            return exports.transactions_csv(entries, moment)
        every = selectors.entries_of(signed_in(request).pk)
        return page_of(request, entries, TRANSACTION.of, NewestFirstPagination(moment, every))


class UsageView(APIView):
    """GET /billing/usage: a month by category, day, number, agent and model."""

    def get(self, request: Request) -> Response:
        period = read_month(validated_query(UsageQuerySerializer, request).get("period"), timezone.now())
        return data(USAGE_REPORT.get()(signed_in(request), period))


def _asks_for_csv(request: Request) -> bool:
    """By the first type that the client accepts."""
    return request.headers.get("Accept", "").partition(",")[0].partition(";")[0].strip().lower() == "text/csv"
