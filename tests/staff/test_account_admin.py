"""An account's page in the admin: its email address and allowed prefixes, and that staff cannot take over accounts there."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.db.models.signals import pre_save
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ, Success, Task

from accounts import email_verification, passwords
from accounts.models import Developer
from billing.caps import set_limits
from billing.models import AllowedPrefix, SpendingCap, TelephonyRate
from tests.calls.rows import make_account
from tests.factories import bearer, make_developer, make_phone_number
from tests.jobs import run_jobs
from tests.staff.sign_in import make_staff, staff_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
LOG = "Email changed from jane@example.com to new@example.com. The new address is not verified yet. We are notifying jane@example.com."


def url_of(developer: Developer) -> str:
    return f"/admin/accounts/developer/{developer.pk}/change/"


def save(client: Client, developer: Developer, prefixes: tuple[str, ...] = (), **changes: Any) -> Any:
    """Submit the page's form unchanged except for `changes` and new prefixes."""
    existing = AllowedPrefix.objects.filter(developer=developer)
    form = {"email": developer.email, "name": developer.name, "company_name": "", "is_active": "on"}
    form |= {
        "allowed_prefixes-INITIAL_FORMS": existing.count(),
        "allowed_prefixes-TOTAL_FORMS": existing.count() + len(prefixes),
    }
    for place, row in enumerate(existing):
        form |= {f"allowed_prefixes-{place}-id": row.pk, f"allowed_prefixes-{place}-developer": developer.pk}
    for place, prefix in enumerate(prefixes, start=existing.count()):
        form |= {f"allowed_prefixes-{place}-prefix": prefix, f"allowed_prefixes-{place}-developer": developer.pk}
    return client.post(
        url_of(developer), {name: value for name, value in (form | changes).items() if value is not None}
    )


@pytest.fixture
def jane() -> Developer:
    return make_developer(email="jane@example.com")


# --- email address ----------------------------------------------------------------------------------------------------
def test_an_operator_cannot_change_an_email_address(jane: Developer) -> None:
    client = staff_client(make_staff("operator"))
    assert 'name="email"' not in client.get(url_of(jane)).content.decode()
    assert save(client, jane, email="mine@example.com", name="Renamed").status_code == 302
    verified = jane.email_verified_at
    jane.refresh_from_db()
    assert (jane.email, jane.email_verified_at, jane.name) == ("jane@example.com", verified, "Renamed")
    assert (run_jobs(), mail.outbox) == (0, [])


def test_a_superuser_s_change_is_unverified_sent_to_the_old_address_and_logged(jane: Developer) -> None:
    chief = make_staff()
    reset, verify = passwords.make_token(jane), email_verification.make_token(jane)
    assert save(staff_client(chief), jane, email=" New@Example.com ").status_code == 302
    jane.refresh_from_db()
    assert (jane.email, jane.email_verified_at) == ("new@example.com", None)
    assert LOG in [entry.get_change_message() for entry in LogEntry.objects.filter(user=chief, object_id=str(jane.pk))]
    run_jobs()
    assert [(message.to, message.subject) for message in mail.outbox] == [
        (["jane@example.com"], "The email address of your account was changed"),
        (["new@example.com"], "Confirm your email address"),
    ]
    assert "jane@example.com is no longer" in mail.outbox[0].body and "new@example.com" not in mail.outbox[0].body
    assert not passwords.is_valid(reset)  # links sent to the old address are now invalid
    assert Client().get(f"/verify-email/{verify}").status_code == 404
    path = next(word for word in mail.outbox[1].body.split() if "/verify-email/" in word).partition("8000")[2]
    assert Client().post(path).status_code == 302
    jane.refresh_from_db()
    assert jane.email_verified_at is not None


@pytest.mark.parametrize(
    "email", ["taken@example.com", "Taken@Example.COM", "no address", "", "a@" + "b" * 260 + ".example"]
)
def test_an_invalid_address_changes_nothing(jane: Developer, email: str) -> None:
    make_developer(email="taken@example.com")
    assert save(staff_client(make_staff()), jane, email=email, name="Renamed").status_code == 200
    verified = jane.email_verified_at
    jane.refresh_from_db()
    assert (jane.email, jane.email_verified_at, jane.name) == ("jane@example.com", verified, "Jane")
    assert (run_jobs(), LogEntry.objects.count()) == (0, 0)


def test_a_different_spelling_of_the_same_address_is_not_a_change(jane: Developer) -> None:
    save(staff_client(make_staff()), jane, email="JANE@example.com")
    jane.refresh_from_db()
    assert (jane.email, jane.email_verified_at is not None, run_jobs()) == ("jane@example.com", True, 0)


def test_a_concurrent_change_by_the_developer_is_kept(jane: Developer) -> None:
    def change_password(**kwargs: Any) -> None:
        Developer.objects.filter(pk=jane.pk).update(password="changed")

    client = staff_client(make_staff())
    pre_save.connect(change_password, sender=Developer)
    try:
        save(client, jane, name="Renamed")
    finally:
        pre_save.disconnect(change_password, sender=Developer)
    jane.refresh_from_db()
    assert (jane.name, jane.password) == ("Renamed", "changed")


def test_a_closed_account_cannot_get_a_new_address(jane: Developer) -> None:
    Developer.objects.filter(pk=jane.pk).update(closed_at=timezone.now(), is_active=False)
    assert save(staff_client(make_staff()), jane, email="new@example.com", is_active=None).status_code == 302
    jane.refresh_from_db()
    assert (jane.email, run_jobs()) == ("jane@example.com", 0)


# --- other ways into an account ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "powers", [{"is_staff": True}, {"is_superuser": True}, {"is_staff": True, "is_superuser": True}]
)
def test_an_operator_cannot_change_privileged_accounts(powers: Mapping[str, bool]) -> None:
    colleague = make_developer(**powers)
    before = Developer.objects.filter(pk=colleague.pk).values().get()
    save(
        staff_client(make_staff("operator")),
        colleague,
        is_active=None,
        name="X",
        company_name="X",
        email="x@example.com",
    )
    assert Developer.objects.filter(pk=colleague.pk).values().get() == before


@pytest.mark.parametrize(
    "changes",
    [
        {"is_staff": "on"},
        {"is_superuser": "on"},
        {"groups": "1"},
        {"password": "x"},
        {"email_verified_at_0": "2026-01-01", "email_verified_at_1": "00:00"},
        {"demo_calls_used": "0"},
        {"session_generation": "9"},
    ],
)
def test_an_operator_cannot_grant_privileges(jane: Developer, changes: dict[str, str]) -> None:
    before = Developer.objects.filter(pk=jane.pk).values().get()
    assert save(staff_client(make_staff("operator")), jane, **changes).status_code == 302
    assert Developer.objects.filter(pk=jane.pk).values().get() == before
    assert not jane.groups.exists()


@pytest.mark.parametrize("role", ["operator", ""])
def test_limits_cannot_be_moved_to_another_account(jane: Developer, role: str) -> None:
    limits, other = set_limits(developer=jane, changes={"daily_cap": Decimal(5)}), make_developer()
    answer = staff_client(make_staff(role)).post(
        f"/admin/billing/spendingcap/{limits.pk}/change/", {"developer": other.pk, "daily_cap": "7"}
    )
    assert answer.status_code == 302
    assert list(SpendingCap.objects.values_list("developer", "daily_cap")) == [(jane.pk, 7)]


@pytest.mark.parametrize("role", ["operator", ""])
def test_a_successful_job_cannot_be_run_again(role: str) -> None:
    now = timezone.now()
    Task.objects.create(
        id="b" * 32, name="job", func="accounts.passwords.send_link", args=("jane@example.com",), kwargs={}, started=now,
        stopped=now, success=True,
    )  # fmt: skip
    client = staff_client(make_staff(role))
    page = client.get("/admin/django_q/success/")
    assert (page.status_code, b"Resubmit" in page.content) == (200, False)
    for action in ("resubmit_task", "run_again", "delete_selected"):
        client.post("/admin/django_q/success/", {"action": action, "_selected_action": ["b" * 32], "post": "yes"})
    assert client.post(f"/admin/django_q/success/{'b' * 32}/delete/", {"post": "yes"}).status_code == 403
    assert client.get(f"/admin/django_q/success/{'b' * 32}/change/").status_code == 200
    assert (OrmQ.objects.count(), Success.objects.count()) == (0, 1)


# --- expensive numbers ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("role", ["operator", ""])
def test_staff_can_allow_and_remove_a_prefix(jane: Developer, role: str) -> None:
    client = staff_client(make_staff(role))
    assert save(client, jane, prefixes=("+1900", "49900")).status_code == 302
    assert set(jane.allowed_prefixes.values_list("prefix", flat=True)) == {"1900", "49900"}
    assert client.get(url_of(jane)).content.decode().count("No rate: calls are refused") == 2
    TelephonyRate.objects.create(
        direction="outbound", prefix="1900", price_per_minute=Decimal("0.90"), valid_from=timezone.now()
    )
    page = client.get(url_of(jane)).content.decode()
    assert ("$0.90 per minute" in page, page.count("No rate: calls are refused")) == (True, 1)
    assert save(client, jane, **{"allowed_prefixes-0-DELETE": "on"}).status_code == 302
    assert jane.allowed_prefixes.count() == 1
    logged = [entry.get_change_message() for entry in LogEntry.objects.filter(object_id=str(jane.pk)).order_by("pk")]
    assert "Added allowed prefix" in logged[0] and "Deleted allowed prefix" in logged[1]


@pytest.mark.parametrize(
    "prefixes", [("abc",), ("0900",), ("1 900",), ("1" * 16,), ("１９００",), ("+",), ("1900", "1900")]
)
def test_an_invalid_prefix_is_refused(jane: Developer, prefixes: tuple[str, ...]) -> None:
    assert save(staff_client(make_staff("operator")), jane, prefixes=prefixes).status_code == 200
    assert (AllowedPrefix.objects.count(), LogEntry.objects.count()) == (0, 0)


def test_numbers_with_an_allowed_prefix_can_be_used() -> None:
    developer = make_account()
    number = make_phone_number(developer=developer)
    path, body = f"/api/v1/phone-numbers/{number.pk}", {"transfer_number": "+19005550100"}

    def set_it() -> int:
        sent = {"content_type": "application/json", "headers": bearer(developer)}
        return int(Client().patch(path, body, **sent).status_code)  # type: ignore[arg-type]

    TelephonyRate.objects.create(
        direction="outbound", prefix="1900", price_per_minute=Decimal("0.90"), valid_from=timezone.now()
    )
    assert set_it() == 422
    save(staff_client(make_staff("operator")), developer, prefixes=("1900",))
    assert set_it() == 200


def test_a_reviewer_cannot_see_or_change_prefixes(jane: Developer) -> None:
    assert b"allowed_prefixes" not in staff_client(make_staff("reviewer")).get(url_of(jane)).content
    assert save(staff_client(make_staff("reviewer")), jane, prefixes=("1900",)).status_code == 403
    assert not AllowedPrefix.objects.exists()
