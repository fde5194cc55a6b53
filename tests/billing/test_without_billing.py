"""BILLING=off: costs are recorded, nothing is charged, and everything that moves money is turned off."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, reverse
from django.utils import timezone
from pypdf import PdfReader

from billing import ledger, ledger_verification
from billing.models import LedgerEntry, MeteredCost
from bubblyphone.core.api import openapi
from calls.charging import admission
from calls.clock import metering
from calls.control import lifecycle
from calls.models import Call
from phone_numbers.carriers.carrier_events import CarrierEvent, CarrierEventType
from phone_numbers.charging import purchases, renewals
from phone_numbers.models import NumberPrice
from tests.billing.conftest import stripe
from tests.calls.conftest import recordings_folder
from tests.calls.rows import KNOWN, describe_call, make_account, make_call, make_streaming_number
from tests.described import check_against
from tests.factories import bearer, make_developer
from tests.fakes.exchange_thread import ExchangeThread
from tests.fakes.recording_server import RecordingServer
from tests.fakes.stripe_server import FakeStripe
from tests.pages.signed_in import assert_valid_page, signed_in_client
from tests.pages.world import World as PageWorld
from tests.pages.world import patterns
from tests.phone_numbers.conftest import configure_carrier, documents, exchange
from tests.schema.conftest import World, world
from tests.schema.test_document import routes
from tests.schema.test_examples import path_of
from tests.staff.sign_in import make_staff, staff_client
from webhooks.models import WebhookDelivery

__all__ = ["configure_carrier", "documents", "exchange", "recordings_folder", "stripe", "world"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("without_billing", "empty_redis")]
BEGIN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OFF = {"message": "Billing is off on this installation."}
CLOSED = {
    "POST /billing/top-up",
    "GET /billing/auto-topup",
    "PUT /billing/auto-topup",
    "GET /billing/payment-methods",
    "DELETE /billing/payment-methods/{id}",
    "POST /billing/payment-methods/{id}/default",
}
CLOSED_PAGES = {
    "billing", "top-up", "to-checkout", "test-top-up", "auto-top-up", "choose-card", "remove-card", "payments", "receipt",
}  # fmt: skip


def hang_up(call: Call, seconds: float) -> None:
    event = CarrierEvent(
        type=CarrierEventType.ENDED,
        event_id=f"end:{call.pk}",
        carrier=call.carrier,
        carrier_call_id=call.carrier_call_id or "",
        occurred_at=BEGIN + timedelta(seconds=seconds),
        cause="normal_clearing",
    )
    with transaction.atomic():
        lifecycle.apply_carrier_event(event)
    call.refresh_from_db()


# --- calls and numbers ------------------------------------------------------------------------------------------------
def test_a_call_without_balance_ends_with_costs_but_no_ledger_entries() -> None:
    number = make_streaming_number(make_account("0"))
    with transaction.atomic():
        admission.admit(describe_call(number, BEGIN))
    call = make_call(number, BEGIN)
    metering.meter_once(BEGIN + timedelta(seconds=90))
    call.refresh_from_db()
    assert call.end_requested_at is None
    hang_up(call, 95)
    assert (call.telephony_cost, call.model_cost) == (Decimal("0.08"), Decimal("0.063"))
    assert not LedgerEntry.objects.exists()
    costs = MeteredCost.objects.order_by("key").values_list("key", "kind", "amount", "created_at")
    assert list(costs) == [
        (f"call:{call.pk}:model", "model", Decimal("-0.063"), call.settled_at),
        (f"call:{call.pk}:telephony", "telephony", Decimal("-0.08"), call.settled_at),
    ]
    assert ledger_verification.find_problems() == KNOWN
    assert ledger.balance(number.developer_id) == 0


def test_cost_and_count_caps_still_refuse_and_end_calls() -> None:
    developer = make_account("0")
    number = make_streaming_number(developer)
    client = Client(headers=bearer(developer, is_admin=True))
    limits = {"daily_cap": 0.1, "max_concurrent_calls": 1}
    assert client.put("/api/v1/billing/caps", limits, content_type="application/json").status_code == 200
    call = make_call(number, timezone.now() - timedelta(seconds=10))
    body = {"from": number.e164, "to": "+12025550101"}
    refused = client.post("/api/v1/calls", body, content_type="application/json")
    assert (refused.status_code, refused.json()["reason"]) == (429, "too_many_calls")
    Call.objects.filter(pk=call.pk).update(
        status="completed", ended_at=timezone.now(), settled_at=timezone.now(), telephony_cost="0.12"
    )
    refused = client.post("/api/v1/calls", body, content_type="application/json")
    assert (refused.status_code, refused.json()["reason"]) == (402, "daily_cap_reached")
    assert Call.objects.count() == 1


def test_numbers_are_bought_and_kept_without_balance_or_reminders() -> None:
    developer = make_account("0")
    price = NumberPrice.objects.get(country_code="US", number_type="local")
    bought = purchases.begin(developer=developer, phone_number="+14155550123", price=price)
    number = purchases.complete(bought.pk, "ref")
    assert number is not None
    for _ in range(2):
        renewals.renew_all(number.created_at + timedelta(days=70))
    number.refresh_from_db()
    assert (number.months_paid, number.status, number.unpaid_since) == (3, "active", None)
    costs = MeteredCost.objects.values_list("kind", "amount")
    assert sorted(costs) == [("number_month", -price.monthly_cost)] * 3 + [("number_setup", -price.setup_cost)]
    assert not LedgerEntry.objects.exists()
    assert not WebhookDelivery.objects.exists()
    assert ledger_verification.find_problems() == KNOWN


def test_usage_includes_costs_from_before_and_after_the_change(settings: Any) -> None:
    developer = make_account("10")
    number = make_streaming_number(developer)
    settings.BILLING = True
    paid, metered = make_call(number, BEGIN), make_call(number, BEGIN)
    hang_up(paid, 95)
    settings.BILLING = False
    hang_up(metered, 95)
    month = f"{timezone.now():%Y-%m}"
    client = Client(headers=bearer(developer))
    usage = client.get("/api/v1/billing/usage").json()["data"]
    assert (usage["total_calls"], usage["total_cost"]) == (2, "0.286")
    statement = client.get(f"/api/v1/billing/statements/{month}").json()["data"]
    assert statement["entries"] == [
        {"kind": "telephony", "count": 2, "amount": "-0.16"},
        {"kind": "model", "count": 2, "amount": "-0.126"},
    ]
    assert statement["charges"] == "0.286"
    assert statement.keys().isdisjoint({"opening_balance", "credits", "closing_balance"})
    lines = client.get(f"/api/v1/billing/statements/{month}?format=csv").content.decode().splitlines()
    assert lines[0] == "created_at,kind,description,cost,currency"
    assert sorted(line.split(",")[-2] for line in lines[1:]) == ["0.063", "0.063", "0.08", "0.08"]
    # Existing ledger entries are kept.
    assert ledger.balance(developer.pk) == Decimal("9.857")


def test_a_job_repeated_after_the_change_records_nothing_twice(settings: Any) -> None:
    developer = make_account("10")

    def book(key: str) -> None:
        ledger.book_cost(
            developer_id=developer.pk, key=key, kind="number_month", cost=Decimal("1.15"), description="+14155550123"
        )

    book("number:1:month:1")
    settings.BILLING = True
    book("number:1:month:1")
    assert (ledger.balance(developer.pk), MeteredCost.objects.count()) == (Decimal(10), 1)
    book("number:1:month:2")
    settings.BILLING = False
    book("number:1:month:2")
    assert (ledger.balance(developer.pk), MeteredCost.objects.count()) == (Decimal("8.85"), 1)


def test_statement_files_list_costs(tmp_path: Any) -> None:
    number = make_streaming_number(make_account("0"))
    hang_up(make_call(number, BEGIN), 95)
    pdf = Client(headers=bearer(number.developer)).get(f"/api/v1/billing/statements/{timezone.now():%Y-%m}?format=pdf")
    (tmp_path / "costs.pdf").write_bytes(pdf.content)
    text = PdfReader(tmp_path / "costs.pdf").pages[0].extract_text()
    assert "Costs by day" in text
    assert "Total" in text
    assert "balance" not in text.lower()


# --- the API ----------------------------------------------------------------------------------------------------------
def test_every_operation_works_as_described_or_is_off(world: World) -> None:
    client, found = Client(), set(routes())
    assert {*openapi.description().by_route} == found - CLOSED
    for route in sorted(found):
        method, _, path = route.partition(" ")
        if route in CLOSED:
            answer = client.generic(method, path_of(world, method, f"/api/v1{path}"), headers=world.headers)
            assert (route, answer.status_code, answer.json()) == (route, 404, OFF)
        elif method == "GET":
            url = path_of(world, method, f"/api/v1{path}")
            answer = client.get(url, headers=world.headers)
            expected = openapi.openapi()["paths"][f"/api/v1{path}"]["get"]["responses"][str(answer.status_code)]
            if answer["Content-Type"] == "application/json" and path != "/schema":
                check_against(expected["content"]["application/json"]["schema"], answer.json())
    balance = client.get("/api/v1/billing/balance", headers=world.headers).json()["data"]
    assert balance == {
        "balance": "0.00", "held": "0.00", "available": "0.00", "currency": "USD", "billing": "off",
    }  # fmt: skip


def test_the_api_description_does_not_mention_payments() -> None:
    ours = {
        "/api/v1/billing/balance",
        "/api/v1/billing/transactions",
    }  # where payments appeared before billing was turned off
    document = json.dumps({path: item for path, item in openapi.openapi()["paths"].items() if path not in ours})
    assert [word for word in ("balance is", "The balance", "op-up", "payment", "renewal") if word in document] == []
    assert not {"billing.auto_topup.failed", "number.renewal.reminder", "number.suspended"} & set(
        openapi.openapi()["webhooks"]
    )
    assert "billing.cap.reached" in openapi.openapi()["webhooks"]
    schemas = openapi.openapi()["components"]["schemas"]
    assert [name for name in schemas if "Payment" in name or "TopUp" in name] == []
    assert {"Call", "Caps", "Transaction"} <= schemas.keys()


def test_stripe_webhooks_are_refused() -> None:
    answer = Client().post("/webhooks/stripe", b"{}", content_type="application/json")
    assert (answer.status_code, answer.json()) == (404, OFF)


# --- pages ------------------------------------------------------------------------------------------------------------
def test_every_page_works_without_mentioning_payments_or_is_off(
    stripe: FakeStripe, exchange: ExchangeThread, recordings_folder: object, documents: object
) -> None:
    names = [pattern.name for pattern in patterns() if pattern.name is not None]
    shown, closed = set(), set()
    with RecordingServer() as server:
        world = PageWorld(stripe, server, exchange)
        for name in names:
            if name in {"statement-file", "receipt"} or _parameters(name) & {"name", "token"}:
                continue
            path = world.path_of(name)
            answer = world.client.get(path)
            if answer.status_code == 404:
                closed.add(name)
            elif answer.status_code == 200 and answer["Content-Type"].startswith("text/html"):
                shown.add(name)
                html = answer.content.decode().replace("insufficient_balance", "")
                found = [word for word in ("alance", "Add credit", "op up", "top-up", "ayment") if word in html]
                assert (name, found) == (name, [])
    # There is no phone without an exchange, no waveform for a recording that is not ready, and no voice without a model.
    assert closed - {"phone", "waveform", "vendor-voice"} == CLOSED_PAGES - {"receipt"}
    assert {"overview", "usage", "statements", "caps", "account", "buy-number", "calls", "call"} <= shown


def _parameters(name: str) -> set[str]:
    pattern: URLPattern = next(found for found in patterns() if found.name == name)
    return set(pattern.pattern.converters)


def test_a_new_account_is_led_to_its_first_call_without_credit() -> None:
    html = signed_in_client(make_developer()).get("/").content.decode()
    assert_valid_page(html)
    assert "Talk to your agent" in html
    assert "Add credit" not in html


@pytest.mark.parametrize("path", ["/docs", "/docs/quick-start", "/docs/webhooks"])
def test_documentation_pages(path: str) -> None:
    html = Client().get(path).content.decode().replace("Balance top-up", "")
    assert [word for word in ("add credit", "op-up", "payment method") if word in html] == []


def test_the_admin_shows_costs_instead_of_the_ledger() -> None:
    developer = make_developer()
    client = staff_client(make_staff())
    index = client.get("/admin/").content.decode()
    assert "Metered costs" in index
    assert [word for word in ("Ledger entries", "Adjustments", "Payments") if word in index] == []
    for name in ("billing_ledgerentry", "billing_adjustment", "billing_payment", "djstripe_event"):
        assert client.get(reverse(f"admin:{name}_changelist")).status_code == 403
    assert client.get(reverse("admin:billing_adjustment_add")).status_code == 403
    assert client.get(reverse("admin:billing_meteredcost_changelist")).status_code == 200
    account = client.get(reverse("admin:accounts_developer_change", args=[developer.pk])).content.decode()
    assert "alance" not in account
