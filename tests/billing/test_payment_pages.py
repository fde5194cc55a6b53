"""Payments on the billing page."""

import io
import uuid
from decimal import Decimal
from typing import Any

import pypdf
import pytest
from django.test import Client

from accounts.models import Developer
from billing import ledger
from billing.models import AutoTopUp, Card, Payment
from tests.billing.payments import begin_top_up, deliver_all, enable_auto_top_up, save_card
from tests.factories import bearer, make_developer
from tests.fakes.stripe_server import FakeStripe
from tests.jobs import run_jobs
from tests.pages.signed_in import assert_valid_page
from tests.staff.sign_in import staff_client


@pytest.fixture
def developer(db: None) -> Developer:
    return make_developer(name="Jane Doe", email="jane@example.com")


@pytest.fixture
def page(developer: Developer, client: Client) -> Client:
    client.force_login(developer)
    return client


def html_of(page: Client, path: str = "/billing") -> str:
    answer = page.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_top_up_leads_to_stripe_s_page(page: Client, developer: Developer, stripe: FakeStripe) -> None:
    answer = page.post("/billing/top-up", {"preset": "other", "other_amount": "37.50", "saves_card": "on"})
    assert answer["Location"] == "/billing/to-checkout"
    answer = page.get("/billing/to-checkout")
    (session,) = stripe.account.of_kind("checkout.session")
    assert session["amount_total"] == 3750
    assert answer["Refresh"] == f"0; url={session['url']}"
    assert session["url"] in answer.content.decode()
    assert Payment.objects.get().saves_card
    page.post("/billing/top-up", {"preset": "50"})
    assert [payment.saves_card for payment in Payment.objects.order_by("pk")] == [True, False]


OUT_OF_BOUNDS = "Enter an amount between $5 and $500, with at most two decimals."


@pytest.mark.parametrize(
    ("form", "field", "text"),
    [
        ({}, "preset", "Choose an amount."),
        ({"preset": "7"}, "preset", "Choose an amount."),
        *(
            ({"preset": "other", "other_amount": typed}, "other_amount", OUT_OF_BOUNDS)
            for typed in ("", "4", "4.99", "500.5", "500.01", "20.001", "-20", "20 dollars", "NaN", "1e3", "9" * 30)
        ),
    ],
)
def test_invalid_amounts_are_refused(
    page: Client, developer: Developer, stripe: FakeStripe, form: dict[str, str], field: str, text: str
) -> None:
    answer = page.post("/billing/top-up", form)
    assert (answer.status_code, answer.context["top_up_form"].errors) == (200, {field: [text]})
    html = answer.content.decode()
    assert_valid_page(html)
    assert "Fix the field marked below." in html
    if field == "other_amount":
        assert '<a href="#id_other_amount">Other amount (USD)</a>' in html
        assert 'aria-invalid="true"' in html.partition('name="other_amount"')[2].partition(">")[0]
    assert (stripe.requests, Payment.objects.count(), ledger.balance(developer.pk)) == ([], 0, 0)


def test_the_amount_that_is_not_selected_is_ignored(page: Client, stripe: FakeStripe) -> None:
    assert page.post("/billing/top-up", {"preset": "20", "other_amount": "9999"}).status_code == 302
    assert Payment.objects.get().amount == 20


def test_a_form_creates_one_payment_however_often_it_is_submitted(page: Client, stripe: FakeStripe) -> None:
    form = {"preset": "20", "reference": str(uuid.uuid4())}
    page.post("/billing/top-up", form)
    first = page.get("/billing/to-checkout")["Refresh"]
    page.post("/billing/top-up", form)
    assert page.get("/billing/to-checkout")["Refresh"] == first
    page.post("/billing/top-up", {**form, "preset": "50"})  # the same form, submitted again with a different amount
    (payment,) = Payment.objects.all()
    assert (payment.amount, str(payment.reference)) == (20, form["reference"])
    assert len(stripe.account.of_kind("checkout.session")) == 1


def test_another_account_s_payment_is_not_continued(page: Client, stripe: FakeStripe) -> None:
    theirs, _ = begin_top_up(make_developer(), "20")
    answer = page.post("/billing/top-up", {"preset": "20", "reference": str(theirs.reference)}, follow=True)
    assert "This form was already used." in answer.content.decode()
    assert Payment.objects.get() == theirs
    assert page.get("/billing/to-checkout")["Location"] == "/billing"


@pytest.mark.parametrize("threshold", ["", "0.5", "1e9", "7.505", "-1", "much"])
def test_an_invalid_threshold_is_refused_at_its_field(page: Client, stripe: FakeStripe, threshold: str) -> None:
    answer = page.post("/billing/automatic-top-ups", {"enabled": "on", "threshold": threshold, "amount": "50"})
    assert (answer.status_code, list(answer.context["auto_top_up_form"].errors)) == (200, ["threshold"])
    assert '<a href="#id_threshold">' in answer.content.decode()
    assert not AutoTopUp.objects.filter(enabled=True).exists()


def test_without_stripe_a_demo_gives_test_credit_and_says_so(page: Client, developer: Developer, settings: Any) -> None:
    settings.DEMO = True
    html = html_of(page)
    assert "Test mode: no real money" in html
    assert "Add test credit" in html
    answer = page.post("/billing/top-up", {"preset": "20"}, follow=True)
    assert "Test credit added. No money was taken." in answer.content.decode()
    entry = ledger.LedgerEntry.objects.get()
    assert (entry.kind, entry.amount, entry.description) == ("test_credit", 20, "Test credit")

    response = page.post(
        "/api/v1/billing/top-up", {"amount": 5}, content_type="application/json", headers=bearer(developer)
    )
    path = response.json()["checkout_url"].removeprefix(settings.PUBLIC_URL)
    assert "Add $5.00 test credit" in html_of(page, path)
    page.post(path)
    page.post(path)
    assert ledger.balance(developer.pk) == 25
    stranger = Client()
    stranger.force_login(make_developer())
    assert stranger.get(path).status_code == 404


def test_test_credit_returns_to_the_purchase_that_needed_it(page: Client, settings: Any) -> None:
    settings.DEMO = True
    shop = "/numbers/buy?country=US&number_type=local"
    html = page.get("/billing", {"next": shop}).content.decode()
    assert f'<input type="hidden" name="next" value="{shop.replace("&", "&amp;")}">' in html
    for return_to, target in ((shop, shop), ("//example.com", "/billing"), ("overview", "/billing"), ("", "/billing")):
        assert page.post("/billing/top-up", {"preset": "20", "next": return_to})["Location"] == target


def test_without_stripe_production_offers_no_top_ups(page: Client, developer: Developer, settings: Any) -> None:
    settings.DEMO = False
    html = html_of(page)
    assert "Top up" not in html
    page.post("/billing/top-up", {"preset": "20"})
    assert ledger.balance(developer.pk) == 0


def test_automatic_top_ups(page: Client, developer: Developer, stripe: FakeStripe) -> None:
    page.post("/billing/automatic-top-ups", {"enabled": "on", "threshold": "7.50", "amount": "50"})
    found = AutoTopUp.objects.get()
    assert (found.enabled, found.threshold, found.amount) == (True, Decimal("7.5"), 50)
    assert "You have no saved card" in html_of(page)
    page.post("/billing/automatic-top-ups", {"enabled": "on", "threshold": "0.5", "amount": "50"})
    found.refresh_from_db()
    assert found.threshold == Decimal("7.5")
    page.post("/billing/automatic-top-ups", {"threshold": "7.50", "amount": "50"})
    found.refresh_from_db()
    assert not found.enabled


def test_the_page_says_why_they_were_turned_off(page: Client, developer: Developer, stripe: FakeStripe) -> None:
    save_card(stripe, developer, "4000000000009995")
    enable_auto_top_up(developer)
    run_jobs()
    html = html_of(page)
    assert "the card has insufficient funds" in html
    assert ">Failed</span>" in html


def test_cards_of_other_accounts_are_not_found(page: Client, developer: Developer, stripe: FakeStripe) -> None:
    theirs = save_card(stripe, make_developer())
    for action in ("choose", "remove"):
        assert page.post(f"/billing/cards/{theirs.pk}/{action}").status_code == 404
    assert Card.objects.filter(pk=theirs.pk).exists()
    mine = save_card(stripe, developer)
    assert "Visa •••• 4242" in html_of(page)
    page.post(f"/billing/cards/{mine.pk}/choose")
    page.post(f"/billing/cards/{mine.pk}/remove")
    assert not Card.objects.filter(pk=mine.pk).exists()


def test_a_receipt(page: Client, client: Client, developer: Developer, stripe: FakeStripe) -> None:
    payment, session = begin_top_up(developer, "37.50")
    assert page.get(f"/billing/payments/{payment.pk}/receipt.pdf").status_code == 404
    intent = stripe.account.pay_session(session)["payment_intent"]
    stripe.account.refund(intent, 750)
    deliver_all(client, stripe.account.events)
    run_jobs()
    assert f"/billing/payments/{payment.pk}/receipt.pdf" in html_of(page)
    assert f"/billing/payments/{payment.pk}/receipt.pdf" in html_of(page, "/billing/payments")
    answer = page.get(f"/billing/payments/{payment.pk}/receipt.pdf")
    assert answer["Content-Type"] == "application/pdf"
    text = pypdf.PdfReader(io.BytesIO(answer.content)).pages[0].extract_text()
    for part in (
        f"R-{payment.pk:06}",
        "Jane Doe <jane@example.com>",
        "Visa ending in 4242",
        "Balance top-up of $37.50",
        "$37.50",
        "-$7.50",
        intent,
    ):
        assert part in text
    stranger = Client()
    stranger.force_login(make_developer())
    assert stranger.get(f"/billing/payments/{payment.pk}/receipt.pdf").status_code == 404


def test_staff_see_payments_and_what_stripe_reported(client: Client, developer: Developer, stripe: FakeStripe) -> None:
    _, session = begin_top_up(developer)
    stripe.account.pay_session(session)
    deliver_all(client, stripe.account.events)
    staff = staff_client(make_developer(is_staff=True, is_superuser=True))
    for path, text in [
        ("billing/payment", "jane@example.com"),
        ("djstripe/event", "checkout.session.completed"),
        ("djstripe/webhookeventtrigger", "evt_"),
    ]:
        assert text in html_of(staff, f"/admin/{path}/")
    assert staff.get("/admin/djstripe/customer/").status_code == 404
