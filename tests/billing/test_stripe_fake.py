"""The fake Stripe, checked with Stripe's own SDK: what it parses, raises and verifies."""

from collections.abc import Iterator

import pytest
import stripe as sdk

from tests.fakes.stripe_objects import ASKS_FOR_AUTHENTICATION, DECLINES_LATER, GOOD, NO_FUNDS
from tests.fakes.stripe_server import KEY, SECRET, FakeStripe, signed


@pytest.fixture
def fake() -> Iterator[FakeStripe]:
    with FakeStripe() as running:
        yield running


@pytest.fixture
def client(fake: FakeStripe) -> sdk.StripeClient:
    return sdk.StripeClient(KEY, base_addresses={"api": fake.url}, max_network_retries=0)


def open_session(client: sdk.StripeClient, customer: str, key: str = "one", amount: int = 2000) -> sdk.checkout.Session:
    return client.v1.checkout.sessions.create(
        {
            "mode": "payment",
            "customer": customer,
            "line_items": [
                {"quantity": 1, "price_data": {"currency": "usd", "unit_amount": amount, "product_data": {"name": "Credit"}}}
            ],
            "payment_intent_data": {"setup_future_usage": "off_session", "metadata": {"payment": "17"}},
            "metadata": {"payment": "17"},
            "success_url": "http://localhost/ok",
        },
        {"idempotency_key": key},
    )  # fmt: skip


def test_a_checkout_is_paid_and_its_card_saved(fake: FakeStripe, client: sdk.StripeClient) -> None:
    customer = client.v1.customers.create({"email": "jane@example.test", "metadata": {"developer": "7"}})
    session = open_session(client, customer.id)
    assert (session.status, session.payment_status, session.amount_total) == ("open", "unpaid", 2000)
    fake.account.pay_session(session.id, "5555555555554444")
    paid = client.v1.checkout.sessions.retrieve(session.id)
    assert (paid.status, paid.payment_status) == ("complete", "paid")
    assert isinstance(paid.payment_intent, str)
    intent = client.v1.payment_intents.retrieve(paid.payment_intent, {"expand": ["payment_method"]})
    assert isinstance(intent.payment_method, sdk.PaymentMethod)
    assert intent.payment_method.card is not None
    assert (intent.status, intent.amount_received, intent.payment_method.card.last4) == ("succeeded", 2000, "4444")
    assert dict(intent.metadata.to_dict()) == {"payment": "17"}
    methods = client.v1.customers.payment_methods.list(customer.id)
    assert [method.id for method in methods.auto_paging_iter()] == [intent.payment_method.id]
    client.v1.payment_methods.detach(intent.payment_method.id)
    assert client.v1.customers.payment_methods.list(customer.id).data == []
    with pytest.raises(sdk.InvalidRequestError, match="not attached"):
        client.v1.payment_methods.detach(intent.payment_method.id)


def charge(client: sdk.StripeClient, fake: FakeStripe, number: str) -> sdk.PaymentIntent:
    customer = client.v1.customers.create({})
    method = fake.account.add_card(number, customer.id)
    return client.v1.payment_intents.create(
        {
            "amount": 2500, "currency": "usd", "customer": customer.id, "payment_method": method["id"],
            "off_session": True, "confirm": True,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("number", "code", "decline"),
    [
        (DECLINES_LATER, "card_declined", "generic_decline"),
        (NO_FUNDS, "card_declined", "insufficient_funds"),
        (ASKS_FOR_AUTHENTICATION, "authentication_required", "authentication_required"),
    ],
)
def test_cards_that_cannot_be_charged_off_session(
    fake: FakeStripe, client: sdk.StripeClient, number: str, code: str, decline: str
) -> None:
    with pytest.raises(sdk.CardError) as raised:
        charge(client, fake, number)
    assert raised.value.code == code
    assert raised.value.error is not None
    assert raised.value.error.decline_code == decline
    assert [event["type"] for event in fake.account.events] == ["payment_intent.payment_failed"]


def test_idempotency_keys(fake: FakeStripe, client: sdk.StripeClient) -> None:
    customer = client.v1.customers.create({}, {"idempotency_key": "c"})
    assert client.v1.customers.create({}, {"idempotency_key": "c"}).id == customer.id
    first, again = open_session(client, customer.id), open_session(client, customer.id)
    assert first.id == again.id
    assert again.last_response is not None
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    with pytest.raises(sdk.IdempotencyError):
        open_session(client, customer.id, amount=3000)
    assert open_session(client, customer.id, key="two").id != first.id


def test_refunds_and_disputes_send_events(fake: FakeStripe, client: sdk.StripeClient) -> None:
    intent = charge(client, fake, GOOD)
    refund = client.v1.refunds.create({"payment_intent": intent.id, "amount": 1000})
    assert (refund.status, refund.amount) == ("succeeded", 1000)
    with pytest.raises(sdk.InvalidRequestError):
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 1501})
    dispute = fake.account.dispute(intent.id)
    fake.account.close_dispute(dispute["id"], "won")
    event_types = [event.type for event in client.v1.events.list().auto_paging_iter()]
    assert event_types == [
        "charge.dispute.closed", "charge.dispute.created", "charge.refunded", "refund.created",
        "payment_intent.succeeded", "charge.succeeded",
    ]  # fmt: skip


def test_refusals(fake: FakeStripe, client: sdk.StripeClient) -> None:
    with pytest.raises(sdk.InvalidRequestError) as raised:
        open_session(client, "cus_unknown")
    assert (raised.value.code, raised.value.param) == ("resource_missing", "customer")
    with pytest.raises(sdk.AuthenticationError):
        sdk.StripeClient("sk_test_wrong", base_addresses={"api": fake.url}).v1.customers.create({})


def test_its_signatures_are_valid(fake: FakeStripe, client: sdk.StripeClient) -> None:
    charge(client, fake, GOOD)
    body, headers = signed(fake.account.events[-1])
    event = client.construct_event(body, headers["Stripe-Signature"], SECRET)
    assert event.type == "payment_intent.succeeded"
    with pytest.raises(sdk.SignatureVerificationError):
        client.construct_event(body.replace("2500", "9900"), headers["Stripe-Signature"], SECRET)
    body, headers = signed(fake.account.events[-1], at=1_700_000_000)
    with pytest.raises(sdk.SignatureVerificationError):
        client.construct_event(body, headers["Stripe-Signature"], SECRET)
