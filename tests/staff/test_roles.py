"""What each role can see and do in the admin, and that no page shows secrets."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import Failure, OrmQ, Task

from accounts.models import Developer
from agents.services import create_model_key
from bubblyphone.core.crypto import decrypt
from calls import timeline
from calls.models import Call
from phone_numbers.models import Verification
from staff.roles import ROLES, apply_roles
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import make_api_key
from tests.staff.sign_in import make_staff, staff_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
OURS = {"accounts", "webhooks", "agents", "billing", "calls", "numbers", "admin", "auth", "django_q"}
# The account page contains a form for its allowed prefixes.
NO_PREFIXES = {"allowed_prefixes-TOTAL_FORMS": "0", "allowed_prefixes-INITIAL_FORMS": "0"}


def labels_of(group: Group) -> set[str]:
    found = group.permissions.values_list("content_type__app_label", "codename")
    return {f"{app}.{codename}" for app, codename in found}


@pytest.mark.parametrize("role", list(ROLES))
def test_a_group_s_permissions_are_restored_exactly(role: str) -> None:
    group = Group.objects.get(name=role)
    assert labels_of(group) == set(ROLES[role])
    group.permissions.clear()
    Group.objects.exclude(name=role).delete()
    apply_roles(using="default")
    assert labels_of(group) == set(ROLES[role])
    assert set(Group.objects.values_list("name", flat=True)) == set(ROLES)


def lists(client: Client) -> set[str]:
    """The admin lists that a person can open, as "app.model"."""
    found = set()
    for model in filter(admin.site.is_registered, apps.get_models()):
        label = f"{model._meta.app_label}.{model._meta.model_name}"
        if model._meta.app_label in OURS:
            answer = client.get(reverse(f"admin:{label.replace('.', '_')}_changelist"))
            assert answer.status_code in (200, 403), label
            found |= {label} if answer.status_code == 200 else set()
    return found


def test_what_each_role_can_open() -> None:
    assert lists(staff_client(make_staff("reviewer"))) == {"accounts.developer", "numbers.verification"}
    assert lists(staff_client(make_staff("operator"))) == {
        "accounts.developer", "agents.agent", "agents.aimodel", "agents.modelkey", "billing.adjustment", "billing.ledgerentry",
        "billing.payment", "billing.spendingcap", "billing.telephonyrate", "calls.call", "django_q.failure", "django_q.ormq",
        "django_q.schedule", "django_q.success", "numbers.numberprice", "numbers.numberpurchase", "numbers.phonenumber",
        "numbers.verification",
    }  # fmt: skip
    assert lists(staff_client(make_staff(is_superuser=False))) == set()


def test_an_operator_edits_accounts_but_cannot_grant_privileges() -> None:
    operator = make_staff("operator")
    client, developer, colleague = staff_client(operator), make_account("10"), make_staff()
    url = f"/admin/accounts/developer/{developer.pk}/change/"
    page = client.get(url).content.decode()
    assert "10.00" in page and f"/admin/billing/ledgerentry/?developer__id__exact={developer.pk}" in page
    form = {"email": developer.email, "name": "Jane Doe", "company_name": "", "is_staff": "on", "is_superuser": "on"}
    form |= NO_PREFIXES
    assert client.post(url, form).status_code == 302
    developer.refresh_from_db()
    assert (developer.name, developer.is_active, developer.is_staff, developer.is_superuser) == (
        "Jane Doe",
        False,
        False,
        False,
    )
    assert LogEntry.objects.filter(user=operator, object_id=str(developer.pk)).count() == 1
    client.post(
        f"/admin/accounts/developer/{colleague.pk}/change/", {"email": "x@example.com", "name": "X", **NO_PREFIXES}
    )
    colleague.refresh_from_db()
    assert (colleague.is_active, colleague.is_superuser, colleague.name) == (True, True, "Jane")
    assert client.get("/admin/accounts/developer/add/").status_code == 403
    assert client.post(f"/admin/accounts/developer/{developer.pk}/delete/", {"post": "yes"}).status_code == 403


def test_only_a_reviewer_decides_about_documents() -> None:
    verification = Verification.objects.create(developer=make_account(), country_code="GB", number_type="local")
    url = f"/admin/numbers/verification/{verification.pk}/change/"
    form = {f"{name}-{kind}_FORMS": "0" for name in ("documents", "events") for kind in ("TOTAL", "INITIAL")}
    form |= {"_reject": "Reject", "reason": "Blurred."}
    assert 'name="_reject"' not in staff_client(make_staff("operator")).get(url).content.decode()
    assert staff_client(make_staff("operator")).post(url, form).status_code == 403
    assert staff_client(make_staff("reviewer")).post(url, form).status_code == 302
    verification.refresh_from_db()
    assert (verification.status, verification.rejection_reason) == ("rejected", "Blurred.")


@pytest.fixture
def call() -> Call:
    number = make_streaming_number(make_account())
    call = make_call(number, timezone.now() - timedelta(seconds=60), media_token_hash="hash-of-a-token")
    timeline.add_event(call.pk, "call.answered", "telephony")
    return call


def test_a_call_and_its_timeline_are_read_only(call: Call) -> None:
    call.transcript.create(role="user", text="My card number is", spoken_at=timezone.now())
    client = staff_client(make_staff("operator"))
    page = client.get(f"/admin/calls/call/{call.pk}/change/").content.decode()
    assert "call.answered" in page and "My card number is" not in page
    for action in ("change", "delete"):
        assert client.post(f"/admin/calls/call/{call.pk}/{action}/", {"post": "yes"}).status_code == 403


def test_no_page_shows_a_secret(call: Call) -> None:
    developer, number = call.developer, call.phone_number
    assert number is not None
    _, plaintext = make_api_key(developer)
    key = create_model_key(developer=developer, provider="openai", api_key="sk-verysecretkey", label="Mine")
    secrets = [
        developer.password, plaintext, "sk-verysecretkey", key.encrypted, number.signing_secret.encrypted,
        decrypt(number.signing_secret.encrypted), "hash-of-a-token",
    ]  # fmt: skip
    client = staff_client(make_staff())
    paths = [
        f"accounts/developer/{developer.pk}", f"agents/modelkey/{key.pk}", f"calls/call/{call.pk}", f"numbers/phonenumber/{number.pk}",
    ]  # fmt: skip
    for path in paths:
        page = client.get(f"/admin/{path}/change/").content.decode()
        assert "<h1>" in page
        assert [secret for secret in secrets if secret in page] == [], path


def test_a_failed_job_can_be_run_again_and_this_is_logged() -> None:
    now = timezone.now()
    Task.objects.create(
        id="a" * 32, name="job", func="accounts.housekeeping.purge", args=(), kwargs={}, started=now, stopped=now,
        success=False, result="boom",
    )  # fmt: skip
    operator = make_staff("operator")
    client = staff_client(operator)
    assert "boom" in client.get("/admin/django_q/failure/").content.decode()
    client.post("/admin/django_q/failure/", {"action": "run_again", "_selected_action": ["a" * 32]})
    assert (Failure.objects.count(), OrmQ.objects.count()) == (0, 1)
    (logged,) = LogEntry.objects.filter(user=operator)
    assert logged.change_message == "Run again: accounts.housekeeping.purge."


def test_an_adjustment_is_logged_and_only_superusers_see_the_log() -> None:
    operator, developer = make_staff("operator"), make_account("0")
    client = staff_client(operator)
    client.post("/admin/billing/adjustment/add/", {"developer": developer.pk, "amount": "5", "reason": "Gift"})
    assert developer.ledger.get().amount == Decimal(5)
    assert LogEntry.objects.get().user == operator
    assert client.get("/admin/admin/logentry/").status_code == 403
    chief: Developer = make_staff()
    page = staff_client(chief).get("/admin/admin/logentry/").content.decode()
    assert operator.email in page
    assert staff_client(chief).post(f"/admin/admin/logentry/{LogEntry.objects.get().pk}/delete/").status_code == 403


def test_every_role_can_open_the_admin_s_front_page(settings: Any) -> None:
    for person in (make_staff(), make_staff("reviewer"), make_staff("operator")):
        assert staff_client(person).get("/admin/").status_code == 200
