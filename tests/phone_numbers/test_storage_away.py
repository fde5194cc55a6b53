"""When the storage is unreachable, documents are neither stored nor shown, and requests for them fail with 503."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.test import Client

from accounts.models import Developer
from phone_numbers.models import Verification, VerificationDocument
from tests.factories import bearer, make_developer
from tests.fakes.exchange_thread import ExchangeThread
from tests.pages.signed_in import signed_in_client
from tests.phone_numbers.requirement_answers import submit_documents, upload
from tests.phone_numbers.test_countries_api import form_of
from tests.staff.sign_in import staff_client
from tests.storages_away import AWAY, MESSAGE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


@pytest.fixture
def document(exchange: ExchangeThread, documents: Path) -> VerificationDocument:
    """A document of another account that was stored earlier."""
    verification: Verification = submit_documents(make_developer())
    return verification.documents.get(kind="document")


@pytest.fixture(params=AWAY)
def away(
    request: Any, document: VerificationDocument, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[None]:
    (tmp_path / "away").mkdir()
    with AWAY[request.param](tmp_path / "away") as storage:
        field = VerificationDocument._meta.get_field("file")
        monkeypatch.setattr(field, "storage", storages.create_storage(storage))
        yield


@pytest.mark.usefixtures("away")
def test_documents(document: VerificationDocument) -> None:
    developer: Developer = make_developer(name="Jane Doe", company_name="Acme")
    answer = Client().post("/api/v1/countries/GB/verify", form_of(), headers=bearer(developer))
    assert (answer.status_code, answer.headers.get("Retry-After")) == (503, "60")
    assert answer.json() == {"message": MESSAGE, "reason": "storage_unavailable"}
    form = {"requirement-0": "Jane Doe, +442079460000", "requirement-1": upload()}
    page = signed_in_client(developer).post("/countries/GB/local", form, follow=True)
    assert page.status_code == 200 and MESSAGE in page.content.decode()
    staff_browser = staff_client(make_developer(is_staff=True, is_superuser=True))
    file = staff_browser.get(f"/admin/numbers/verification/{document.verification_id}/documents/{document.pk}")
    assert (file.status_code, file.headers.get("Retry-After")) == (503, "60") and MESSAGE in file.content.decode()
    assert Verification.objects.get() == document.verification
