"""The APIs GET /countries, its requirements and verification, and POST verify, tested with the built-in exchange."""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Developer
from bubblyphone.core.api.views import format_time
from phone_numbers.models import CountryRequirements, Verification
from phone_numbers.verification.submissions import approve, reject
from tests.factories import bearer, make_developer
from tests.fakes.exchange_thread import ExchangeThread
from tests.phone_numbers.requirement_answers import JPEG, PDF, PNG, ids_of, submit_documents, upload

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis", "documents")]
COUNTRIES = "/api/v1/countries"


class Api:
    def __init__(self, client: Any, developer: Developer) -> None:
        self._client, self._headers, self.developer = client, bearer(developer), developer

    def get(self, path: str = "", status: int = 200) -> Any:
        response = self._client.get(f"{COUNTRIES}{path}", headers=self._headers)
        assert response.status_code == status, response.content
        return response.json()

    def verify(self, form: dict[str, Any], country: str = "GB", status: int = 201) -> Any:
        response = self._client.post(f"{COUNTRIES}/{country}/verify", form, headers=self._headers)
        assert response.status_code == status, response.content
        return response.json()

    def status_of(self, country: str, number_type: str = "local") -> str:
        (status,) = [
            row["status"]
            for row in self.get()["data"]
            if (row["country_code"], row["number_type"]) == (country, number_type)
        ]
        return str(status)


@pytest.fixture
def api(client: Any, exchange: ExchangeThread) -> Api:
    return Api(client, make_developer(name="Jane Doe", email="jane@example.com", company_name="Acme"))


def form_of(*, address: Any = None, **changes: Any) -> dict[str, Any]:
    proof_id = ids_of("GB")["Proof of Address (Local)"]
    form = {"number_type": "local", "documents[0][type]": proof_id, "documents[0][file]": address or upload()}
    return {name: value for name, value in (form | changes).items() if value is not None}


# --- reading ----------------------------------------------------------------------------------------------------------
def test_the_list_has_every_type_of_number_for_sale(api: Api) -> None:
    rows = api.get()["data"]
    assert rows[0] == {
        "country_code": "US",
        "country_name": "United States",
        "number_type": "local",
        "status": "not_required",
    }
    statuses = {(row["country_code"], row["number_type"]): row["status"] for row in rows}
    assert len(statuses) == len(rows)
    assert statuses["US", "toll_free"] == statuses["CA", "local"] == "not_required"
    assert statuses["GB", "local"] == statuses["GB", "mobile"] == statuses["DE", "local"] == "unverified"


def test_requirements_have_the_documented_shape(api: Api) -> None:
    rows = api.get("/GB/requirements?number_type=local")["data"]
    assert rows == api.get("/gb/requirements")["data"]
    for row in rows:
        assert list(row) == ["id", "name", "type", "description", "example", "time_limit"]
        assert re.fullmatch(r"[0-9a-f-]{36}", row.pop("id"))
    assert rows == [
        {
            "name": "Contact Info",
            "type": "textual",
            "description": "Provide the name, business name, and contact phone numbers",
            "example": "Name, business name, and contact phone numbers",
            "time_limit": None,
        },
        {
            "name": "Proof of Address (Local)",
            "type": "document",
            "description": "Proof of residence such as utility bill",
            "example": "Utility bill dated within 3 months",
            "time_limit": "Less than 3 months old",
        },
    ]
    assert api.get("/US/requirements")["data"] == []


@pytest.mark.parametrize("what", ["requirements", "verification"])
def test_countries_and_types_that_are_not_for_sale(api: Api, what: str) -> None:
    assert api.get(f"/ZZ/{what}", 404) == {"message": "Not found."}
    assert api.get(f"/US/{what}?number_type=mobile", 422)["errors"].keys() == {"number_type"}
    assert api.get(f"/GB/{what}?number_type=fax", 422)["errors"].keys() == {"number_type"}


def test_requirements_are_cached_for_a_day_and_used_if_the_carrier_fails(api: Api, exchange: ExchangeThread) -> None:
    before = api.get()
    exchange.exchange.faults.rest["requirements"] = 500
    assert api.get() == before
    CountryRequirements.objects.update(fetched_at=timezone.now() - timedelta(days=2))
    assert api.get() == before
    CountryRequirements.objects.all().delete()
    assert api.get(status=502)["message"].startswith("Loading the requirements for ")
    assert api.get("/US/requirements")["data"] == []


def test_requests_without_credentials_are_refused(client: Any) -> None:
    assert client.get(COUNTRIES).status_code == client.post(f"{COUNTRIES}/GB/verify").status_code == 401


# --- submitting -------------------------------------------------------------------------------------------------------
def test_a_submission_has_the_documented_shape(api: Api, documents: Path) -> None:
    answer = api.verify(form_of())["data"]
    verification = Verification.objects.get()
    assert re.fullmatch("ver_[0-9a-f]{16}", answer["id"])
    assert answer == {
        "id": verification.public_id,
        "country_code": "GB",
        "number_type": "local",
        "status": "pending",
        "created_at": format_time(verification.submitted_at),
    }
    assert api.get("/GB/verification") == {
        "data": {
            "country_code": "GB",
            "number_type": "local",
            "status": "pending",
            "submitted_at": answer["created_at"],
            "reviewed_at": None,
        }
    }
    assert api.status_of("GB") == "pending"
    assert api.status_of("GB", "mobile") == "unverified"
    contact, address = verification.documents.all()
    assert (contact.name, contact.kind, contact.value, contact.file.name) == ("Contact Info", "textual", "", "")
    assert (address.kind, address.filename, address.content_type) == ("document", "utility-bill.pdf", "application/pdf")
    (file,) = [path for path in documents.rglob("*") if path.is_file()]
    assert file == documents / address.file.name
    assert file.read_bytes() == PDF
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    (event,) = verification.events.all()
    assert (event.status, event.actor) == ("pending", api.developer)


@pytest.mark.parametrize(
    ("content", "kind", "extension"),
    [(PNG, "image/png", "png"), (JPEG, "image/jpeg", "jpg"), (PDF, "application/pdf", "pdf")],
)
def test_a_file_s_type_is_detected_from_its_content(api: Api, content: bytes, kind: str, extension: str) -> None:
    api.verify(form_of(address=upload(content, "../../etc/passwd.exe", "text/html")))
    document = Verification.objects.get().documents.get(kind="document")
    assert (document.content_type, document.filename) == (kind, "passwd.exe")
    assert re.fullmatch(rf"ver_[0-9a-f]{{16}}/[0-9a-f]{{32}}\.{extension}", document.file.name)


def test_texts_are_optional(api: Api) -> None:
    text = {"documents[1][type]": ids_of("GB")["Contact Info"], "documents[1][value]": "Jane Doe, Acme, +442079460000"}
    api.verify(form_of(**text))
    assert Verification.objects.get().documents.get(kind="textual").value == "Jane Doe, Acme, +442079460000"


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"documents[0][file]": upload(b"<html>")}, {"documents.0.file": ["Upload a PDF, PNG, or JPEG file."]}),
        ({"documents[0][file]": upload(b"")}, {"documents.0.file": ["The submitted file is empty."]}),
        (
            {"documents[0][file]": upload(PDF + bytes(10 * 1024 * 1024))},
            {"documents.0.file": ["The file is too large. The maximum is 10 MiB."]},
        ),
        ({"documents[0][file]": None}, {"documents.0.file": ["Upload a file."]}),
        ({"documents[0][file]": "text"}, {"documents.0.file": [
            "The submitted data was not a file. Check the encoding type on the form."
        ]}),
        ({"documents[0][type]": None}, {"documents.0.type": ["This field is required."]}),
        (
            {"documents[0][type]": "6d3e2643"},
            {
                "documents.0.type": ["Unknown requirement ID for this country and number type."],
                "documents": ["Missing documents: Proof of Address (Local)."],
            },
        ),
        ({"documents[0][type]": None, "documents[0][file]": None}, {"documents": ["This field is required."]}),
        ({"number_type": None}, {"number_type": ["This field is required."]}),
        ({"number_type": "fax"}, {"number_type": ['"fax" is not a valid choice.']}),
        ({"documents[0][name]": "x"}, {"documents[0][name]": ["Unknown field."]}),
        ({"note": "x"}, {"note": ["Unknown field."]}),
    ],
)  # fmt: skip
def test_invalid_submissions_are_refused(
    api: Api, documents: Path, changes: dict[str, Any], errors: dict[str, list[str]]
) -> None:
    assert api.verify(form_of(**changes), status=422)["errors"] == errors
    assert not Verification.objects.exists()
    assert not documents.exists()


def test_the_same_requirement_twice_is_refused(api: Api) -> None:
    again = {"documents[1][type]": ids_of("GB")["Proof of Address (Local)"], "documents[1][file]": upload()}
    answer = api.verify(form_of(**again), status=422)
    assert answer["errors"] == {"documents.1.type": ["Proof of Address (Local) was sent twice."]}


@pytest.mark.parametrize("keyed", [False, True])
@pytest.mark.parametrize(
    ("content_type", "parts", "text"),
    [
        (
            "multipart/form-data; boundary=b",
            [f'name="f{number}"\r\n\r\n1' for number in range(1001)],
            "The request has too many fields or files.",
        ),
        (
            "multipart/form-data; boundary=b",
            [f'name="f{number}"; filename="f"\r\n\r\n%PDF-' for number in range(101)],
            "The request has too many fields or files.",
        ),
        ("multipart/form-data", ["name"], "Multipart form parse error - Invalid boundary in multipart: None"),
    ],
    ids=["fields", "files", "boundary"],
)
def test_an_unreadable_form_is_refused(
    api: Api, client: Any, content_type: str, parts: list[str], text: str, keyed: bool
) -> None:
    form = "".join(f"--b\r\nContent-Disposition: form-data; {part}\r\n" for part in parts) + "--b--\r\n"
    headers = bearer(api.developer) | ({"Idempotency-Key": "k"} if keyed else {})
    response = client.generic("POST", f"{COUNTRIES}/GB/verify", form.encode(), content_type, headers=headers)
    assert response.status_code == 422
    assert list(response.json()["errors"]) == ["body"]
    assert response.json()["errors"]["body"][0].startswith(text)


def test_json_is_refused(api: Api, client: Any) -> None:
    response = client.post(
        f"{COUNTRIES}/GB/verify", {"number_type": "local"}, "application/json", headers=bearer(api.developer)
    )
    assert response.status_code == 422
    assert response.json()["errors"] == {"body": ["Send the documents as multipart/form-data."]}


def test_countries_without_requirements(api: Api) -> None:
    answer = api.verify(form_of(), country="US", status=409)
    assert answer == {"message": "United States requires no documents for local numbers."}
    assert api.verify(form_of(), country="ZZ", status=404) == {"message": "Not found."}


# --- statuses ---------------------------------------------------------------------------------------------------------
def test_documents_can_only_be_submitted_again_after_a_rejection(api: Api) -> None:
    staff = make_developer(is_staff=True)
    api.verify(form_of())
    assert api.verify(form_of(), status=409) == {"message": "Your documents are already being reviewed."}
    first = Verification.objects.get()
    reject(verification_id=first.pk, staff=staff, reason="The bill is too old.")
    stands = api.get("/GB/verification")["data"]
    first.refresh_from_db()
    assert stands == {
        "country_code": "GB",
        "number_type": "local",
        "status": "rejected",
        "submitted_at": format_time(first.submitted_at),
        "reviewed_at": format_time(first.reviewed_at),
        "rejection_reason": "The bill is too old.",
    }
    second = Verification.objects.get(public_id=api.verify(form_of())["data"]["id"])
    assert api.status_of("GB") == "pending"
    approve(verification_id=second.pk, staff=staff)
    assert api.status_of("GB") == "approved"
    message = "You are already verified for local numbers in GB."
    assert api.verify(form_of(), status=409) == {"message": message}
    assert [each.status for each in Verification.objects.order_by("pk")] == ["rejected", "approved"]


def test_other_accounts_verifications_are_not_visible(api: Api, client: Any) -> None:
    submit_documents(make_developer())
    assert api.status_of("GB") == "unverified"
    assert api.get("/GB/verification")["data"] == {
        "country_code": "GB", "number_type": "local", "status": "unverified", "submitted_at": None, "reviewed_at": None,
    }  # fmt: skip
    api.verify(form_of())
