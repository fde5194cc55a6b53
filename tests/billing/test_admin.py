"""What staff can do about money: make adjustments with a reason, and edit rates by hand or by CSV import."""

from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Developer
from billing import ledger
from billing.models import Adjustment, LedgerEntry, TelephonyRate
from tests.factories import make_developer
from tests.staff.sign_in import staff_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
RATES = "/admin/billing/telephonyrate/"
HEADER = "prefix,direction,price_per_minute,description,valid_from"


@pytest.fixture
def staff() -> Developer:
    return make_developer(is_staff=True, is_superuser=True)


@pytest.fixture
def client(staff: Developer) -> Client:
    return staff_client(staff)


def upload(client: Client, text: str | bytes) -> str:
    """The page that an import returns."""
    body = text if isinstance(text, bytes) else text.encode()
    response = client.post(f"{RATES}import/", {"file": SimpleUploadedFile("rates.csv", body)}, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def test_an_adjustment_is_an_entry_with_a_reason(client: Client, staff: Developer) -> None:
    developer = make_developer()
    form = {"developer": developer.pk, "amount": "-2.5", "reason": "Charged back"}
    assert client.post("/admin/billing/adjustment/add/", form).status_code == 302
    adjustment = Adjustment.objects.get()
    assert (adjustment.staff, adjustment.reason) == (staff, "Charged back")
    entry = LedgerEntry.objects.get()
    assert (entry.key, entry.kind, entry.amount, entry.description) == (
        f"adjustment:{adjustment.pk}", "adjustment", Decimal("-2.5"), "Adjustment: Charged back",
    )  # fmt: skip
    assert ledger.balance(developer.pk) == Decimal("-2.5")
    log = LogEntry.objects.get()
    assert (log.user_id, log.object_id, log.is_addition()) == (staff.pk, str(adjustment.pk), True)


@pytest.mark.parametrize("wrong", [{"reason": ""}, {"amount": "0"}, {"amount": ""}])
def test_an_adjustment_requires_an_amount_and_a_reason(client: Client, wrong: dict[str, str]) -> None:
    form = {"developer": make_developer().pk, "amount": "5", "reason": "Gift", **wrong}
    assert client.post("/admin/billing/adjustment/add/", form).status_code == 200
    assert LedgerEntry.objects.count() == 0


def test_entries_cannot_be_changed_or_deleted(client: Client, staff: Developer) -> None:
    developer = make_developer()
    client.post("/admin/billing/adjustment/add/", {"developer": developer.pk, "amount": "5", "reason": "Gift"})
    for model, pk in (("adjustment", Adjustment.objects.get().pk), ("ledgerentry", LedgerEntry.objects.get().pk)):
        assert client.post(f"/admin/billing/{model}/{pk}/change/", {"amount": "500"}).status_code == 403
        assert client.post(f"/admin/billing/{model}/{pk}/delete/", {"post": "yes"}).status_code == 403
    assert client.post("/admin/billing/ledgerentry/add/", {}).status_code == 403
    assert ledger.balance(developer.pk) == 5


def test_an_export_can_be_imported(client: Client) -> None:
    before = list(TelephonyRate.objects.order_by("pk").values())
    exported = client.get(f"{RATES}export/").content
    assert exported.startswith(f"{HEADER}\r\n,inbound,0.04,Any other country,2026-01-01T00:00:00Z\r\n".encode())
    assert exported.count(b"\r\n") == len(before) + 1
    assert "0 rates added or updated." in upload(client, exported)
    assert list(TelephonyRate.objects.order_by("pk").values()) == before


def test_an_import_adds_and_changes_rates_and_is_logged(client: Client) -> None:
    count = TelephonyRate.objects.count()
    page = upload(
        client,
        f"\ufeff{HEADER}\n44,outbound,0.055,United Kingdom,2026-01-01T00:00:00Z\n+44,outbound,0.07,UK from 2027,2027-01-01T00:00:00Z\n",
    )
    assert "2 rates added or updated." in page
    rates = TelephonyRate.objects.filter(prefix="44", direction="outbound").order_by("valid_from")
    assert [str(rate.price_per_minute) for rate in rates] == ["0.055000", "0.070000"]
    assert TelephonyRate.objects.count() == count + 1
    assert LogEntry.objects.count() == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("prefix,price\n44,1\n", "The first line must be: prefix,direction"),
        (f"{HEADER}\n44,sideways,0.05,,\n", "line 2: The direction must be one of: inbound, outbound."),
        (f"{HEADER}\n44a,inbound,0.05,,\n", "line 2: The prefix must be at most 15 digits"),
        (f"{HEADER}\n44,inbound,-1,,\n", "line 2: The price must be a number between 0 and 100"),
        (f"{HEADER}\n44,inbound,NaN,,\n", "line 2: The price must be a number between 0 and 100"),
        (f"{HEADER}\n44,inbound,0.0000001,,\n", "line 2: The price must be a number between 0 and 100"),
        (f"{HEADER}\n44,inbound,1,,2026-01-01\n", "line 2: valid_from must be a time like"),
        (f"{HEADER}\n44,inbound,1\n", "line 2: Each line must have 5 columns."),
        (f"{HEADER}\n44,inbound,1,,\n44,inbound,2,,\n", "line 3: This rate is in the file twice."),
        (f"{HEADER}\n44,inbound,1,,0001-01-01T00:00:00+14:00\n", "line 2: valid_from must be a time like"),
        (f"{HEADER}\n44,inbound,1,a\0b,\n", "Null characters are not allowed."),
        (f"{HEADER}\n44,inbound,1,{'x' * 140_000},\n", "The file is not valid CSV: field larger than field limit"),
        (f'{HEADER}\n44,inbound,1,"a" b,\n', "The file is not valid CSV:"),
        ("", "The first line must be: prefix,direction"),
        (b"\xff\xfe", "The file is not UTF-8 text. Save it as UTF-8 and upload it again."),
    ],
)
def test_an_invalid_import_changes_nothing(client: Client, text: str | bytes, complaint: str) -> None:
    before = list(TelephonyRate.objects.order_by("pk").values())
    good_line_too = text if isinstance(text, bytes) else f"{text}49,inbound,0.01,,\n"
    assert complaint in upload(client, good_line_too)
    assert list(TelephonyRate.objects.order_by("pk").values()) == before


def test_only_staff_with_permission_can_change_money(empty_redis: object) -> None:
    for person, status in ((make_developer(), 302), (make_developer(is_staff=True), 403)):
        client = staff_client(person)
        assert client.get(f"{RATES}export/").status_code == status
        assert client.post(f"{RATES}import/").status_code == status
        assert client.post("/admin/billing/adjustment/add/", {}).status_code == status
