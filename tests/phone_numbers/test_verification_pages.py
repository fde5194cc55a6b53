"""Documents in the admin and on the developer's pages."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from accounts.models import Developer
from billing import ledger
from phone_numbers.models import Verification
from phone_numbers.verification.documents import MAX_FILE_BYTES
from phone_numbers.verification.submissions import approve, reject
from tests.factories import make_developer
from tests.fakes.exchange_thread import ExchangeThread
from tests.phone_numbers.requirement_answers import PDF, PNG, submit_documents, upload
from tests.staff.sign_in import staff_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis", "documents")]


@pytest.fixture
def developer() -> Developer:
    developer = make_developer(name="Jane Ann Doe", email="jane@example.com", company_name="Acme")
    ledger.test_credit(developer_id=developer.pk, amount=Decimal(25), key="credit")
    return developer


@pytest.fixture
def staff() -> Developer:
    return make_developer(email="staff@example.com", is_staff=True, is_superuser=True)


@pytest.fixture
def staff_browser(staff: Developer) -> Client:
    return staff_client(staff)


def change_url(verification: Verification) -> str:
    return f"/admin/numbers/verification/{verification.pk}/change/"


def form_of(verification: Verification, **extra: str) -> dict[str, str]:
    """The change form, as a browser sends it."""
    form = {"documents-INITIAL_FORMS": str(verification.documents.count()), "events-INITIAL_FORMS": "0"}
    form |= {"documents-TOTAL_FORMS": form["documents-INITIAL_FORMS"], "events-TOTAL_FORMS": "0"}
    for index, document in enumerate(verification.documents.all()):
        form |= {f"documents-{index}-id": str(document.pk), f"documents-{index}-value": document.value}
    return form | extra


def test_staff_review_and_approve(
    staff_browser: Client, staff: Developer, developer: Developer, exchange: ExchangeThread
) -> None:
    verification = submit_documents(developer)
    queue = staff_browser.get("/admin/numbers/verification/?status__exact=pending").content.decode()
    assert verification.public_id in queue
    assert "1 pending, the oldest for 0" in queue
    page = staff_browser.get(change_url(verification)).content.decode()
    document = verification.documents.get(kind="document")
    link = f"/admin/numbers/verification/{verification.pk}/documents/{document.pk}"
    assert f'<iframe src="{link}#view=FitH' in page
    assert 'name="_approve"' in page and 'name="_reject"' in page
    file = staff_browser.get(link)
    assert (file.content, file["Content-Type"], file["X-Content-Type-Options"]) == (
        PDF, "application/pdf", "nosniff",
    )  # fmt: skip
    assert (file["X-Frame-Options"], "frame-ancestors 'self'" in file["Content-Security-Policy"]) == (
        "SAMEORIGIN",
        True,
    )
    assert {"private", "no-store"} <= set(file["Cache-Control"].split(", "))
    form = form_of(verification, **{"documents-0-value": "Jane Doe, +442079460000", "_approve": "Approve"})
    response = staff_browser.post(change_url(verification), form)
    assert response.url == "/admin/numbers/verification/?status__exact=pending"
    verification.refresh_from_db()
    assert verification.status == "approved"
    assert verification.documents.get(kind="textual").value == "Jane Doe, +442079460000"
    assert verification.events.get(status="approved").actor == staff
    assert "Approved." in LogEntry.objects.filter(user=staff).values_list("change_message", flat=True)
    page = staff_browser.get(change_url(verification)).content.decode()
    assert 'name="_approve"' not in page and 'value="Revoke approval"' in page
    assert '<textarea name="documents-0-value"' not in page


def test_staff_reject_with_a_reason(staff_browser: Client, developer: Developer, exchange: ExchangeThread) -> None:
    verification = submit_documents(developer)
    response = staff_browser.post(
        change_url(verification), form_of(verification, _reject="Reject", reason=""), follow=True
    )
    assert "Enter a reason" in response.content.decode()
    verification.refresh_from_db()
    assert verification.status == "pending"
    staff_browser.post(change_url(verification), form_of(verification, _reject="Reject", reason="Blurred."))
    verification.refresh_from_db()
    assert (verification.status, verification.rejection_reason) == ("rejected", "Blurred.")
    assert LogEntry.objects.filter(change_message="Rejected: Blurred.").count() == 1
    assert 'name="_reject"' not in staff_browser.get(change_url(verification)).content.decode()


def test_an_address_is_required_before_approval(
    staff_browser: Client, developer: Developer, exchange: ExchangeThread
) -> None:
    verification = submit_documents(developer, "DE")
    address = verification.documents.get(kind="address")
    index = list(verification.documents.all()).index(address)
    form = form_of(verification, _approve="Approve") | {f"documents-{index}-value": "Berlin"}
    page = staff_browser.post(change_url(verification), form, follow=True).content.decode()
    assert "End User Address: enter the address first" in page
    verification.refresh_from_db()
    assert verification.status == "pending"


def test_only_staff_can_see_documents(developer: Developer, staff_browser: Client, exchange: ExchangeThread) -> None:
    verification = submit_documents(developer)
    document = verification.documents.get(kind="document")
    link = f"/admin/numbers/verification/{verification.pk}/documents/{document.pk}"
    other = submit_documents(make_developer())
    assert staff_browser.get(f"/admin/numbers/verification/{other.pk}/documents/{document.pk}").status_code == 404
    for who in (None, developer, make_developer(is_staff=True)):
        client = staff_client(who) if who is not None else Client()
        response = client.get(link)
        assert response.status_code in {302, 403}
        assert PDF not in response.content
    for path in (document.file.name, f"media/{document.file.name}", f"static/{document.file.name}"):
        assert staff_browser.get(f"/{path}").status_code == 404


def test_the_developer_s_pages(developer: Developer, staff: Developer, exchange: ExchangeThread) -> None:
    client = Client()
    client.force_login(developer)
    listed = client.get("/countries").content.decode()
    assert listed.count("<h1>") == 1
    assert 'href="/countries/GB/local"' in listed
    page = "/countries/GB/local"
    assert "Proof of Address (Local)" in client.get(page).content.decode()
    refused = client.post(page, {"requirement-1": upload(b"<html>")}).content.decode()
    assert "Upload a PDF, PNG, or JPEG file." in refused
    assert "This field is required." in client.post(page, {}).content.decode()
    assert client.post(page, {"requirement-0": "Jane Doe", "requirement-1": upload(PNG, "bill.png")}).url == page
    verification = Verification.objects.get()
    assert verification.documents.get(kind="textual").value == "Jane Doe"
    waiting = client.get(page).content.decode()
    assert (
        "We will email you when the review is complete." in waiting
        and "bill.png" in waiting
        and "<form class" not in waiting
    )
    reject(verification_id=verification.pk, staff=staff, reason="The bill is <old>.")
    again = client.get(page).content.decode()
    assert "The bill is &lt;old&gt;." in again and "Submit documents" in again
    client.post(page, {"requirement-1": upload()})
    approve(verification_id=Verification.objects.get(status="pending").pk, staff=staff)
    assert "You are verified" in client.get(page).content.decode()
    assert "No documents required" in client.get("/countries/US/local").content.decode()
    for path in ("ZZ/local", "US/mobile", "US/fax", "gb/local"):
        assert client.get(f"/countries/{path}").status_code == 404
    assert Client().get("/countries")["Location"].startswith("/login?next=")
    shop = "/numbers/buy?country=GB&number_type="
    assert 'href="/countries/GB/mobile"' in client.get(f"{shop}mobile").content.decode()
    assert "/countries/GB" not in client.get(f"{shop}local").content.decode()


def test_the_pages_while_the_carrier_is_down(developer: Developer, exchange: ExchangeThread) -> None:
    client = Client()
    client.force_login(developer)
    exchange.exchange.faults.rest["requirements"] = 500
    for path in ("/countries", "/countries/GB/local"):
        response = client.get(path)
        assert response.status_code == 200
        assert "The carrier is not available" in response.content.decode()


def test_uploads_on_the_page_have_the_same_limit(developer: Developer, exchange: ExchangeThread) -> None:
    client = Client()
    client.force_login(developer)
    big: Any = upload(PDF + bytes(MAX_FILE_BYTES))
    assert "The maximum is 10 MiB" in client.post("/countries/GB/local", {"requirement-1": big}).content.decode()
    assert not Verification.objects.exists()
