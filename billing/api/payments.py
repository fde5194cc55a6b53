"""/api/v1/billing/top-up, …/auto-topup and …/payment-methods"""

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import signed_in
from billing.api.payment_serializers import AutoTopUpSerializer, TopUpSerializer
from billing.api.responses import AUTO_TOP_UP, PAYMENT_METHOD
from billing.models import Card
from billing.payments import auto_topup, cards, checkout
from bubblyphone.core.api.views import data, page_of, validated


class TopUpView(APIView):
    """POST /billing/top-up. The response has no `data` envelope. The card is saved unless `save_payment_method` is false."""

    def post(self, request: Request) -> Response:
        body = validated(TopUpSerializer, request)
        url = checkout.start_top_up(
            developer=signed_in(request),
            amount=body["amount"],
            saves_card=body.get("save_payment_method", True),
        )
        return Response({"checkout_url": url}, status=201)


class AutoTopUpView(APIView):
    """GET and PUT /billing/auto-topup."""

    def get(self, request: Request) -> Response:
        return data(AUTO_TOP_UP.of(auto_topup.settings_of(signed_in(request).pk)))

    def put(self, request: Request) -> Response:
        body = validated(AutoTopUpSerializer, request)
        return data(AUTO_TOP_UP.of(auto_topup.configure(developer=signed_in(request), **body)))


class PaymentMethodsView(APIView):
    """GET /billing/payment-methods: the saved cards."""

    def get(self, request: Request) -> Response:
        return page_of(request, Card.objects.filter(developer=signed_in(request)), PAYMENT_METHOD.of)


class PaymentMethodView(APIView):
    """DELETE /billing/payment-methods/{id}."""

    def delete(self, request: Request, pk: int) -> Response:
        cards.remove(developer=signed_in(request), pk=pk)
        return Response(status=204)


class DefaultPaymentMethodView(APIView):
    """POST /billing/payment-methods/{id}/default."""

    def post(self, request: Request, pk: int) -> Response:
        return data(PAYMENT_METHOD.of(cards.choose(developer=signed_in(request), pk=pk)))
