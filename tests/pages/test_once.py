"""Pressing a button twice at the same time has one effect, and both requests lead to its result."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from threading import Barrier

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from accounts.models import ApiKey, Developer
from agents.dashboard.editor import Editor
from agents.models import Agent, ModelKey
from billing.models import Payment
from phone_numbers.configuration import variable_warnings
from phone_numbers.models import PhoneNumber
from tests.calls.rows import make_account
from tests.factories import make_agent, make_developer
from tests.fakes.exchange_thread import ExchangeThread
from tests.fakes.stripe_server import FakeStripe
from tests.pages.world import SEARCH
from webhooks.models import WebhookEndpoint

PRESSES = 4


def browser_of(developer: Developer) -> Client:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(developer)
    return browser


def token_on(browser: Client, page: str) -> str:
    return re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', browser.get(page).content.decode())[0]


def press(browser: Client, path: str, form: dict[str, str], times: int = PRESSES) -> list[HttpResponse]:
    """Send the same form from this many threads at once."""
    together = Barrier(times)

    def send(_: int) -> HttpResponse:
        again = Client(enforce_csrf_checks=True)
        again.cookies = browser.cookies.copy()  # type: ignore[assignment]
        together.wait()
        try:
            return again.post(path, form)  # type: ignore[return-value]
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(send, range(times)))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("page", "path", "form", "model"),
    [
        ("/api-keys", "/api-keys", {"label": "Server"}, ApiKey),
        ("/agents/new", "/agents/new", {"template": "booking"}, Agent),
        ("/agents", "/agents/{agent}/duplicate", {}, Agent),
        ("/model-keys", "/model-keys", {"provider": "openai", "api_key": "sk-proj-0123456789"}, ModelKey),
        ("/billing", "/billing/top-up", {"preset": "20"}, Payment),
        ("/webhook-endpoints", "/webhook-endpoints", {"url": "http://127.0.0.1:9/", "events": "*"}, WebhookEndpoint),
    ],
)
def test_one_effect(stripe: FakeStripe, page: str, path: str, form: dict[str, str], model: type[Agent]) -> None:
    developer = make_developer()
    agent = make_agent(developer=developer) if "agent" in path else None
    path = path.format(agent=agent.pk if agent else "")
    browser, before = browser_of(developer), model.objects.count()
    form = {**form, "csrfmiddlewaretoken": token_on(browser, page)}
    responses = press(browser, path, form)
    assert [response.status_code for response in responses] == [302] * PRESSES
    assert len({response["Location"] for response in responses}) == 1
    assert model.objects.count() == before + 1
    if model is Payment:
        assert len(stripe.account.of_kind("checkout.session")) == 1
    # A form from the reloaded page is a new request.
    assert browser.post(path, {**form, "csrfmiddlewaretoken": token_on(browser, page)}).status_code == 302
    assert model.objects.count() == before + 2


@pytest.mark.django_db(transaction=True)
def test_tools_are_imported_once() -> None:
    developer = make_developer()
    agent = make_agent(developer=developer)
    browser, path = browser_of(developer), f"/agents/{agent.pk}/import-tools"
    tool = {"name": "rooms", "parameters": {}, "url": "http://127.0.0.1:9/rooms"}
    form = {"add": "1", "tool": json.dumps(tool), "csrfmiddlewaretoken": token_on(browser, path)}
    responses = press(browser, path, form)
    assert [(response.status_code, response["Location"]) for response in responses] == [
        (302, f"/agents/{agent.pk}")
    ] * PRESSES
    agent.refresh_from_db()
    assert [named.name for named in Editor(None, agent=agent).tools()] == ["rooms"]


@pytest.mark.django_db(transaction=True)
def test_the_secret_is_shown_whichever_request_wins() -> None:
    browser = browser_of(make_developer())
    press(browser, "/api-keys", {"label": "Server", "csrfmiddlewaretoken": token_on(browser, "/api-keys")})
    assert 'id="secret"' in browser.get("/api-keys").content.decode()
    assert 'id="secret"' not in browser.get("/api-keys").content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_refused_form_shows_its_errors_to_every_request() -> None:
    browser = browser_of(make_developer())
    form = {"label": "", "csrfmiddlewaretoken": token_on(browser, "/api-keys")}
    responses = press(browser, "/api-keys", form)
    assert [response.status_code for response in responses] == [200] * PRESSES
    assert all(b"form-errors" in response.content for response in responses)
    assert browser.post("/api-keys", {**form, "label": "Server"}).status_code == 302
    assert ApiKey.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_number_is_bought_once_and_its_messages_are_shown_once(exchange: ExchangeThread, empty_redis: object) -> None:
    """Both messages: the purchase, and the warning about variables without a value."""
    developer = make_account()
    agent = make_agent(developer=developer, name="Robin", system_prompt="Greet {{customer}}.")
    browser, page = browser_of(developer), f"/numbers/buy?{SEARCH}&agent={agent.pk}"
    offer = re.findall(r'data-fill-phone_number="([^"]+)"', browser.get(page).content.decode())[0]
    form = {"phone_number": offer, "country_code": "US", "number_type": "local", "answered_by": str(agent.pk)}
    responses = press(browser, page, {**form, "csrfmiddlewaretoken": token_on(browser, page)})
    number = PhoneNumber.objects.get(developer=developer)
    assert [(response.status_code, response["Location"]) for response in responses] == [
        (302, f"/numbers/{number.pk}")
    ] * PRESSES
    html = unescape(browser.get(f"/numbers/{number.pk}").content.decode())
    assert html.count("Number purchased. Robin answers it.") == 1
    (warning,) = variable_warnings(number)
    assert html.count(warning) == 1
    again = unescape(browser.get(f"/numbers/{number.pk}").content.decode())
    assert "Number purchased." not in again and warning not in again
