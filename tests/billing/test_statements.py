"""Monthly statements: JSON, PDF, CSV and the page."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.test import Client
from django.utils import timezone
from pypdf import PdfReader

from accounts.models import Developer
from billing import ledger
from billing.statement_files import MOST_CREDITS
from tests.factories import bearer, make_developer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
URL = "/api/v1/billing/statements"


def post(developer: Developer, key: str, kind: str, amount: str, at: datetime) -> None:
    ledger.post_entry(
        developer_id=developer.pk, key=f"{developer.pk}:{key}", kind=kind, amount=Decimal(amount),
        description=f"About {key}", at=at,
    )  # fmt: skip


@pytest.fixture
def developer() -> Developer:
    made = make_developer(name="Zoë", company_name="Café Łódź", email="zoe@example.com")
    post(made, "a", "top_up", "20", datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC))
    post(made, "b", "telephony", "-0.08", datetime(2026, 3, 1, tzinfo=UTC))
    post(made, "c", "model", "-0.063", datetime(2026, 3, 1, 12, tzinfo=UTC))
    post(made, "d", "telephony", "-0.12", datetime(2026, 3, 9, tzinfo=UTC))
    post(made, "e", "top_up", "10", datetime(2026, 3, 9, tzinfo=UTC))
    post(made, "f", "refund", "-5", datetime(2026, 3, 31, 23, 59, tzinfo=UTC))
    post(made, "g", "telephony", "-0.04", datetime(2026, 4, 1, tzinfo=UTC))
    return made


MARCH = {
    "id": "2026-03",
    "start": "2026-03-01T00:00:00Z",
    "end": "2026-04-01T00:00:00Z",
    "final": True,
    "opening_balance": "20.00",
    "entries": [
        {"kind": "top_up", "count": 1, "amount": "10.00"},
        {"kind": "telephony", "count": 2, "amount": "-0.20"},
        {"kind": "model", "count": 1, "amount": "-0.063"},
        {"kind": "refund", "count": 1, "amount": "-5.00"},
    ],
    "credits": "10.00",
    "charges": "5.263",
    "closing_balance": "24.737",
    "currency": "USD",
}


def test_a_pdf_with_very_many_credits_lists_them_by_day(developer: Developer) -> None:
    for place in range(MOST_CREDITS):
        post(developer, f"more {place}", "top_up", "1.25", datetime(2026, 3, 9 + place % 2, 12, tzinfo=UTC))
    client = Client()
    client.force_login(developer)
    pages = PdfReader(io.BytesIO(client.get("/billing/statements/2026-03.pdf").content)).pages
    text = " ".join("\n".join(page.extract_text() for page in pages).split())
    assert "Credits by day Date USD Mar 9 41.25 Mar 10 31.25" in text
    assert "About more" not in text


def test_a_month(developer: Developer) -> None:
    client = Client(headers=bearer(developer))
    assert client.get(f"{URL}/2026-03").json() == {"data": MARCH}


def test_each_month_opens_with_the_previous_closing_balance(developer: Developer) -> None:
    client = Client(headers=bearer(developer))
    months = client.get(URL).json()["data"]
    assert (months[0]["id"], months[0]["final"]) == (timezone.now().strftime("%Y-%m"), False)
    assert [month["id"] for month in months[-3:]] == ["2026-03", "2026-02", "2026-01"]
    balance = "0.00"
    for month in reversed(months):
        statement = client.get(f"{URL}/{month['id']}").json()["data"]
        assert statement["opening_balance"] == balance
        balance = statement["closing_balance"]
    assert Decimal(balance) == ledger.balance(developer.pk)


@pytest.mark.django_db(transaction=True)
def test_an_entry_added_to_a_past_month_appears_in_its_statement(developer: Developer, client: Client) -> None:
    def closing(month: str) -> str:
        answer = client.get(f"{URL}/{month}", headers=bearer(developer)).json()["data"]
        return str(answer["closing_balance"])

    assert (closing("2026-03"), closing("2026-04")) == ("24.737", "24.697")
    post(developer, "h", "telephony", "-0.50", datetime(2026, 3, 12, tzinfo=UTC))
    assert (closing("2026-03"), closing("2026-04")) == ("24.237", "24.197")


@pytest.mark.parametrize("month", ["2025-12", "2026-13", "2099-01", "march"])
def test_months_without_a_statement_are_not_found(developer: Developer, month: str) -> None:
    assert Client(headers=bearer(developer)).get(f"{URL}/{month}").status_code == 404


def test_other_accounts_statements_are_not_found(developer: Developer) -> None:
    stranger = Client(headers=bearer(make_developer()))
    assert stranger.get(URL).json() == {"data": []}
    assert stranger.get(f"{URL}/2026-03").status_code == 404


def test_the_pdf(developer: Developer) -> None:
    response = Client(headers=bearer(developer)).get(f"{URL}/2026-03?format=pdf")
    assert response.headers["Content-Type"] == "application/pdf"
    assert response.headers["Content-Disposition"] == 'attachment; filename="bubblyphone-2026-03.pdf"'
    lines = [line.strip() for line in PdfReader(io.BytesIO(response.content)).pages[0].extract_text().splitlines()]
    assert "Statement March 2026" in lines
    assert any(line.startswith("Café ?ód?, zoe@example.com.") for line in lines)
    for text in ("Opening balance 20.00", "Telephony 2 -0.20", "AI model 1 -0.063", "Closing balance 24.737"):
        assert text in lines
    assert "Mar 9 About e 10.00" in lines
    assert lines[lines.index("Date USD") + 1 :][:3] == ["Mar 1 0.143", "Mar 9 0.12", "Mar 31 5.00"]


def test_the_current_month_s_pdf_says_so(developer: Developer) -> None:
    month = timezone.now().strftime("%Y-%m")
    response = Client(headers=bearer(developer)).get(f"{URL}/{month}?format=pdf")
    assert "This month is not over" in PdfReader(io.BytesIO(response.content)).pages[0].extract_text()


def test_the_csv(developer: Developer) -> None:
    response = Client(headers=bearer(developer)).get(f"{URL}/2026-03?format=csv")
    rows = list(csv.DictReader(io.StringIO(response.content.decode())))
    assert [(row["kind"], row["amount"], row["balance"]) for row in rows] == [
        ("opening", "0.00", "20.00"),
        ("telephony", "-0.08", "19.92"),
        ("model", "-0.063", "19.857"),
        ("telephony", "-0.12", "19.737"),
        ("top_up", "10.00", "29.737"),
        ("refund", "-5.00", "24.737"),
        ("closing", "0.00", "24.737"),
    ]
    unknown = Client(headers=bearer(developer)).get(f"{URL}/2026-03?format=csv&kind=model")
    assert (unknown.status_code, list(unknown.json()["errors"])) == (422, ["kind"])


def test_the_page_lists_statements_and_links_their_files(developer: Developer) -> None:
    client = Client()
    client.force_login(developer)
    page = client.get("/billing/statements").content.decode()
    assert "March 2026" in page
    assert "$24.74" in page
    for extension in ("pdf", "csv"):
        url = f"/billing/statements/2026-03.{extension}"
        assert f'href="{url}"' in page
        assert client.get(url).status_code == 200
    assert client.get("/billing/statements/2026-03.exe").status_code == 404
    for month in ("2020-03", "2026-13", "march", "20260-3", "2031-01"):
        for extension in ("pdf", "csv"):
            missed = client.get(f"/billing/statements/{month}.{extension}")
            assert (missed.status_code, missed.headers["Location"]) == (302, "/billing/statements")
            assert f"There is no statement for {month}." in client.get("/billing/statements").content.decode()
