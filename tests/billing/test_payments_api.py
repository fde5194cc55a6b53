"""The POST /billing/top-up and GET and PUT /billing/auto-topup APIs: documented shapes and refusals."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.models import Developer
from billing import ledger
from billing.models import Card, Payment
from tests.billing.payments import deliver_all, save_card
from tests.factories import make_developer
from tests.fakes.stripe_objects import GOOD
from tests.fakes.stripe_server import FakeStripe
from tests.jobs import run_jobs

TOP_UP, AUTO, METHODS = (f"/api/v1/billing/{name}" for name in ("top-up", "auto-topup", "payment-methods"))


@pytest.fixture
def developer(db: None) -> Developer:
    return make_developer()


@pytest.fixture
def api(developer: Developer, empty_redis: object) -> APIClient:
    client = APIClient()
    client.force_authenticate(developer)
    return client


@pytest.mark.parametrize("amount", [5, 10, 20.0, 50, 100])
def test_top_up(api: APIClient, client: Client, developer: Developer, stripe: FakeStripe, amount: float) -> None:
    answer = api.post(TOP_UP, {"amount": amount}, format="json")
    assert answer.status_code == 201
    (session,) = stripe.account.of_kind("checkout.session")
    assert answer.json() == {"checkout_url": session["url"]}
    stripe.account.pay_session(session["id"])
    deliver_all(client, stripe.account.events)
    run_jobs()
    assert ledger.balance(developer.pk) == amount
    transactions = api.get("/api/v1/billing/transactions").json()["data"]
    assert [(row["type"], row["kind"], row["amount"], row["description"]) for row in transactions] == [
        ("credit", "top_up", f"{amount:.2f}", "Balance top-up")
    ]
    assert api.get(AUTO).json()["data"]["has_payment_method"] is True


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "amount"),
        ({"amount": 7}, "amount"),
        ({"amount": "20"}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": None}, "amount"),
        ({"amount": 20, "save_payment_method": "yes"}, "save_payment_method"),
        ({"amount": 20, "currency": "EUR"}, "currency"),
    ],
)
def test_invalid_top_ups_are_refused(api: APIClient, stripe: FakeStripe, body: dict[str, Any], field: str) -> None:
    answer = api.post(TOP_UP, body, format="json")
    assert answer.status_code == 422
    assert list(answer.json()["errors"]) == [field]
    assert (stripe.requests, Payment.objects.count()) == ([], 0)


def test_a_repeated_request_creates_one_payment(api: APIClient, stripe: FakeStripe, developer: Developer) -> None:
    from tests.factories import bearer

    client, headers = Client(), {**bearer(developer), "Idempotency-Key": "one"}
    answers = [client.post(TOP_UP, {"amount": 20}, content_type="application/json", headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1]["Idempotency-Replayed"] == "true"
    assert Payment.objects.count() == 1


def test_stripe_is_unreachable_or_not_configured(api: APIClient, stripe: FakeStripe, settings: Any) -> None:
    settings.STRIPE = {**settings.STRIPE, "secret_key": "sk_test_wrong"}
    assert api.post(TOP_UP, {"amount": 20}, format="json").status_code == 502
    settings.STRIPE, settings.DEMO = {**settings.STRIPE, "secret_key": ""}, False
    assert api.post(TOP_UP, {"amount": 20}, format="json").status_code == 502


def test_auto_topup_has_its_documented_shape(api: APIClient, stripe: FakeStripe) -> None:
    nothing = {"enabled": False, "threshold": None, "amount": None, "has_payment_method": False}
    assert api.get(AUTO).json() == {"data": nothing}
    answer = api.put(AUTO, {"enabled": True, "threshold": 5, "amount": 25}, format="json")
    assert answer.status_code == 200
    expected = {"enabled": True, "threshold": 5, "amount": 25, "has_payment_method": False}
    assert answer.json() == api.get(AUTO).json() == {"data": expected}
    assert api.put(AUTO, {"enabled": False}, format="json").json() == {"data": {**expected, "enabled": False}}
    assert api.put(AUTO, {"enabled": True, "threshold": 2.5}, format="json").json()["data"]["threshold"] == 2.5
    assert api.put(AUTO, {**expected, "has_payment_method": True}, format="json").status_code == 422


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"threshold": 5, "amount": 25}, ["enabled"]),
        ({"enabled": "true", "threshold": 5, "amount": 25}, ["enabled"]),
        ({"enabled": True}, ["amount", "threshold"]),
        ({"enabled": True, "threshold": 5, "amount": None}, ["amount"]),
        ({"enabled": True, "threshold": 0.99, "amount": 25}, ["threshold"]),
        ({"enabled": True, "threshold": 100.01, "amount": 25}, ["threshold"]),
        ({"enabled": True, "threshold": "5", "amount": 25}, ["threshold"]),
        ({"enabled": True, "threshold": 5, "amount": 20}, ["amount"]),
    ],
)
def test_invalid_auto_topup_is_refused(
    api: APIClient, stripe: FakeStripe, body: dict[str, Any], fields: list[str]
) -> None:
    answer = api.put(AUTO, body, format="json")
    assert answer.status_code == 422
    assert sorted(answer.json()["errors"]) == fields
    assert api.get(AUTO).json()["data"]["enabled"] is False


def test_payment_methods(api: APIClient, developer: Developer, stripe: FakeStripe) -> None:
    theirs = save_card(stripe, make_developer())
    first = save_card(stripe, developer)
    second = Card.objects.create(developer=developer, stripe_id=stripe.account.add_card(GOOD)["id"], brand="link")
    listed = api.get(METHODS).json()["data"]
    assert [(row["id"], row["brand"], row["last_four"], row["expires"], row["is_default"]) for row in listed] == [
        (second.pk, "link", "", None, False),
        (first.pk, "visa", "4242", None, True),
    ]
    assert api.post(f"{METHODS}/{second.pk}/default", {}, format="json").json()["data"]["is_default"] is True
    assert [row["is_default"] for row in api.get(METHODS).json()["data"]] == [True, False]
    assert api.delete(f"{METHODS}/{first.pk}").status_code == 204
    assert stripe.account.objects[first.stripe_id]["customer"] is None
    for request in (api.delete(f"{METHODS}/{theirs.pk}"), api.post(f"{METHODS}/{theirs.pk}/default")):
        assert request.status_code == 404
    assert set(Card.objects.values_list("pk", flat=True)) == {second.pk, theirs.pk}
