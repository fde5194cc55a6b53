"""New credentials for developers' own carrier accounts, and what prevents deleting an account."""

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Developer
from bubblyphone.core.money import ZERO
from calls.models import Call
from phone_numbers import carrier_accounts
from phone_numbers.account_deletion import release_numbers
from phone_numbers.carriers.telnyx import TelnyxCarrier
from phone_numbers.models import CarrierAccount, NumberPurchase, PhoneNumber
from tests.factories import bearer, make_carrier_account, make_developer
from tests.fakes.exchange_thread import ExchangeThread
from tests.phone_numbers.own_accounts import ACCOUNTS, IMPORT, NUMBER, add, imported, own_elsewhere, report

pytestmark = pytest.mark.django_db


@pytest.fixture
def client(developer: Developer, empty_redis: object) -> APIClient:
    client = APIClient()
    client.force_authenticate(developer)
    return client


def test_new_credentials_replace_the_old_ones_once_the_carrier_accepts_them(
    client: APIClient, exchange: ExchangeThread, developer: Developer
) -> None:
    account_id = add(client, exchange).json()["data"]["id"]
    number = imported(developer, account_id)
    path, before = f"{ACCOUNTS}/{account_id}", CarrierAccount.objects.get()
    assert report(account_id, "v3:one") == 200
    for credentials, status in (
        ({"api_key": "KEYwrong"}, 422), ({"api_key": ""}, 422), ({"colour": "red"}, 422), ({"connection_id": "7"}, 422), ({}, 422),
    ):  # fmt: skip
        refused = client.patch(path, {"credentials": credentials, "label": "New"}, format="json")
        assert (refused.status_code, list(refused.json()["errors"])) == (status, ["credentials"]), refused.content
    exchange.exchange.faults.rest["call_control_applications"] = 503
    assert client.patch(path, {"credentials": {"connection_id": ""}}, format="json").status_code == 502
    exchange.exchange.faults.rest.clear()
    account = CarrierAccount.objects.get()
    assert (account.encrypted, account.label) == (before.encrypted, "Ours")

    # The hourly check started with the old key, which is now refused, and its result arrives late.
    exchange.exchange.api_key = "KEYrotated"
    new_key = Ed25519PrivateKey.generate()
    public_key = base64.b64encode(new_key.public_key().public_bytes_raw()).decode()
    changed = client.patch(
        path, {"credentials": {"api_key": "KEYrotated", "public_key": public_key}, "label": "New"}, format="json"
    )
    assert changed.status_code == 200, changed.content
    data = changed.json()["data"]
    assert (data["last_four"], data["label"], data["status"]) == ("ated", "New", "active")
    carrier_accounts.check_account(account)
    assert client.get(path).json()["data"]["status"] == "active"
    # Every process uses the new credentials for commands and reports immediately, because they are read from the row.
    assert (report(account_id, "v3:two"), report(account_id, "v3:two", key=new_key)) == (400, 200)
    Call.objects.update(ended_at=timezone.now())
    own_elsewhere(exchange)
    PhoneNumber.objects.update(carrier_ref=exchange.exchange.state.phone_numbers[NUMBER]["id"])
    assert client.delete(f"/api/v1/phone-numbers/{number.pk}").status_code == 204


def test_a_twilio_account_cannot_be_exchanged_for_another_one(client: APIClient, developer: Developer) -> None:
    account = make_carrier_account(developer, account_sid=f"AC{'1' * 32}", auth_token="t")
    CarrierAccount.objects.update(provider="twilio")
    body = {"credentials": {"account_sid": f"AC{'2' * 32}", "auth_token": "t"}}
    refused = client.patch(f"{ACCOUNTS}/{account.pk}", body, format="json")
    assert refused.status_code == 422
    assert refused.json()["errors"]["credentials"] == [
        "account_sid cannot change. Add another carrier account instead."
    ]
    stranger = APIClient(headers=bearer(make_developer(email="other@example.com"), is_admin=True))
    assert stranger.patch(f"{ACCOUNTS}/{account.pk}", body, format="json").status_code == 404
    ordinary = APIClient(headers=bearer(developer))
    assert ordinary.patch(f"{ACCOUNTS}/{account.pk}", body, format="json").status_code == 403
    assert CarrierAccount.objects.get().encrypted == account.encrypted


def test_failing_credentials_prevent_a_release_but_not_an_account_deletion(
    client: APIClient, exchange: ExchangeThread, developer: Developer
) -> None:
    account_id = add(client, exchange).json()["data"]["id"]
    number = imported(developer, account_id, carrier_ref="1")
    exchange.exchange.api_key = "another"
    refused = client.delete(f"/api/v1/phone-numbers/{number.pk}")
    assert (refused.status_code, "Replace them" in refused.json()["message"]) == (502, True)
    number.refresh_from_db()
    assert number.status == "active"
    release_numbers(developer.pk)
    number.refresh_from_db()
    assert number.status == "released"


def test_deleting_an_account_during_an_import_leaves_no_number(
    client: APIClient, exchange: ExchangeThread, developer: Developer, monkeypatch: pytest.MonkeyPatch
) -> None:
    account_id = add(client, exchange).json()["data"]["id"]
    record = own_elsewhere(exchange)
    routing_of = TelnyxCarrier.routing_of

    def delete_meanwhile(carrier: TelnyxCarrier, *, carrier_ref: str) -> str:
        assert client.delete(f"{ACCOUNTS}/{account_id}").status_code == 204
        return routing_of(carrier, carrier_ref=carrier_ref)

    monkeypatch.setattr(TelnyxCarrier, "routing_of", delete_meanwhile)
    body = {"phone_number": NUMBER, "carrier_account_id": account_id}
    assert client.post(IMPORT, body, format="json").status_code == 404
    assert (PhoneNumber.objects.count(), record["connection_id"]) == (0, "elsewhere")


def test_an_account_with_a_pending_purchase_cannot_be_deleted(
    client: APIClient, exchange: ExchangeThread, developer: Developer
) -> None:
    account_id = add(client, exchange).json()["data"]["id"]
    NumberPurchase.objects.create(
        developer=developer, carrier=f"telnyx:{account_id}", e164=NUMBER, country_code="US", number_type="local",
        setup_cost=ZERO, monthly_cost=ZERO,
    )  # fmt: skip
    assert client.delete(f"{ACCOUNTS}/{account_id}").status_code == 409
