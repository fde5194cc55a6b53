"""Decisions by staff, notifications about them, and what the carrier receives when a number is ordered."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from threading import Barrier

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ

from accounts.models import Developer
from billing import ledger
from bubblyphone.core.api.views import format_time
from bubblyphone.core.errors import Conflict, Forbidden, InvalidRequest, UpstreamFailed
from phone_numbers.countries import get_eligibility
from phone_numbers.models import NumberPurchase, Verification
from phone_numbers.services import search_available
from phone_numbers.verification.submissions import approve, parse_address, reject
from phone_numbers.verification.verification_notices import send_verification_email
from tests.factories import make_developer, make_phone_number
from tests.fakes.exchange_thread import ExchangeThread
from tests.fakes.recording_server import LossyProxy
from tests.phone_numbers.holders import LONDON, approved, buy
from tests.phone_numbers.requirement_answers import PDF, submit_documents
from webhooks.models import WebhookDelivery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis", "documents")]


@pytest.fixture
def developer() -> Developer:
    developer = make_developer(name="Jane Ann Doe", email="jane@example.com", company_name="Acme")
    ledger.test_credit(developer_id=developer.pk, amount=Decimal(25), key="credit")
    return developer


@pytest.fixture
def staff() -> Developer:
    return make_developer(email="staff@example.com", is_staff=True, is_superuser=True)


# --- buying -----------------------------------------------------------------------------------------------------------
def test_nothing_can_be_bought_without_approval(
    developer: Developer, staff: Developer, exchange: ExchangeThread
) -> None:
    start = "Local numbers of United Kingdom require verification. "
    with pytest.raises(Forbidden) as never:
        buy(developer)
    assert never.value.message.startswith(f"{start}Submit documents with POST /countries/GB/verify")
    verification = submit_documents(developer)
    with pytest.raises(Forbidden) as waiting:
        buy(developer)
    assert waiting.value.message == f"{start}Your documents are being reviewed."
    reject(verification_id=verification.pk, staff=staff, reason="Too old.")
    with pytest.raises(Forbidden) as rejected:
        buy(developer)
    assert rejected.value.message == f"{start}Your documents were rejected."
    assert ledger.balance(developer.pk) == 25
    assert not NumberPurchase.objects.exists()
    assert not exchange.exchange.state.requirement_groups


def test_approved_documents_are_sent_with_the_order(
    developer: Developer, staff: Developer, exchange: ExchangeThread
) -> None:
    verification = approved(developer, staff)
    assert buy(developer).e164 == LONDON
    assert ledger.balance(developer.pk) == 19
    state = exchange.exchange.state
    (group,), (document,) = state.requirement_groups.values(), state.documents.values()
    assert (group["customer_reference"], group["country_code"], group["phone_number_type"], group["status"]) == (
        verification.public_id, "GB", "local", "approved",
    )  # fmt: skip
    values = {each["field_type"]: each["field_value"] for each in group["regulatory_requirements"]}
    assert values == {"textual": "Jane Ann Doe, Acme, jane@example.com", "document": document["id"]}
    assert document["size"] == {"amount": len(PDF), "unit": "bytes"}
    assert document["filename"] == Path(verification.documents.get(kind="document").file.name).name
    (order,) = state.orders.values()
    assert order["phone_numbers"][0]["requirement_group_id"] == group["id"]
    verification.refresh_from_db()
    assert verification.carrier_ref == group["id"]
    buy(developer, "+442079460001")
    assert (len(state.requirement_groups), len(state.documents)) == (1, 1)


def test_an_address_is_created_at_the_carrier(developer: Developer, staff: Developer, exchange: ExchangeThread) -> None:
    approved(developer, staff, "DE")
    number = search_available(country="DE", number_type="local", limit=1)[0][0].phone_number
    buy(developer, number, "DE")
    (address,) = exchange.exchange.state.addresses.values()
    given = {name: address[name] for name in ("first_name", "last_name", "business_name", "street_address", "locality")}
    assert given == {
        "first_name": "Jane Ann",
        "last_name": "Doe",
        "business_name": "Acme",
        "street_address": "Unter den Linden 1",
        "locality": "Berlin",
    }
    assert (address["postal_code"], address["country_code"]) == ("10117", "DE")


def test_an_approval_does_not_apply_to_other_types_or_accounts(
    developer: Developer, staff: Developer, exchange: ExchangeThread
) -> None:
    approved(developer, staff)
    with pytest.raises(Forbidden):
        buy(developer, "+447700900000", "GB", "mobile")
    stranger = make_developer()
    with pytest.raises(Forbidden):
        buy(stranger)


@pytest.mark.parametrize("lost", ["POST requirement_groups", "POST documents", "POST submit_for_approval"])
def test_documents_are_submitted_again_after_a_lost_response(
    developer: Developer, staff: Developer, exchange: ExchangeThread, lossy_proxy: LossyProxy, lost: str
) -> None:
    approved(developer, staff)
    lossy_proxy.lost.add(lost)
    with pytest.raises(UpstreamFailed):
        buy(developer)
    assert ledger.balance(developer.pk) == 25
    assert not NumberPurchase.objects.exists()
    lossy_proxy.lost.clear()
    assert buy(developer).e164 == LONDON
    assert len(exchange.exchange.state.requirement_groups) == 1
    assert ledger.balance(developer.pk) == 19


# --- decisions --------------------------------------------------------------------------------------------------------
def test_a_rejection_is_sent_by_email_and_webhook(
    developer: Developer, staff: Developer, exchange: ExchangeThread
) -> None:
    url = "https://example.com/hook"
    first = make_phone_number(developer=developer, e164="+14155550101", webhook_url=url)
    make_phone_number(developer=developer, e164="+14155550102", webhook_url=url)
    make_phone_number(developer=developer, e164="+14155550103")
    make_phone_number(developer=developer, e164="+14155550104", webhook_url=f"{url}2", status="released")
    make_phone_number(webhook_url="https://example.com/stranger")
    verification = submit_documents(developer)
    assert not WebhookDelivery.objects.exists()
    reject(verification_id=verification.pk, staff=staff, reason=" The bill is from 2019. ")
    verification.refresh_from_db()
    (delivery,) = WebhookDelivery.objects.all()
    assert (delivery.event_type, delivery.url, delivery.signing_secret) == (
        "country.verification.updated", url, first.signing_secret,
    )  # fmt: skip
    assert delivery.body == (
        f'{{"event":"country.verification.updated","verification_id":"{verification.public_id}","country_code":"GB",'
        '"number_type":"local","status":"rejected","rejection_reason":"The bill is from 2019.","phone_number":"+14155550101",'
        f'"timestamp":"{format_time(verification.reviewed_at)}"}}'
    )
    jobs = [(job.task["func"], job.task["args"]) for job in OrmQ.objects.all()]
    assert (
        jobs.count(("phone_numbers.verification.verification_notices.send_verification_email", (verification.pk,))) == 1
    )
    send_verification_email(verification.pk)
    (message,) = mail.outbox
    assert (message.to, message.subject) == (
        ["jane@example.com"], "Your documents for United Kingdom were not accepted",
    )  # fmt: skip
    assert "Hello Jane Ann Doe," in message.body
    assert "The bill is from 2019." in message.body
    assert "/countries/GB/local" in message.body
    assert "&" not in message.body


def test_an_approval_is_sent_by_email(developer: Developer, staff: Developer, exchange: ExchangeThread) -> None:
    send_verification_email(approved(developer, staff).pk)
    (message,) = mail.outbox
    assert message.subject == "Your documents for United Kingdom were approved"
    assert "/numbers/buy?country=GB&number_type=local" in message.body


def test_invalid_decisions_are_refused(developer: Developer, staff: Developer, exchange: ExchangeThread) -> None:
    verification = submit_documents(developer)
    with pytest.raises(InvalidRequest):
        reject(verification_id=verification.pk, staff=staff, reason=" ")
    approve(verification_id=verification.pk, staff=staff)
    with pytest.raises(Conflict):
        approve(verification_id=verification.pk, staff=staff)
    reject(verification_id=verification.pk, staff=staff, reason="Forged.")
    with pytest.raises(Conflict):
        reject(verification_id=verification.pk, staff=staff, reason="Forged.")
    history = [(event.status, event.actor, event.reason) for event in verification.events.all()]
    assert history == [("pending", developer, ""), ("approved", staff, ""), ("rejected", staff, "Forged.")]
    with pytest.raises(Forbidden):
        buy(developer)


def test_an_approval_can_expire(developer: Developer, staff: Developer, exchange: ExchangeThread) -> None:
    today = timezone.now().date()
    first = submit_documents(developer)
    with pytest.raises(InvalidRequest):
        approve(verification_id=first.pk, staff=staff, expires_on=today - timedelta(days=1))
    approve(verification_id=first.pk, staff=staff, expires_on=today)
    assert get_eligibility(developer=developer, country="GB", number_type="local").may_buy
    with pytest.raises(Conflict):
        submit_documents(developer)
    Verification.objects.update(expires_on=today - timedelta(days=1))
    assert get_eligibility(developer=developer, country="GB", number_type="local").status == "unverified"
    with pytest.raises(Forbidden):
        buy(developer)
    second = submit_documents(developer)
    first.refresh_from_db()
    assert (first.status, first.rejection_reason) == ("rejected", f"Expired on {today - timedelta(days=1)}.")
    approve(verification_id=second.pk, staff=staff)
    second.refresh_from_db()
    assert (second.status, second.expires_on) == ("approved", None)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1 High Street, London", ("1 High Street", "London", "", "")),
        ("Linden 1,\nBerlin, 10117, Berlin", ("Linden 1", "Berlin", "10117", "Berlin")),
        ("London", None),
        ("a, b, c, d, e", None),
        ("", None),
    ],
)
def test_addresses(text: str, parts: tuple[str, ...] | None) -> None:
    assert parse_address(text) == parts


@pytest.mark.django_db(transaction=True)
def test_concurrent_submissions(exchange: ExchangeThread, documents: Path) -> None:
    developer = make_developer()
    submit_documents(make_developer())  # loads the requirements
    barrier = Barrier(3)

    def submit(_: int) -> str:
        barrier.wait()
        try:
            submit_documents(developer)
        except Conflict as error:
            return error.code
        finally:
            connection.close()
        return "submitted"

    with ThreadPoolExecutor(3) as threads:
        assert sorted(threads.map(submit, range(3))) == ["pending", "pending", "submitted"]
    assert len([path for path in documents.rglob("*") if path.is_file()]) == 2
