"""/api/v1/phone-numbers and /api/v1/number-pricing."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from accounts.models import Developer
from bubblyphone.core.api.views import data, page_of, validated, validated_query
from bubblyphone.core.database.prepared_queries import PreparedList
from phone_numbers import carrier_accounts, selectors, services
from phone_numbers.api.responses import AVAILABLE_NUMBER, BOUGHT_NUMBER, COST, NUMBER, NUMBER_DETAIL, PRICE
from phone_numbers.api.serializers import (
    NumberPurchaseSerializer,
    NumberSearchSerializer,
    PricingQuerySerializer,
)
from phone_numbers.api.update import patch_number
from phone_numbers.models import PhoneNumber
from webhooks.sending.signing import signing_keys

# Including the columns behind functions and properties of the shape.
LISTED = [*NUMBER.columns(PhoneNumber, "carrier", "agent_version_id", "months_paid"), "agent_version__number"]


def _listed(developer: Developer) -> QuerySet[PhoneNumber]:
    """The list shows nothing of the linked agent, and one column of its version."""
    numbers = selectors.numbers_of(developer)
    return numbers.select_related(None).select_related("agent_version").only(*LISTED)


_NUMBERS = PreparedList(_listed)


class AvailableNumbersView(APIView):
    """GET /phone-numbers/available."""

    def get(self, request: Request) -> Response:
        query = validated_query(NumberSearchSerializer, request)
        numbers, price = services.search_available(**_at_carrier(request, query))
        return Response({"data": [AVAILABLE_NUMBER.of(number) for number in numbers], "pricing": COST.of(price)})


class NumbersView(APIView):
    """POST /phone-numbers, GET /phone-numbers."""

    def get(self, request: Request) -> Response:
        return page_of(request, _NUMBERS.of(signed_in(request).pk), NUMBER.of)

    def post(self, request: Request) -> Response:
        developer = signed_in(request)
        body = _at_carrier(request, validated(NumberPurchaseSerializer, request))
        number = services.buy_number(developer=developer, **body)
        return _with_secret(number, signing_keys(number.signing_secret).current, status=201)


class NumberView(APIView):
    """GET, PATCH and DELETE /phone-numbers/{id}."""

    def get(self, request: Request, pk: int) -> Response:
        return data(NUMBER_DETAIL.of(selectors.get_number(developer=signed_in(request), pk=pk)))

    def patch(self, request: Request, pk: int) -> Response:
        return patch_number(request, selectors.get_number(developer=signed_in(request), pk=pk))

    def delete(self, request: Request, pk: int) -> Response:
        services.release_number(number=selectors.get_number(developer=signed_in(request), pk=pk))
        return Response(status=204)


class SecretRotationView(APIView):
    """POST /phone-numbers/{id}/rotate-secret."""

    def post(self, request: Request, pk: int) -> Response:
        number = selectors.get_number(developer=signed_in(request), pk=pk)
        return _with_secret(number, services.rotate_webhook_secret(number=number), status=200)


class PricingView(APIView):
    """GET /number-pricing."""

    def get(self, request: Request) -> Response:
        query = validated_query(PricingQuerySerializer, request)
        return data([PRICE.of(price) for price in selectors.list_prices(**query)])


def _at_carrier(request: Request, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields with the carrier's key instead of its slug and the developer's account there."""
    place = {name: fields[name] for name in ("carrier", "carrier_account_id") if name in fields}
    others = {name: value for name, value in fields.items() if name not in place}
    return {**others, "carrier": carrier_accounts.carrier_key(developer=signed_in(request), **place)}


def _with_secret(number: PhoneNumber, secret: str, *, status: int) -> Response:
    """The responses to a purchase and a rotation, the only ones that contain the webhook secret."""
    return data(BOUGHT_NUMBER.of(number, webhook_secret=secret), status=status)
