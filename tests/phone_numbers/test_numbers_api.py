"""Searching, buying, listing and releasing numbers through the API, tested with the built-in exchange."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from accounts.models import Developer
from agents.models import AgentVersion, ModelKey
from billing import ledger
from billing.models import LedgerEntry
from calls.models import Call
from phone_numbers.models import NumberPurchase, PhoneNumber
from tests.factories import make_agent, make_developer, make_phone_number
from tests.fakes.exchange_thread import ExchangeThread
from webhooks.sending.signing import signing_keys

pytestmark = pytest.mark.django_db
AVAILABLE = "/api/v1/phone-numbers/available"
NUMBERS = "/api/v1/phone-numbers"
NUMBER = "+14155550100"


@pytest.fixture
def developer() -> Developer:
    developer = make_developer()
    ledger.test_credit(developer_id=developer.pk, amount=Decimal(25), key="credit")
    return developer


@pytest.fixture
def client(developer: Developer, empty_redis: object) -> APIClient:
    client = APIClient()
    client.force_authenticate(developer)
    return client


def buy(client: APIClient, **body: Any) -> Any:
    return client.post(NUMBERS, {"phone_number": NUMBER, **body}, format="json")


def refuse(response: Any, status: int, developer: Developer, balance: str = "25") -> Any:
    """Check that a request was refused and nothing changed."""
    assert response.status_code == status, response.content
    assert ledger.balance(developer.pk) == Decimal(balance)
    assert not PhoneNumber.objects.filter(developer=developer).exists()
    return response.json()


# --- search -----------------------------------------------------------------------------------------------------------
def test_search_has_the_documented_shape(client: APIClient, exchange: ExchangeThread) -> None:
    answer = client.get(AVAILABLE, {"country": "us", "area_code": "415"}).json()
    assert answer["data"][0] == {
        "phone_number": "+14155550100",
        "phone_number_type": "local",
        "features": [{"name": "voice"}, {"name": "sms"}, {"name": "mms"}, {"name": "fax"}],
        "cost_information": {"upfront_cost": "1.00000", "monthly_cost": "1.00000", "currency": "USD"},
        "region_information": [
            {"region_type": "rate_center", "region_name": "SAN FRANCISCO"},
            {"region_type": "state", "region_name": "CA"},
            {"region_type": "country_code", "region_name": "US"},
        ],
    }
    assert answer["pricing"] == {"setup_cost": "3.00", "monthly_cost": "3.00", "currency": "USD"}
    assert len(answer["data"]) == 50


@pytest.mark.parametrize(
    ("query", "start", "kind", "monthly"),
    [
        ({"limit": 1}, "+1", "local", "3.00"),
        ({"country": "GB", "number_type": "mobile"}, "+447", "mobile", "6.00"),
        ({"country": "US", "number_type": "toll_free"}, "+18", "toll_free", "4.00"),
        ({"country": "GB", "locality": "London"}, "+4420", "local", "3.00"),
        ({"contains": "0142", "area_code": "202"}, "+12025550142", "local", "3.00"),
    ],
)
def test_filters(
    client: APIClient, exchange: ExchangeThread, query: dict[str, str], start: str, kind: str, monthly: str
) -> None:
    answer = client.get(AVAILABLE, query).json()
    assert answer["data"]
    assert all(row["phone_number"].startswith(start) and row["phone_number_type"] == kind for row in answer["data"])
    assert answer["pricing"]["monthly_cost"] == monthly


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"country": "USA"}, "country"),
        ({"country": "ZZ"}, "country"),
        ({"country": "US", "number_type": "mobile"}, "number_type"),
        ({"number_type": "landline"}, "number_type"),
        ({"area_code": "4a5"}, "area_code"),
        ({"contains": "CALL"}, "contains"),
        ({"limit": "0"}, "limit"),
        ({"limit": "51"}, "limit"),
        ({"limit": "many"}, "limit"),
    ],
)
def test_invalid_searches_are_refused(client: APIClient, query: dict[str, str], field: str) -> None:
    response = client.get(AVAILABLE, query)
    assert response.status_code == 422
    assert set(response.json()["errors"]) == {field}


@pytest.mark.parametrize("fault", [500, 401, "garbage", "drop"])
def test_search_while_the_carrier_is_down(client: APIClient, exchange: ExchangeThread, fault: Any) -> None:
    exchange.exchange.faults.rest["available_phone_numbers"] = fault
    response = client.get(AVAILABLE)
    assert response.status_code == 502
    assert response.json()["message"].startswith("The carrier could not search for numbers")


def test_prices(client: APIClient) -> None:
    everything = client.get("/api/v1/number-pricing").json()["data"]
    row = {
        "country_code": "US",
        "number_type": "local",
        "setup_cost": "3.00",
        "monthly_cost": "3.00",
        "currency": "USD",
    }
    assert row in everything
    british = client.get("/api/v1/number-pricing?country=gb").json()["data"]
    assert [(price["country_code"], price["number_type"]) for price in british] == [
        ("GB", "local"), ("GB", "mobile"), ("GB", "national"), ("GB", "toll_free"),
    ]  # fmt: skip
    mobile = client.get("/api/v1/number-pricing?country=GB&number_type=mobile").json()["data"]
    assert [(price["setup_cost"], price["monthly_cost"]) for price in mobile] == [("6.00", "6.00")]
    assert client.get("/api/v1/number-pricing?number_type=x").status_code == 422


# --- purchase ---------------------------------------------------------------------------------------------------------
def test_a_purchase(client: APIClient, developer: Developer, exchange: ExchangeThread) -> None:
    response = buy(client, webhook_url="https://203.0.113.7/hook", label="Support")
    assert response.status_code == 201, response.content
    data = response.json()["data"]
    number = PhoneNumber.objects.get()
    secret = data.pop("webhook_secret")
    assert secret.startswith("whsec_")
    assert signing_keys(number.signing_secret).current == secret
    assert data["id"] == number.pk
    assert {
        name: data[name] for name in ("phone_number", "label", "webhook_url", "status", "monthly_cost", "mode")
    } == {
        "phone_number": NUMBER,
        "label": "Support",
        "webhook_url": "https://203.0.113.7/hook",
        "status": "active",
        "monthly_cost": "3.00",
        "mode": "webhook",
    }
    assert ledger.balance(developer.pk) == 19
    purchase = NumberPurchase.objects.get()
    assert (purchase.status, purchase.phone_number) == ("bought", number)
    bought_on = f"{number.created_at:%Y-%m-%d}"
    entries = LedgerEntry.objects.exclude(kind="test_credit").order_by("pk")
    assert list(entries.values_list("key", "kind", "amount", "description")) == [
        (f"number:{number.pk}:setup", "number_setup", -3, f"Number {NUMBER}, setup fee"),
        (f"number:{number.pk}:{bought_on[:7]}", "number_month", -3, f"Number {NUMBER}, month from {bought_on}"),
    ]
    owned = exchange.exchange.state.phone_numbers[NUMBER]
    assert (owned["id"], owned["connection_id"]) == (number.carrier_ref, exchange.exchange.connection_id)
    assert client.get(f"{NUMBERS}/{number.pk}").json()["data"] == data
    del data["config"]
    assert client.get(NUMBERS).json()["data"] == [data]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"phone_number": "4155550100"}, "phone_number"),
        ({"phone_number": "+1415"}, "phone_number"),
        ({"phone_number": 14155550100}, "phone_number"),
        ({"phone_number": None}, "phone_number"),
        ({"country_code": "USA"}, "country_code"),
        ({"country_code": "GB"}, "country_code"),
        ({"number_type": "landline"}, "number_type"),
        ({"number_type": "national"}, "number_type"),
        ({"webhook_url": "ftp://203.0.113.7/"}, "webhook_url"),
        ({"label": "x" * 101}, "label"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_invalid_purchases_are_refused(
    client: APIClient, developer: Developer, exchange: ExchangeThread, body: dict[str, Any], field: str
) -> None:
    answer = refuse(buy(client, **body), 422, developer)
    assert field in answer["errors"]


def test_a_purchase_without_enough_balance(client: APIClient, developer: Developer, exchange: ExchangeThread) -> None:
    ledger.post_entry(developer_id=developer.pk, key="x", kind="adjustment", amount=Decimal("-19.01"), description="x")
    refuse(buy(client), 402, developer, "5.99")
    assert not NumberPurchase.objects.exists()


def test_the_accrued_cost_of_running_calls_is_not_available(
    client: APIClient, developer: Developer, exchange: ExchangeThread
) -> None:
    call = Call.objects.create(
        developer=developer,
        direction="inbound",
        mode="streaming",
        status="answered",
        answered_at=timezone.now() - timedelta(minutes=9, seconds=30),
        telephony_rate=Decimal(1),
        model_rate=Decimal(1),
        config={"max_call_duration": {"value": 3600, "source": "number"}},
    )
    # Ten minutes are held, so 20 of the 25 are unavailable.
    answer = refuse(buy(client), 402, developer)
    assert answer == {
        "message": "Your balance is too low: $5.00 available, $6.00 required. Add credit and try again.",
        "reason": "insufficient_balance",
    }
    Call.objects.filter(pk=call.pk).update(answered_at=timezone.now() - timedelta(minutes=8, seconds=30))
    assert buy(client).status_code == 201


def test_a_balance_of_exactly_six_dollars_is_enough(
    client: APIClient, developer: Developer, exchange: ExchangeThread
) -> None:
    ledger.post_entry(developer_id=developer.pk, key="x", kind="adjustment", amount=Decimal(-19), description="x")
    assert buy(client).status_code == 201
    assert ledger.balance(developer.pk) == 0


def test_a_country_that_requires_documents(client: APIClient, developer: Developer, exchange: ExchangeThread) -> None:
    answer = refuse(buy(client, phone_number="+442079460000", country_code="GB"), 403, developer)
    assert "require verification" in answer["message"]


@pytest.mark.parametrize("body", [{"phone_number": "+14155559999"}, {"phone_number": "+18335550100"}])
def test_a_number_that_is_not_offered(
    client: APIClient, developer: Developer, exchange: ExchangeThread, body: dict[str, str]
) -> None:
    refuse(buy(client, **body), 409, developer)


def test_another_account_s_number(client: APIClient, developer: Developer, exchange: ExchangeThread) -> None:
    make_phone_number(e164=NUMBER)
    refuse(buy(client), 409, developer)


@pytest.mark.parametrize("fault", [422, 500, "garbage", "drop"])
def test_the_carrier_refuses_the_order(
    client: APIClient, developer: Developer, exchange: ExchangeThread, fault: Any
) -> None:
    client.get(AVAILABLE)
    exchange.exchange.faults.rest["number_orders"] = fault
    response = buy(client)
    assert response.status_code == 502
    assert not PhoneNumber.objects.exists()
    # An explicit refusal ends the purchase. After any other error, the outcome is unknown.
    is_plain = fault == 422
    assert NumberPurchase.objects.get().status == ("refused" if is_plain else "pending")
    assert ledger.balance_summary(developer.pk) == ledger.BalanceSummary(
        balance=Decimal(25), held=Decimal(0 if is_plain else 6)
    )


def test_the_carrier_is_unreachable(client: APIClient, developer: Developer, exchange: ExchangeThread) -> None:
    exchange.run(exchange.exchange.stop())
    refuse(buy(client), 502, developer)


# --- list, get, release -----------------------------------------------------------------------------------------------
def test_numbers_of_other_accounts_are_not_found(client: APIClient, developer: Developer) -> None:
    other = make_phone_number()
    released = make_phone_number(developer=developer, status="released")
    assert client.get(NUMBERS).json()["data"] == []
    for path in (f"{NUMBERS}/{other.pk}", f"{NUMBERS}/{released.pk}", f"{NUMBERS}/999999999", f"{NUMBERS}/{10**25}"):
        for method in (client.get, client.delete, client.patch):
            response = method(path)
            assert (response.status_code, response.json()["message"]) == (404, "Not found.")
    other.refresh_from_db()
    assert other.status == "active"


def test_the_list_has_pages(client: APIClient, developer: Developer) -> None:
    ids = [make_phone_number(developer=developer).pk for _ in range(3)]
    first = client.get(f"{NUMBERS}?per_page=2").json()
    second = client.get(first["links"]["next"]).json()
    assert [row["id"] for row in first["data"] + second["data"]] == ids[::-1]


def test_release(client: APIClient, developer: Developer, exchange: ExchangeThread) -> None:
    bought = buy(client).json()["data"]
    key = ModelKey.objects.create(developer=developer, provider="openai", encrypted="x", last_four="1234")
    agent = make_agent(developer=developer)
    version = AgentVersion.objects.create(agent=agent, number=7, values={})
    PhoneNumber.objects.update(agent=agent, agent_version=version, model_key=key)
    response = client.delete(f"{NUMBERS}/{bought['id']}")
    assert (response.status_code, response.content) == (204, b"")
    assert NUMBER not in exchange.exchange.state.phone_numbers
    assert client.get(f"{NUMBERS}/{bought['id']}").status_code == 404
    assert client.delete(f"{NUMBERS}/{bought['id']}").status_code == 404
    number = PhoneNumber.objects.get()
    assert number.status == "released"
    assert number.released_at is not None
    # The objects that it used can be deleted.
    assert (number.agent, number.agent_version, number.model_key) == (None, None, None)
    again = buy(client)
    assert again.status_code == 201
    assert again.json()["data"]["id"] != bought["id"]
    assert ledger.balance(developer.pk) == 13


def test_releasing_a_number_that_the_carrier_no_longer_has(
    client: APIClient, developer: Developer, exchange: ExchangeThread
) -> None:
    bought = buy(client).json()["data"]
    exchange.exchange.state.phone_numbers.clear()
    assert client.delete(f"{NUMBERS}/{bought['id']}").status_code == 204


def test_a_number_cannot_be_released_during_a_call(
    client: APIClient, developer: Developer, exchange: ExchangeThread
) -> None:
    number_id = buy(client).json()["data"]["id"]
    call = Call.objects.create(
        developer=developer, phone_number_id=number_id, direction="inbound", mode="streaming", status="answered"
    )
    response = client.delete(f"{NUMBERS}/{number_id}")
    assert (response.status_code, PhoneNumber.objects.get().status) == (409, "active")
    Call.objects.filter(pk=call.pk).update(status="completed", ended_at=timezone.now())
    assert client.delete(f"{NUMBERS}/{number_id}").status_code == 204


def test_a_number_cannot_be_released_while_the_carrier_is_down(
    client: APIClient, developer: Developer, exchange: ExchangeThread
) -> None:
    number_id = buy(client).json()["data"]["id"]
    exchange.exchange.faults.rest[PhoneNumber.objects.get().carrier_ref] = 500
    response = client.delete(f"{NUMBERS}/{number_id}")
    assert (response.status_code, PhoneNumber.objects.get().status) == (502, "active")
    assert NUMBER in exchange.exchange.state.phone_numbers


def test_requests_without_credentials_are_refused(empty_redis: object) -> None:
    for path in (NUMBERS, AVAILABLE, f"{NUMBERS}/1", "/api/v1/number-pricing"):
        response = APIClient().get(path)
        assert (response.status_code, response.json()) == (401, {"message": "Unauthenticated."})
