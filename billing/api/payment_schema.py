"""The API description of top-ups."""

from billing.api.payment_serializers import AutoTopUpSerializer, TopUpSerializer
from billing.api.responses import AUTO_TOP_UP, PAYMENT_METHOD
from bubblyphone.core.api.json_schema import data_of, page_of, record, text
from bubblyphone.core.api.openapi import Operation

_NOT_NOW = "Stripe rejected the request, could not be reached, or is not set up."
OPERATIONS = {
    "POST /billing/top-up": Operation(
        "Top up your balance",
        "Create a Stripe Checkout session. Credit is added when Stripe confirms the payment. On a server without Stripe keys, "
        "the page adds test credit instead.",
        answer=record({"checkout_url": text("https://checkout.stripe.com/c/pay/cs_test_a1b2c3", format="uri")}),
        status=201,
        body=TopUpSerializer,
        example={"amount": 20},
        errors={502: _NOT_NOW},
    ),
    "GET /billing/auto-topup": Operation("Get automatic top-up settings", answer=data_of(AUTO_TOP_UP)),
    "PUT /billing/auto-topup": Operation(
        "Update automatic top-up settings",
        "Charge the saved card once each time the balance falls below the threshold. If a charge "
        "fails, automatic top-ups are turned off and we notify you by email and the `billing.auto_topup.failed` webhook.",
        answer=data_of(AUTO_TOP_UP),
        body=AutoTopUpSerializer,
        example={"enabled": True, "threshold": 5, "amount": 25},
    ),
    "GET /billing/payment-methods": Operation(
        "List payment methods", "Payment methods saved at Stripe for automatic top-ups.", answer=page_of(PAYMENT_METHOD)
    ),
    "DELETE /billing/payment-methods/{id}": Operation(
        "Remove a payment method",
        "Also removes it at Stripe. Removing the last payment method turns automatic top-ups off.",
        status=204,
        errors={502: _NOT_NOW},
    ),
    "POST /billing/payment-methods/{id}/default": Operation(
        "Set the default payment method",
        "Automatic top-ups charge the default payment method.",
        answer=data_of(PAYMENT_METHOD),
    ),
}
FIELDS = {
    "TopUpSerializer.amount": "Amount in US dollars.",
    "TopUpSerializer.save_payment_method": "Save the card for automatic top-ups. Default: true.",
    "AutoTopUpSerializer.enabled": "Whether automatic top-ups are on. Requires `threshold` and `amount` to be set.",
    "AutoTopUpSerializer.threshold": "The card is charged when the balance falls below this amount in US dollars. Unchanged if omitted.",
    "AutoTopUpSerializer.amount": "Amount to charge in US dollars. Unchanged if omitted.",
}
