"""Forms in the admin have one effect, summarize their errors, and report concurrent changes."""

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models.signals import pre_save
from django.test import Client

from accounts.models import Developer
from billing.models import Adjustment, LedgerEntry
from tests.factories import make_developer
from tests.pages.test_form_errors import summary_of
from tests.pages.world import changed, digest
from tests.staff.sign_in import make_staff, staff_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
ADJUST = "/admin/billing/adjustment/add/"
RATE = {
    "prefix": "4930", "direction": "outbound", "price_per_minute": "0.02", "description": "",
    "valid_from_0": "2026-11-01", "valid_from_1": "00:00",
}  # fmt: skip


@pytest.fixture
def client() -> Client:
    return staff_client(make_staff())


def form_on(client: Client, path: str) -> dict[str, str]:
    """The hidden inputs of a page's form. The token is different each time."""
    html = client.get(path).content.decode()
    form = html[html.index('<form method="post"') if '<form method="post"' in html else html.rindex("<form ") :]
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form))


def test_an_adjustment_is_made_once_however_often_and_late_its_form_is_sent(client: Client) -> None:
    developer = make_developer()
    form = {"developer": str(developer.pk), "amount": "5", "reason": "Gift", **form_on(client, ADJUST)}
    assert [client.post(ADJUST, form).status_code for _ in range(3)] == [302] * 3
    later = {**form, "csrfmiddlewaretoken": form_on(client, ADJUST)["csrfmiddlewaretoken"]}
    assert "You already made this adjustment." in client.post(ADJUST, later).content.decode()
    assert (Adjustment.objects.count(), LedgerEntry.objects.count()) == (1, 1)
    # A form from a new page is a new request.
    assert client.post(ADJUST, {**later, "reference": str(uuid4())}).status_code == 302
    assert LedgerEntry.objects.count() == 2


@pytest.mark.parametrize(
    ("path", "form", "fields"),
    [
        (ADJUST, {"amount": "", "reason": ""}, ["developer", "amount", "reason"]),
        (ADJUST, {"developer": "999999", "amount": "x", "reason": "Gift"}, ["developer", "amount"]),
        ("/admin/billing/telephonyrate/add/", {**RATE, "prefix": "", "price_per_minute": "-"}, ["price_per_minute"]),
        ("/admin/billing/spendingcap/add/", {"developer": "", "daily_cap": "x"}, ["developer", "daily_cap"]),
        ("/admin/numbers/numberprice/add/", {"country_code": "", "setup_cost": "x"}, ["country_code", "setup_cost"]),
        ("/admin/agents/aimodel/add/", {"slug": ""}, ["slug", "display_name"]),
        ("/admin/accounts/developer/{developer}/change/", {"email": "no", "name": ""}, ["email", "name"]),
    ],
)  # fmt: skip
def test_a_refused_form_summarizes_its_errors_and_changes_nothing(
    client: Client, path: str, form: dict[str, str], fields: list[str]
) -> None:
    path = path.replace("{developer}", str(make_developer().pk))
    inline = {"allowed_prefixes-TOTAL_FORMS": "0", "allowed_prefixes-INITIAL_FORMS": "0"}
    before = digest()
    response = client.post(path, {**form, **inline})
    assert response.status_code == 200
    html = response.content.decode()
    anchors = re.findall(r'<a href="#([^"]+)">', summary_of(html))
    assert {f"id_{name}" for name in fields} <= set(anchors)
    assert all(f'id="{anchor}"' in html for anchor in anchors)
    assert changed(before, digest()) == set()


@pytest.mark.django_db(transaction=True)
def test_an_address_taken_concurrently_is_an_error_at_its_field(client: Client) -> None:
    """Another user registers over a separate connection, after the form was validated and before it is saved."""
    jane, rivals = make_developer(email="jane@example.com"), ThreadPoolExecutor(1)

    def register() -> None:
        make_developer(email="ada@example.com")
        connection.close()

    def be_faster(**kwargs: Any) -> None:
        pre_save.disconnect(be_faster, sender=Developer)
        rivals.submit(register).result()

    pre_save.connect(be_faster, sender=Developer)
    form = {"email": "ada@example.com", "name": "Renamed", "is_active": "on"}
    inline = {"allowed_prefixes-TOTAL_FORMS": "0", "allowed_prefixes-INITIAL_FORMS": "0"}
    response = client.post(f"/admin/accounts/developer/{jane.pk}/change/", {**form, **inline})
    assert response.status_code == 200
    assert 'href="#id_email"' in summary_of(response.content.decode())
    assert 'value="Renamed"' in response.content.decode()
    jane.refresh_from_db()
    assert (jane.email, jane.name) == ("jane@example.com", "Jane")
