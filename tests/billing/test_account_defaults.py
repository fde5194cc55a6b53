"""Default limits of new accounts, who can change them, and their environment variables."""

from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils import timezone

from accounts.models import Developer
from accounts.services import register
from billing import ledger
from billing.models import SpendingCap
from bubblyphone.env import env_amount, env_count
from sandbox import demo
from tests.calls.rows import make_call, make_streaming_number
from tests.factories import bearer, make_developer
from tests.staff.sign_in import make_staff, staff_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
JANE = {"name": "Jane", "email": "jane@example.com", "password": "a good password"}
CAP, CALLS = (
    ["Must be at most $25.00. Contact support to raise it."],
    ["Must be at most 10. Contact support to raise it."],
)


@pytest.fixture
def jane() -> Developer:
    return register(**JANE, address="192.0.2.1")


def row(developer: Developer) -> tuple[Any, ...]:
    """(daily cap, its ceiling, concurrent calls, their ceiling)"""
    fields = "daily_cap", "daily_cap_ceiling", "max_concurrent_calls", "concurrent_calls_ceiling"
    found: tuple[Any, ...] = SpendingCap.objects.values_list(*fields).get(developer=developer)
    return found


def put(developer: Developer, **body: Any) -> Any:
    client = Client(headers=bearer(developer, is_admin=True))
    return client.put("/api/v1/billing/caps", body, content_type="application/json")


def shown(developer: Developer) -> tuple[Any, Any]:
    answer = Client(headers=bearer(developer)).get("/api/v1/billing/caps").json()["data"]
    return answer["daily_cap"], answer["max_concurrent_calls"]


def by_staff(developer: Developer, **limits: Any) -> None:
    pk = SpendingCap.objects.get(developer=developer).pk
    answer = staff_client(make_staff("operator")).post(f"/admin/billing/spendingcap/{pk}/change/", limits)
    assert answer.status_code == 302


def test_the_response_has_the_ceilings_of_the_limits(jane: Developer) -> None:
    def ceilings() -> dict[str, Any]:
        found: dict[str, Any] = Client(headers=bearer(jane)).get("/api/v1/billing/caps").json()["data"]["ceilings"]
        return found

    assert ceilings() == {"daily_cap": "25.00", "max_concurrent_calls": 10}
    body = {"daily_cap": "7.50", "max_concurrent_calls": 2}
    answers = [put(jane, **body).json() for _ in range(2)]  # repeating the request changes nothing
    assert answers[0] == answers[1]
    assert answers[0]["data"]["ceilings"] == ceilings() == {"daily_cap": "25.00", "max_concurrent_calls": 10}
    by_staff(jane, daily_cap="", max_concurrent_calls="40")
    assert ceilings() == {"daily_cap": None, "max_concurrent_calls": 40}


# --- limits of new accounts -------------------------------------------------------------------------------------------
def test_an_account_registered_over_the_api_starts_with_the_defaults() -> None:
    body = {**JANE, "password_confirmation": JANE["password"]}
    assert Client().post("/api/v1/auth/register", body, content_type="application/json").status_code == 201
    assert row(Developer.objects.get()) == (25, 25, 10, 10)
    assert shown(Developer.objects.get()) == ("25.00", 10)


def test_an_account_created_on_the_page_starts_with_the_defaults() -> None:
    assert Client().post("/signup", JANE).status_code == 302
    assert row(Developer.objects.get()) == (25, 25, 10, 10)


@pytest.mark.parametrize(
    ("cap", "calls", "expected"),
    [
        (Decimal("7.5"), 2, ("7.50", 2)),
        (None, 2, (None, 2)),
        (Decimal(5), None, ("5.00", None)),
        (None, None, (None, None)),
    ],
)
def test_the_installation_sets_the_defaults(settings: Any, cap: Any, calls: Any, expected: tuple[Any, Any]) -> None:
    settings.NEW_ACCOUNT_DAILY_CAP, settings.NEW_ACCOUNT_MAX_CALLS = cap, calls
    jane = register(**JANE, address="192.0.2.1")
    assert shown(jane) == expected
    # Without a default there is no ceiling either.
    for name, value, default in (("daily_cap", "900.00", cap), ("max_concurrent_calls", 90, calls)):
        assert put(jane, **{name: value}).status_code == (200 if default is None else 422)


def test_the_demo_account_and_existing_accounts_have_no_limits(tmp_path: Any) -> None:
    before = make_developer()
    demo.load(tmp_path / "demo.json")
    register(**JANE, address="192.0.2.1")
    account = Developer.objects.get(email=demo.EMAIL)
    for developer in (before, account):
        assert shown(developer) == (None, None)
        assert put(developer, daily_cap="900", max_concurrent_calls=90).status_code == 200
        assert put(developer, daily_cap=None, max_concurrent_calls=None).status_code == 200


def test_the_defaults_limit_calls(jane: Developer) -> None:
    jane.email_verified_at = timezone.now()
    jane.save()
    ledger.test_credit(developer_id=jane.pk, amount=Decimal(100), key="credit")
    number = make_streaming_number(jane)
    request = {"from": number.e164, "to": "+14155550199", "mode": "streaming"}

    def start() -> tuple[int, str]:
        answer = Client(headers=bearer(jane)).post("/api/v1/calls", request, content_type="application/json")
        return answer.status_code, answer.json().get("reason", "")

    now = timezone.now()
    running = [make_call(number, now) for _ in range(10)]
    assert start() == (429, "too_many_calls")
    for call in running:
        call.delete()
    make_call(number, now, status="completed", ended_at=now, settled_at=now, telephony_cost=Decimal(25))
    assert start() == (402, "daily_cap_reached")


# --- changing limits --------------------------------------------------------------------------------------------------
def test_an_account_can_lower_its_limits_and_restore_them(jane: Developer) -> None:
    for cap, calls in (("24.99", 9), ("0.01", 1), ("25.00", 10)):
        assert put(jane, daily_cap=cap, max_concurrent_calls=calls).status_code == 200
        assert shown(jane) == (cap, calls)
    assert put(jane, max_calls_per_caller_per_hour=10_000).status_code == 200


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"daily_cap": "25.01"}, {"daily_cap": CAP}),
        ({"daily_cap": "25.000001"}, {"daily_cap": CAP}),
        ({"daily_cap": 100_000}, {"daily_cap": CAP}),
        ({"daily_cap": None}, {"daily_cap": CAP}),
        ({"max_concurrent_calls": 11}, {"max_concurrent_calls": CALLS}),
        ({"max_concurrent_calls": None}, {"max_concurrent_calls": CALLS}),
        ({"daily_cap": "5", "max_concurrent_calls": 11}, {"max_concurrent_calls": CALLS}),
        ({"daily_cap": None, "max_concurrent_calls": None}, {"daily_cap": CAP, "max_concurrent_calls": CALLS}),
    ],
)
def test_an_account_cannot_raise_them(jane: Developer, body: dict[str, Any], errors: dict[str, list[str]]) -> None:
    answer = put(jane, **body)
    assert (answer.status_code, answer.json()["errors"]) == (422, errors)
    assert row(jane) == (25, 25, 10, 10)


@pytest.mark.parametrize(
    "wrong", [{"daily_cap": "25.01"}, {"daily_cap": ""}, {"max_concurrent_calls": "11"}, {"max_concurrent_calls": ""}]
)
def test_the_page_shows_the_same_errors_at_the_field(jane: Developer, wrong: dict[str, str]) -> None:
    client = Client()
    client.force_login(jane)
    assert "At most $25.00. Contact support to raise it." in client.get("/billing/caps").content.decode()
    fields = {"daily_cap": "20", "max_concurrent_calls": "9", "max_calls_per_caller_per_hour": "7"}
    page = client.post("/billing/caps", fields | wrong)
    (text,) = CAP if "daily_cap" in wrong else CALLS
    assert (page.status_code, page.context["form"].errors) == (200, {next(iter(wrong)): [text]})
    assert row(jane) == (25, 25, 10, 10)
    assert client.post("/billing/caps", fields).status_code == 302
    assert row(jane) == (20, 25, 9, 10)


def test_staff_can_raise_lower_and_remove_limits(jane: Developer) -> None:
    by_staff(jane, daily_cap="100", max_concurrent_calls="10")
    assert row(jane) == (100, 100, 10, 10)
    assert (put(jane, daily_cap="60").status_code, put(jane, daily_cap="100.01").status_code) == (200, 422)
    assert put(jane, max_concurrent_calls=11).status_code == 422
    by_staff(jane, daily_cap="5", max_concurrent_calls="50")
    assert row(jane) == (5, 5, 50, 50)
    by_staff(jane, daily_cap="", max_concurrent_calls="50")
    assert row(jane) == (None, None, 50, 50)
    assert put(jane, daily_cap="900").status_code == 200


def test_limits_that_staff_leave_unchanged_keep_their_ceiling(jane: Developer) -> None:
    put(jane, daily_cap="5", max_concurrent_calls=3)
    by_staff(jane, daily_cap="5", max_concurrent_calls="3", max_calls_per_caller_per_hour="4", daily_cap_ceiling="900")
    assert row(jane) == (5, 25, 3, 10)


def test_staff_can_limit_an_account_without_limits() -> None:
    developer = make_developer()
    form = {"developer": developer.pk, "daily_cap": "50", "max_concurrent_calls": ""}
    assert staff_client(make_staff("operator")).post("/admin/billing/spendingcap/add/", form).status_code == 302
    assert row(developer) == (50, 50, None, None)
    assert (put(developer, daily_cap="51").status_code, put(developer, max_concurrent_calls=90).status_code) == (
        422,
        200,
    )


# --- the environment --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "amount"),
    [(None, 25), ("", None), ("  ", None), ("7.50", Decimal("7.5")), (" 100 ", 100), ("0.01", Decimal("0.01"))],
)
def test_an_amount_in_the_environment(monkeypatch: pytest.MonkeyPatch, text: str | None, amount: Any) -> None:
    monkeypatch.delenv("X_CAP", raising=False)
    if text is not None:
        monkeypatch.setenv("X_CAP", text)
    assert env_amount("X_CAP", "25") == amount


@pytest.mark.parametrize(("text", "count"), [(None, 10), ("", None), (" ", None), ("1", 1), ("10000", 10_000)])
def test_a_count_in_the_environment(monkeypatch: pytest.MonkeyPatch, text: str | None, count: Any) -> None:
    monkeypatch.delenv("X_CALLS", raising=False)
    if text is not None:
        monkeypatch.setenv("X_CALLS", text)
    assert env_count("X_CALLS", 10) == count


@pytest.mark.parametrize(
    ("read", "default", "text"),
    [(env_amount, "25", text) for text in ("0", "0.001", "-1", "$5", "1e3", "NaN", "none", "100001", "0.0000001")]
    + [(env_count, 10, text) for text in ("0", "-1", "1.5", "many", "10001")],
)
def test_an_invalid_value_prevents_startup(monkeypatch: pytest.MonkeyPatch, read: Any, default: Any, text: str) -> None:
    monkeypatch.setenv("X_LIMIT", text)
    with pytest.raises(ImproperlyConfigured, match="X_LIMIT"):
        read("X_LIMIT", default)
