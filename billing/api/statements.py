"""/api/v1/billing/statements: a month as JSON, PDF or CSV."""

from typing import Any, NamedTuple

from django.http import HttpResponseBase
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.models import Developer
from billing import billing_switch, statements
from billing.api.responses import METERED_STATEMENT, MONTH, STATEMENT
from billing.periods import Period, read_month
from billing.statement_files import statement_csv, statement_pdf
from billing.statements import Statement
from bubblyphone.core.api.views import data, validated_query
from bubblyphone.core.errors import InvalidRequest, NotFound


class FormatQuerySerializer(serializers.Serializer[Any]):
    """The query of GET /billing/statements/{id}."""

    format = serializers.ChoiceField(["json", "pdf", "csv"], default="json")


class Month(NamedTuple):
    """A month in the list of statements."""

    period: Period
    is_final: bool


class StatementsView(APIView):
    """GET /billing/statements: all months, newest first; a whole list."""

    def get(self, request: Request) -> Response:
        developer, now = signed_in(request), timezone.now()
        return data([MONTH.of(Month(month, month.end <= now)) for month in statements.months_of(developer.pk, now)])


class StatementView(APIView):
    """GET /billing/statements/{id}: `id` is the month."""

    def get(self, request: Request, month_id: str) -> HttpResponseBase:
        query = validated_query(FormatQuerySerializer, request)
        developer = signed_in(request)
        statement = find_statement(developer, month_id)
        files = {"pdf": statement_pdf, "csv": statement_csv}
        if make := files.get(query["format"]):
            return make(developer, statement)
        return data((STATEMENT if billing_switch.is_on() else METERED_STATEMENT).of(statement))


def find_statement(developer: Developer, month: str) -> Statement:
    """Raises NotFound, also for what is no month."""
    now = timezone.now()
    try:
        period = read_month(month, now)
    except InvalidRequest:
        raise NotFound("There is no statement for this month.") from None
    return statements.statement_of(developer, period, now)
