"""What the API's description says about top-ups."""

from billing.api.payment_serializers import AutoTopUpSerializer, TopUpSerializer
from bubblyphone.core.schema import Operation
from bubblyphone.core.shapes import data_of, flag, moment, nullable, number, page_of, record, shape, text, whole

_NOT_NOW = "Stripe refused, could not be reached, or is not set up."
AUTO_TOP_UP = shape(
    "AutoTopUp",
    {
        "enabled": flag("Switched off by itself when the card cannot be charged.", example=True),
        "threshold": nullable(number(5, "The balance below which the card is charged.")),
        "amount": nullable(number(25, "What it is charged.")),
        "has_payment_method": flag("Whether there is a saved card. Without one nothing is charged.", example=True),
    },
)
PAYMENT_METHOD = shape(
    "PaymentMethod",
    {
        "id": whole(1),
        "brand": text("visa", "Or the kind of what is no card."),
        "last_four": text("4242"),
        "expires": nullable(text("2031-03", "The last month in which it holds.")),
        "is_default": flag("The one that automatic top-ups charge.", example=True),
        "created_at": moment(),
    },
)
OPERATIONS = {
    "POST /billing/top-up": Operation(
        "Top up your balance",
        "Gives the address of a Stripe Checkout page. The credit is there when Stripe has reported the payment. On a demo server "
        "without Stripe the page gives test credit instead, and says so.",
        answer=record({"checkout_url": text("https://checkout.stripe.com/c/pay/cs_test_a1b2c3", format="uri")}),
        status=201,
        body=TopUpSerializer,
        example={"amount": 20},
        errors={502: _NOT_NOW},
    ),
    "GET /billing/auto-topup": Operation("Show automatic top-ups", answer=data_of(AUTO_TOP_UP)),
    "PUT /billing/auto-topup": Operation(
        "Change automatic top-ups",
        "When the balance falls below the threshold, the saved card is charged, once for each time it does so. If that "
        "fails, automatic top-ups are switched off, and you are told by e-mail and `billing.auto_topup.failed`.",
        answer=data_of(AUTO_TOP_UP),
        body=AutoTopUpSerializer,
        example={"enabled": True, "threshold": 5, "amount": 25},
    ),
    "GET /billing/payment-methods": Operation(
        "List payment methods", "The cards that Stripe keeps for automatic top-ups.", answer=page_of(PAYMENT_METHOD)
    ),
    "DELETE /billing/payment-methods/{id}": Operation(
        "Remove a payment method",
        "Stripe forgets it, too. Without one, automatic top-ups are switched off.",
        status=204,
        errors={502: _NOT_NOW},
    ),
    "POST /billing/payment-methods/{id}/default": Operation(
        "Choose a payment method", "Automatic top-ups charge it from now on.", answer=data_of(PAYMENT_METHOD)
    ),
}
FIELDS = {
    "TopUpSerializer.amount": "US dollars.",
    "TopUpSerializer.save_payment_method": "Keep the card for automatic top-ups; true unless said.",
    "AutoTopUpSerializer.enabled": "Whether the card is charged by itself. To switch it on, both amounts must be known.",
    "AutoTopUpSerializer.threshold": "The balance in US dollars below which it is charged. Left out, it stays as it is.",
    "AutoTopUpSerializer.amount": "US dollars. Left out, it stays as it is.",
}
