"""Every dashboard address that accepts POST has one effect and redirects. A refused form changes nothing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from tests.factories import PASSWORD, make_developer
from tests.fakes.exchange_thread import ExchangeThread
from tests.fakes.recording_server import RecordingServer
from tests.fakes.stripe_server import FakeStripe
from tests.pages.rows import number_form
from tests.pages.signed_in import assert_valid_page, signed_in_client
from tests.pages.test_agents import agent_form
from tests.pages.test_form_errors import summary_of
from tests.pages.world import OWNED, World, changed, digest, patterns
from tests.phone_numbers.requirement_answers import PDF

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


@dataclass(frozen=True)
class Case:
    """`good` is a valid form, and `bad` is one that is refused with errors at `fields`."""

    name: str
    good: dict[str, Any] = field(default_factory=dict)
    bad: dict[str, Any] | None = None
    fields: tuple[str, ...] = ()
    stranger: bool = False  # for visitors who are not signed in
    does_nothing: bool = False  # its effect is not in the database


SIGN_UP = {
    "name": "Ada",
    "email": "ada@example.com",
    "company_name": "Ltd.",
    "password": "a-long-secret",
    "time_zone": "",
}
LOOKUP = {"lookup_url": "{server}"}
TOOL = {"tool": "0", "trial-0-name": "check", "trial-0-arguments": "{}", "tool_webhook_url": "{server}"}
CASES = [
    Case("signup", SIGN_UP, {**SIGN_UP, "email": "no", "password": "short"}, ("email", "password"), stranger=True),
    Case("login", {"email": "{email}", "password": PASSWORD}, {"email": "no", "password": ""}, ("email", "password"), stranger=True),
    Case("logout", does_nothing=True),
    Case("forgot-password", {"email": "{email}"}, {"email": "no"}, ("email",), stranger=True),
    Case("reset-password", {"password": "a-long-secret"}, {"password": "short"}, ("password",), stranger=True),
    Case("verify-email", stranger=True),
    Case("account", {"name": "Jo", "company_name": "", "time_zone": "UTC"}, {"name": "", "time_zone": "Mars"}, ("name", "time_zone")),
    Case(
        "change-password", {"current_password": PASSWORD, "password": "a-long-secret"},
        {"current_password": "", "password": "short"}, ("current_password", "password"),
    ),
    Case("notifications", {"daily_limit-email": "on"}),
    Case("log-out-everywhere"),
    Case("sign-out-browser", does_nothing=True),
    Case("end-session"),
    Case("delete-account", {"password": PASSWORD}, {"password": ""}, ("password",)),
    Case("send-verification"),
    Case("api-keys", {"label": "Server"}, {"label": "x" * 101}, ("label",)),
    Case("revoke-api-key"),
    Case("new-agent", {"template": "booking"}),
    Case("save-draft", agent_form(name="Baker")),
    Case("publish-draft", {"seen": "{draft}"}),
    Case("discard-draft", {"seen": "{draft}"}),
    Case("test-agent", agent_form(name="Baker", system_prompt="Be brief.", **{"test-mode": "chat"})),
    Case("agent", agent_form(name="Baker"), agent_form(name="Kept?", tools="[", transfer_number="12"), ("tools", "transfer_number")),
    Case(
        "import-tools", {"add": "1", "tool": '{"name": "list_rooms", "url": "{server}", "method": "GET"}'},
        {"document": "openapi: 2", "server": "https://api.example.com"}, ("document",),
    ),
    Case("duplicate-agent"),
    Case("delete-agent"),
    Case("restore-agent-version"),
    Case("link-agent", {"number": "{pk:webhook_number}"}),
    Case(
        "model-keys", {"provider": "openai", "api_key": "sk-proj-0123456789"},
        {"provider": "x", "api_key": "", "label": "Kept"}, ("provider", "api_key"),
    ),
    Case("secrets", {"name": "OTHER", "value": "an0ther"}, {"name": "", "value": ""}, ("name", "value")),
    Case("replace-secret", {"value": "an0ther"}, {"value": "x"}, ("value",)),
    Case("delete-secret"),
    Case("test-model-key", does_nothing=True),
    Case("replace-model-key", {"api_key": "sk-proj-9876543210"}, {"api_key": "x"}, ("api_key",)),
    Case("delete-model-key"),
    Case("top-up", {"preset": "other", "other_amount": "12.50"}, {"preset": "other", "other_amount": "3"}, ("other_amount",)),
    Case("test-top-up", does_nothing=True),  # Stripe is configured; tests/billing/test_payment_pages.py adds test credit
    Case("auto-top-up", {"threshold": "7", "amount": "25"}, {"threshold": "0.5", "amount": "26"}, ("threshold", "amount")),
    Case("choose-card"),
    Case("remove-card"),
    Case("caps", {"daily_cap": "12", "agent_{pk:agent}": "3"}, {"daily_cap": "-1", "agent_{pk:agent}": "x"}, ("daily_cap", "agent_")),
    Case(
        "buy-number", {"phone_number": "{offer}", "country_code": "US", "number_type": "local", "answered_by": "nobody"},
        {"phone_number": "{offer}", "country_code": "US", "number_type": "local", "label": "x" * 101, "answered_by": "9"},
        ("label", "answered_by"),
    ),
    Case(
        "number", number_form(label="Shop", mode="streaming", system_prompt="Be brief."),
        number_form(label="Kept", silence_timeout="1", tools="["), ("silence_timeout", "tools"),
    ),
    Case(
        "add-carrier-account", {"provider": "telnyx", "api_key": "{api_key}", "label": "Ours"},
        {"provider": "telnyx", "api_key": "", "public_key": "Kept", "label": "x" * 101}, ("api_key", "label"),
    ),
    Case("test-carrier-account"),
    Case("update-carrier-account", {"api_key": "{api_key}"}),
    Case("delete-carrier-account"),
    Case(
        "import-number", {"carrier_account_id": "{pk:carrier_account}", "phone_number": OWNED},
        {"carrier_account_id": "{pk:carrier_account}", "phone_number": "415"}, ("phone_number",),
    ),
    Case("rotate-secret"),
    Case("test-webhook"),
    Case("release-number"),
    Case("resend-failed-webhooks"),
    Case("resend-webhook", {"next": "/webhooks"}),
    Case(
        "webhook-endpoints", {"url": "{server}/all", "events": "call.hangup"},
        {"url": "no", "description": "x" * 201}, ("url", "description", "events"),
    ),
    Case(
        "webhook-endpoint", {"url": "{server}/other", "events": "*"},
        {"url": "no", "description": "Kept"}, ("url", "events"),
    ),
    Case("enable-endpoint"),
    Case("disable-endpoint"),
    Case("test-endpoint"),
    Case("rotate-endpoint-secret"),
    Case("delete-endpoint"),
    Case(
        "resend-events", {"endpoint": "{pk:endpoint}", "since": "2026-01-01T00:00", "until": "2126-01-01T00:00"},
        {"endpoint": "0", "since": "2026-01-02T00:00", "until": "2026-01-01T00:00"}, ("endpoint", "until"),
    ),
    Case(
        "policy", {"limit_countries": "on", "countries": "GB", "start": "09:00", "end": "20:00", "days": "mon"},
        {"limit_countries": "on", "other_countries": "ZZ, GR", "start": "09:00", "max_calls_per_number_per_day": "0"},
        ("other_countries", "end", "days", "max_calls"),
    ),
    Case("do-not-call", {"phone_number": "+1 (202) 555-0123"}, {"phone_number": "911", "reason": "x" * 301}, ("phone_number", "reason")),
    Case("import-do-not-call", {"file": b"phone_number,reason\n+12025550123,Asked\n"}, {"file": b"phone_number\n911\n"}, ("file",)),
    Case("remove-do-not-call"),
    Case("country", {"requirement-1": PDF}, {"requirement-0": "Kept", "requirement-1": b"neither PDF nor picture"}, ("requirement-1",)),
    Case("try-tool", TOOL, does_nothing=True),
    Case("try-lookup", LOOKUP, does_nothing=True),
    Case("delete-recording"),
    Case("data", {"transcripts": "30"}, {"transcripts": "0"}, ("transcripts",)),
    Case(
        "call-someone", {"to": "+1 (202) 555-0123", "number": "{pk:number}"},
        {"to": "12345", "number": "{pk:number}", "when": "later"},
        ("to", "time"),
    ),
    Case("cancel-scheduled-call"),
    Case("save-call-view", {"name": "Failed", "query": "status=failed"}),
    Case("change-call-view", {"name": "Lost", "is_default": "1"}),
    Case("delete-kept", {"call": "{pk:ended_call}", "transcripts": "1"}),
    Case("hang-up"),
    Case("whisper", {"text": "The refund is approved."}, {"text": "x" * 2001}, ("text",), does_nothing=True),
    Case("transfer-call", {"to": "+1 202 555 0123"}, {"to": "12345"}, ("to",)),
    Case("sandbox-variables", {"agent": "{pk:number}", "system_prompt": "Sell {{what}}."}, does_nothing=True),
    Case("start-sandbox", {"agent": "{pk:number}", "system_prompt": "You sell bread."}),
]  # fmt: skip
REFUSABLE = [case for case in CASES if case.bad is not None]
ANSWERED_IN_PLACE = {"sandbox-variables", "start-sandbox", "save-draft", "test-agent"}
ENDS_THE_SESSION = {"logout", "log-out-everywhere", "delete-account"}
NOT_KEPT = re.compile("password|api_key|^value$|csrfmiddlewaretoken|^action$|requirement-1")


@pytest.fixture
def world(
    stripe: FakeStripe, exchange: ExchangeThread, recordings_folder: object, documents: object
) -> Iterator[World]:
    with RecordingServer() as server:
        yield World(stripe, server, exchange)


def browser_of(world: World, case: Case) -> Client:
    return Client(enforce_csrf_checks=True) if case.stranger else world.client


def stripe_objects(world: World) -> int:
    return len(world.stripe.account.objects)


def token_for(client: Client) -> str:
    """The CSRF token of a page, which is different each time."""
    page = "/account" if "_auth_user_id" in client.session else "/login"
    return str(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', client.get(page).content.decode())[0])


def send(client: Client, path: str, form: dict[str, Any], **headers: str) -> HttpResponse:
    for value in form.values():
        if hasattr(value, "seek"):
            value.seek(0)
    return client.post(path, form, headers=headers)  # type: ignore[return-value]


def test_every_address_that_accepts_post_is_in_the_table(world: World) -> None:
    client, takers = signed_in_client(make_developer()), set()
    made_up: dict[str, Any] = {
        "pk": 1,
        "number": 1,
        "key_id": 1,
        "token": "x",
        "identifier": "1",
        "code": "GB",
        "number_type": "local",
        "public_id": "evt_0",
    }
    made_up |= {
        "reference": "00000000-0000-0000-0000-000000000000",
        "month": "2026-01",
        "extension": "csv",
        "name": "glance",
    }
    for pattern in patterns():
        path = reverse(pattern.name, kwargs={name: made_up[name] for name in pattern.pattern.converters})
        if client.post(path).status_code != 405:
            takers.add(pattern.name)
    assert takers == {case.name for case in CASES}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_form_has_one_effect_and_redirects(world: World, case: Case) -> None:
    client, path = browser_of(world, case), world.path_of(case.name)
    form = {**world.filled(case.good), "csrfmiddlewaretoken": token_for(client)}
    cookies = client.cookies.copy()
    before, requests, at_stripe = digest(), len(world.server.requests), stripe_objects(world)
    first = send(client, path, form)
    between, requests_once, once_at_stripe = digest(), len(world.server.requests), stripe_objects(world)
    assert first.status_code == (200 if case.name in ANSWERED_IN_PLACE else 302)
    assert "/login?" not in first.headers.get("Location", "")
    assert bool(changed(before, between)) is not case.does_nothing
    assert requests_once == requests + (case.name in ("try-tool", "try-lookup"))
    if case.stranger:
        client.cookies = cookies  # both forms were submitted before a response arrived
    second = send(client, path, form)
    assert second.status_code == first.status_code
    if case.name not in ENDS_THE_SESSION and not case.stranger:
        assert second.headers.get("Location") == first.headers.get("Location")
        assert second.content == first.content
    assert changed(between, digest()) <= ({"accounts_developer"} if case.name == "login" else set())  # last_login
    assert (len(world.server.requests), stripe_objects(world)) == (requests_once, once_at_stripe)
    assert at_stripe <= once_at_stripe


@pytest.mark.parametrize("case", REFUSABLE, ids=lambda case: case.name)
def test_a_refused_form_changes_nothing_and_keeps_its_values(world: World, case: Case) -> None:
    client, path = browser_of(world, case), world.path_of(case.name)
    form = {**world.filled(case.bad or {}), "csrfmiddlewaretoken": token_for(client)}
    before = digest()
    response = send(client, path, form)
    assert response.status_code == 200
    html = response.content.decode()
    assert_valid_page(html)
    anchors = re.findall(r'<a href="#([^"]+)">', summary_of(html))
    for name in case.fields:
        assert [anchor for anchor in anchors if name in anchor], f"{name} is not in the summary"
    for anchor in anchors:
        tag = re.findall(rf'<(?:input|select|textarea)[^>]* id="{anchor}"[^>]*>', html)[0]
        assert 'aria-invalid="true"' in tag
    for name, value in form.items():
        if isinstance(value, str) and value and not NOT_KEPT.search(name):
            assert is_kept(html, name, value), f"{name} is lost"
    assert changed(before, digest()) == set()


def is_kept(html: str, name: str, value: str) -> bool:
    """Whether the page shows this value in this field."""
    if re.search(rf'<input[^>]* name="{name}"[^>]* type="hidden"|type="hidden"[^>]* name="{name}"', html):
        return True
    if chosen := re.search(rf'<select[^>]* name="{name}"(.*?)</select>', html, re.DOTALL):
        # A value that was never offered cannot be shown.
        return f'value="{value}"' not in chosen[1] or f'value="{value}" selected' in chosen[1]
    return bool(
        re.search(rf'<input[^>]* name="{name}"[^>]* value="{re.escape(value)}"', html)
        or re.search(rf'<textarea[^>]* name="{name}"[^>]*>\s*{re.escape(value)}</textarea>', html)
        or re.search(
            rf'<input type="(?:radio|checkbox)" name="{name}"(?: value="{re.escape(value)}")?[^>]* checked', html
        )
    )


def test_a_form_sent_after_the_session_ended_does_nothing_and_returns_to_its_page(world: World) -> None:
    sent = [(case, world.path_of(case.name)) for case in CASES if not case.stranger]
    client = Client(enforce_csrf_checks=True)
    token, before = token_for(client), digest()
    for case, path in sent:
        if case.name == "logout":
            continue
        form = {**world.filled(case.good), "csrfmiddlewaretoken": token}
        for referrer, page in [
            ("http://testserver/numbers?before=7", "/numbers%3Fbefore%3D7"),
            ("https://evil.example/numbers", "/"),
        ]:
            response = send(client, path, form, Referer=referrer)
            assert (response.status_code, response.headers["Location"]) == (302, f"/login?next={page}&unsaved=1")
            form["press"] = "another"
    assert changed(before, digest()) == set()
    html = client.get("/login?next=%2Fnumbers&unsaved=1").content.decode()
    assert_valid_page(html)
    assert "You were signed out, so your changes were not saved. Sign in to continue." in html


def test_a_form_from_before_another_sign_in_links_back_to_its_page(world: World) -> None:
    response = send(world.client, "/api-keys", {"label": "Server"}, Referer="http://testserver/api-keys")
    assert response.status_code == 403
    assert 'href="/api-keys"' in response.content.decode()
    assert_valid_page(response.content.decode())
