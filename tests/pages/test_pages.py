"""Every page as seen by a signed-in developer, a visitor and another developer."""

import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, Developer
from agents.models import AIModel
from billing import ledger
from billing.models import TelephonyRate
from calls.models import CallEvent, TranscriptEntry
from phone_numbers.models import NumberPrice
from tests.factories import PASSWORD, make_agent, make_developer
from tests.pages.rows import make_call, make_number
from tests.pages.signed_in import assert_valid_page, signed_in_client
from webhooks.models import WebhookAttempt, WebhookDelivery

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]

PAGES = [
    "/numbers",
    "/numbers/buy",
    "/agents",
    "/agents/new",
    "/model-keys",
    "/secrets",
    "/webhook-endpoints",
    "/events",
    "/policy",
    "/do-not-call",
    "/calls",
    "/calls/scheduled",
    "/calls/charts",
    "/api-keys",
    "/account/notifications",
    "/billing",
    "/sandbox",
]


@pytest.fixture
def developer() -> Developer:
    return make_developer(email="jane@example.com")


@pytest.fixture
def client(developer: Developer) -> Client:
    return signed_in_client(developer)


@pytest.mark.parametrize("path", PAGES)
def test_empty_pages_are_valid_and_require_sign_in(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert_valid_page(response.content.decode())
    assert "no-store" in response["Cache-Control"]
    assert (
        "script-src" in response["Content-Security-Policy"]
        or "default-src 'self'" in response["Content-Security-Policy"]
    )
    stranger = Client().get(path)
    assert stranger.status_code == 302
    assert stranger["Location"].startswith("/login?next=")


@pytest.mark.parametrize("path", ["/", "/login", "/signup"])
def test_public_pages_are_valid(path: str) -> None:
    response = Client().get(path)
    assert response.status_code == 200
    assert_valid_page(response.content.decode())


def test_the_overview_is_valid_and_redirects_to_sign_in_when_the_session_ends(client: Client) -> None:
    html = client.get("/").content.decode()
    assert_valid_page(html)
    assert 'href="/docs/quick-start"' in html
    polled = Client().get("/", headers={"HX-Request": "true"})
    assert (polled.status_code, polled["Location"]) == (302, "/login?next=/")


def test_visitors_see_the_catalog_s_prices(request: pytest.FixtureRequest) -> None:
    AIModel.objects.filter(slug="local-offline").update(price_per_minute=Decimal("0.0375"))
    NumberPrice.objects.filter(country_code="US").update(monthly_cost=Decimal("4.25"))
    TelephonyRate.objects.create(prefix="1", direction="inbound", price_per_minute=Decimal("0.0123"))
    TelephonyRate.objects.create(prefix="1506", direction="inbound", price_per_minute=Decimal("0.0456"))
    NumberPrice.objects.filter(country_code="CA").delete()
    NumberPrice.objects.create(country_code="CA", number_type="local", setup_cost=0, monthly_cost=Decimal("0.01"))
    html = Client().get("/").content.decode()
    assert {"$0.0375", "$4.25", "$0.0123", "$0.0456"} <= set(re.findall(r"\$[0-9.]+", html))
    assert "United States" in html
    request.getfixturevalue("without_billing")
    without = Client().get("/").content.decode()
    assert_valid_page(without)
    assert re.findall(r"\$[0-9.]+|rices|billing", without) == []


def test_the_manifest_and_its_icons_exist() -> None:
    html = Client().get("/").content.decode()
    assert 'href="/site.webmanifest"' in html
    answer = Client().get("/site.webmanifest")
    assert answer["Content-Type"] == "application/manifest+json"
    addresses = [icon["src"] for icon in answer.json()["icons"]] + [Client().get("/favicon.ico")["Location"]]
    names = [
        re.sub(r"\.[0-9a-f]{12}\.", ".", address.removeprefix(django_settings.STATIC_URL)) for address in addresses
    ]
    assert names == ["img/favicon.svg", "img/icon-192.png", "img/icon-512.png", "img/favicon.ico"]
    assert all((Path(django_settings.BASE_DIR) / "static" / name).is_file() for name in names)


def test_pages_of_an_account_are_not_cached(client: Client) -> None:
    """Documentation pages contain the reader's own IDs, and show who is signed in."""
    agent = make_agent(developer=Developer.objects.get(email="jane@example.com"))
    section = client.get("/docs/api/agents")
    assert f"/api/v1/agents/{agent.pk}" in section.content.decode()
    for path in ("/docs", "/docs/quick-start", "/docs/api/agents", "/account", "/forgot-password", "/calls/0"):
        for reader in (client, Client()):
            assert reader.get(path)["Cache-Control"] == section["Cache-Control"], path
    assert {"private", "no-store"} <= set(section["Cache-Control"].split(", "))
    for path in ("/site.webmanifest", "/favicon.ico"):
        client.get("/account")
        session = client.session
        session.pop("seen_at", None)  # makes the session save it again, and send its cookie
        session.save()
        shared = client.get(path)
        assert ("public" in shared["Cache-Control"], shared.cookies) == (True, {})


def test_sign_up_signs_in_and_refuses_a_taken_address() -> None:
    client = Client()
    form = {
        "name": "Ada",
        "email": "Ada@Example.com",
        "company_name": "",
        "password": "secret123",
        "time_zone": "Europe/Paris",
    }
    assert client.post("/signup", form)["Location"] == "/agents/new"
    assert client.get("/").status_code == 200
    again = Client().post("/signup", form)
    assert again.status_code == 200
    assert "The email has already been taken." in again.content.decode()
    assert Developer.objects.get(email="ada@example.com").time_zone == "Europe/Paris"
    Client().post("/signup", {**form, "email": "bob@example.com", "time_zone": "Mars/Base"})
    assert Developer.objects.get(email="bob@example.com").time_zone == "UTC"


@pytest.mark.parametrize("password", ["short", "x" * 129])
def test_sign_up_refuses_passwords_that_are_too_short_or_too_long(password: str) -> None:
    Client().post("/signup", {"name": "Ada", "email": "ada@example.com", "password": password})
    assert not Developer.objects.exists()


def test_sign_in_redirects_back_but_not_to_other_sites(developer: Developer) -> None:
    form = {"email": "JANE@example.com", "password": PASSWORD}
    assert Client().post("/login", {**form, "next": "/calls"})["Location"] == "/calls"
    assert Client().post("/login", {**form, "next": "https://evil.example/"})["Location"] == "/"
    refused = Client().post("/login", {**form, "password": "wrong-password"})
    assert refused.status_code == 200
    assert "Wrong email or password." in refused.content.decode()


def test_sign_out_requires_post(client: Client) -> None:
    assert client.get("/logout").status_code == 405
    assert client.post("/logout")["Location"] == "/login"
    assert client.get("/account").status_code == 302


def test_an_api_key_is_shown_once_and_can_be_revoked(client: Client, developer: Developer) -> None:
    assert client.post("/api-keys", {"label": "Server"})["Location"] == "/api-keys"
    assert "bp_live_sk_" not in str(client.session.items())
    key = ApiKey.objects.get()
    assert "bp_live_sk_" in client.get("/api-keys").content.decode().partition('id="secret"')[2]
    assert 'id="secret"' not in client.get("/api-keys").content.decode()
    other = Client()
    other.force_login(make_developer())
    assert other.post(f"/api-keys/{key.pk}/revoke").status_code == 404
    assert client.post(f"/api-keys/{key.pk}/revoke")["Location"] == "/api-keys"
    key.refresh_from_db()
    assert key.revoked_at is not None


def test_objects_of_another_account_are_not_found(client: Client) -> None:
    other = make_developer()
    number = make_number(other)
    call = make_call(other, number)
    assert client.get(f"/numbers/{number.pk}").status_code == 404
    assert client.post(f"/numbers/{number.pk}", {"label": "mine"}).status_code == 404
    assert client.post(f"/numbers/{number.pk}/release").status_code == 404
    assert client.post(f"/numbers/{number.pk}/test-webhook").status_code == 404
    assert client.get(f"/calls/{call.pk}").status_code == 404
    assert client.post(f"/calls/{call.pk}/hang-up").status_code == 404
    assert client.get("/calls/99999999999999999999").status_code == 404
    assert str(number.e164) not in client.get("/numbers").content.decode()


def test_a_call_shows_transcript_timeline_cost_and_webhooks(client: Client, developer: Developer) -> None:
    number = make_number(developer, label="Bakery")
    call = make_call(developer, number)
    TranscriptEntry.objects.create(call=call, role="user", text="Are you <open>?", spoken_at=call.answered_at)
    TranscriptEntry.objects.create(
        call=call, role="model", text="Until six.", spoken_at=call.ended_at, interrupted=True
    )
    CallEvent.objects.create(call=call, event_type="tool.called", source="streaming", metadata={"tool": "check"})
    delivery = WebhookDelivery.objects.create(
        webhook_id=uuid4(), developer=developer, signing_secret=number.signing_secret, subject=f"call:{call.pk}",
        event_type="call.hangup", url="https://example.com/hook", body='{"event":"call.hangup"}', status="failed", attempt_count=1,
    )  # fmt: skip
    WebhookAttempt.objects.create(
        delivery=delivery, number=1, response_status=500, response_body="oops", latency_ms=12, success=False
    )
    html = client.get(f"/calls/{call.pk}").content.decode()
    assert_valid_page(html)
    for text in (
        "Are you &lt;open&gt;?", "interrupted", "Tool called: check", "2 min × $0.04", "95 s × $0.04/min", "$0.143", "Ended normally.",
        "1:35", "HTTP 500", "oops", "&quot;call.hangup&quot;", "You sell &lt;b&gt;bread&lt;/b&gt;.",
    ):  # fmt: skip
        assert text in html
    assert "every 2s" not in html


def test_a_running_call_refreshes_itself(client: Client, developer: Developer) -> None:
    now = timezone.now()
    running = {"status": "answered", "hangup_cause": "", "ended_at": None, "settled_at": None, "duration_seconds": None}
    call = make_call(developer, make_number(developer), answered_at=now - timedelta(seconds=61), **running)
    assert "every 1s" in client.get(f"/calls/{call.pk}").content.decode()
    fragment = client.get(f"/calls/{call.pk}", headers={"HX-Target": "call-live"}).content.decode()
    assert fragment.strip().startswith('<div class="stack" id="call-live"')
    assert "<html" not in fragment
    assert "Cost so far" in fragment
    assert "$0.08" in fragment  # two billed minutes


def test_the_calls_list_can_be_filtered_and_paged(client: Client, developer: Developer) -> None:
    number = make_number(developer)
    calls = [make_call(developer, number, from_number=f"+190755501{index:02d}") for index in range(27)]
    make_call(developer, None, direction="outbound", status="failed", hangup_cause="busy")
    first = client.get("/calls").content.decode()
    assert first.count('class="linked"') == 25
    assert f"before={calls[3].pk}" in first
    second = client.get(f"/calls?before={calls[3].pk}").content.decode()
    assert second.count('class="linked"') == 3
    assert client.get("/calls?status=failed&direction=outbound").content.decode().count('class="linked"') == 1
    assert client.get(f"/calls?number={number.pk}&direction=outbound").content.decode().count('class="linked"') == 0
    assert client.get("/calls?direction=sideways&before=x").status_code == 200


def test_first_steps_are_completed_one_by_one(client: Client, developer: Developer) -> None:
    assert client.get("/").content.decode().count('class="done"') == 0
    ledger.test_credit(developer_id=developer.pk, amount=Decimal(25), key="start")
    number = make_number(developer, mode="streaming", system_prompt="You sell bread.")
    html = client.get("/").content.decode()
    assert html.count('class="done"') == 3
    assert "$25.00" in html
    make_agent(developer=developer)
    make_call(developer, None, sandbox=True)
    assert client.get("/").content.decode().count('class="done"') == 5
    make_call(developer, number)
    assert "First steps" not in client.get("/").content.decode()


@pytest.mark.parametrize("path", ["/calls", "/webhooks", "/billing", "/billing/payments"])
@pytest.mark.parametrize("before", ["x", "", "-1", "1.5", "٣", "9" * 30])
def test_an_invalid_before_parameter_shows_a_message_instead_of_a_list(
    client: Client, developer: Developer, path: str, before: str
) -> None:
    make_call(developer, make_number(developer))
    ledger.test_credit(developer_id=developer.pk, amount=Decimal(25), key="before")
    html = client.get(path, {"before": before}).content.decode()
    assert_valid_page(html)
    assert "This page does not exist" in html and f'<a class="button" href="{path}">Show the newest</a>' in html
    assert 'class="linked"' not in html and "No calls yet" not in html and "?before=" not in html
    assert "This page does not exist" not in client.get(path, {"before": "1"}).content.decode()


def test_error_pages_are_our_own(client: Client) -> None:
    missing = client.get("/nothing-here")
    assert missing.status_code == 404
    assert_valid_page(missing.content.decode())
    strict = Client(enforce_csrf_checks=True)
    refused = strict.post("/login", {"email": "jane@example.com", "password": PASSWORD})
    assert refused.status_code == 403
    assert "Page expired" in refused.content.decode()
    assert_valid_page(render_to_string("500.html"))
