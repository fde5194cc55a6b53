"""The page's setting of who answers a number is applied: each option, followed by an inbound call."""

import json
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import Developer
from agents.models import Agent
from billing import ledger
from calls.models import Call
from phone_numbers import services
from phone_numbers.models import NumberPurchase, PhoneNumber
from tests import carriers
from tests.calls.control.dialects import PUBLIC_KEY, signed_by_telnyx, telnyx_event
from tests.factories import bearer, make_agent, make_developer, make_phone_number
from tests.pages.rows import number_form
from tests.pages.signed_in import assert_valid_page, signed_in_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis", "carrier_key")]
SERVER = "http://127.0.0.1:9/hook"


@pytest.fixture
def carrier_key(settings: Any) -> None:
    """Our key signs the carrier's webhooks. Commands to the carrier are sent after a commit, which never happens in these tests."""
    carriers.configure(settings, {"public_key": PUBLIC_KEY, "api_key": "KEY", "connection_id": "c"})


@pytest.fixture
def developer() -> Developer:
    made = make_developer(email="jane@example.com")
    ledger.test_credit(developer_id=made.pk, amount=Decimal(10), key=f"test:{made.pk}")
    return made


@pytest.fixture
def client(developer: Developer) -> Client:
    return signed_in_client(developer)


@pytest.fixture
def agent(developer: Developer) -> Agent:
    return make_agent(developer=developer, model_slug="local-offline", system_prompt="You sell bread.")


def call_to(number: PhoneNumber) -> Call:
    """The call that an inbound call event creates."""
    control = f"v3:{uuid.uuid4()}"
    event = telnyx_event("initiated", control, 0, direction="incoming", state="parked", to=number.e164)
    assert signed_by_telnyx(event).deliver(Client()) == 200
    return Call.objects.get(carrier_call_id=control)


# The number's settings, the form, and the resulting mode. {agent} stands for the agent's ID.
WAYS: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "an agent alone": ({}, {"agent_id": "{agent}"}, "streaming"),
    "an agent on a number with a server": (
        {"webhook_url": SERVER},
        {"mode": "webhook", "agent_id": "{agent}", "webhook_url": SERVER},
        "streaming",
    ),
    "an agent, then your server": (
        {},
        {"agent_id": "{agent}", "mode": "webhook", "webhook_url": SERVER},
        "webhook",
    ),
    "your server on a number with a model": (
        {"mode": "streaming", "system_prompt": "Hello.", "model_slug": "local-offline"},
        {"mode": "webhook", "system_prompt": "Hello.", "model": "local-offline", "webhook_url": SERVER},
        "webhook",
    ),
    "a first prompt": ({}, {"system_prompt": "You sell bread.", "model": "local-offline"}, "streaming"),
    "a prompt in addition to a server": (
        {"webhook_url": SERVER},
        {"mode": "webhook", "webhook_url": SERVER, "system_prompt": "For later."},
        "webhook",
    ),
    "a name": ({"webhook_url": SERVER}, {"mode": "webhook", "webhook_url": SERVER, "label": "Bakery"}, "webhook"),
    "a server's address": ({}, {"webhook_url": SERVER}, "webhook"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_saved_number_is_answered(client: Client, developer: Developer, agent: Agent, way: str) -> None:
    before, sent, mode = WAYS[way]
    number = make_phone_number(developer=developer, **before)
    form = number_form(**{name: value.format(agent=agent.pk) for name, value in sent.items()})
    assert client.post(f"/numbers/{number.pk}", form)["Location"] == f"/numbers/{number.pk}"
    number.refresh_from_db()
    assert number.mode == mode
    call = call_to(number)
    assert (call.mode, call.status, call.hangup_cause or "") == (mode, "ringing", "")
    assert call.agent == number.agent
    html = client.get(f"/numbers/{number.pk}").content.decode()
    assert_valid_page(html)
    assert "Not answered" not in html


def test_your_server_requires_a_url(client: Client, developer: Developer, agent: Agent) -> None:
    number = make_phone_number(developer=developer, agent=agent, mode="streaming")
    form = number_form(agent_id=str(agent.pk), mode="webhook", label="New")
    html = client.post(f"/numbers/{number.pk}", form).content.decode()
    assert "Enter the URL of your server." in html
    number.refresh_from_db()
    assert (number.mode, number.label) == ("streaming", "")


# How the number was answered before, and the other fields of a form with "Nobody".
UNANSWERED: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"mode": "streaming", "system_prompt": "Hello."}, {"system_prompt": "Hello."}),
    ({"webhook_url": SERVER}, {"webhook_url": SERVER}),
    ({}, {"mode_was_chosen": "1", "system_prompt": "For later.", "webhook_url": SERVER}),
    ({}, {"label": "Later"}),
]


@pytest.mark.parametrize(("before", "sent"), UNANSWERED)
def test_nobody_answers_if_that_is_selected(
    client: Client, developer: Developer, before: dict[str, Any], sent: dict[str, str]
) -> None:
    number = make_phone_number(developer=developer, **before)
    assert client.post(f"/numbers/{number.pk}", number_form(**sent)).status_code == 302
    number.refresh_from_db()
    assert (number.mode, number.webhook_url) == ("webhook", "")
    html = client.get(f"/numbers/{number.pk}").content.decode()
    assert '<option value="nobody" selected>' in html and "Not answered" in html


def test_an_agent_without_a_prompt_is_refused_and_nothing_changes(client: Client, developer: Developer) -> None:
    number, silent = make_phone_number(developer=developer), make_agent(developer=developer)
    html = client.post(f"/numbers/{number.pk}", number_form(agent_id=str(silent.pk))).content.decode()
    assert "A system prompt is required" in html
    number.refresh_from_db()
    assert (number.agent_id, number.mode) == (None, "webhook")


def test_a_new_number_says_that_nobody_answers(client: Client, developer: Developer) -> None:
    number = make_phone_number(developer=developer)
    assert "Not answered" in client.get(f"/numbers/{number.pk}").content.decode()
    assert "Not answered" in client.get("/numbers").content.decode()


# Through the API: the number's settings, the PATCH, and the resulting mode.
PATCHES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {}, "streaming"),
    ({}, {"label": "Bakery"}, "streaming"),
    ({}, {"mode": "webhook"}, "webhook"),
    ({"webhook_url": SERVER}, {}, "webhook"),
    ({}, {"webhook_url": SERVER}, "webhook"),
    ({"webhook_url": SERVER}, {"webhook_url": None}, "streaming"),
    ({"webhook_url": SERVER}, {"mode": "streaming"}, "streaming"),
]


@pytest.mark.parametrize(("before", "also", "mode"), PATCHES)
def test_an_agent_linked_through_the_api_answers_unless_a_server_does(
    client: Client, developer: Developer, agent: Agent, before: dict[str, str], also: dict[str, Any], mode: str
) -> None:
    number = make_phone_number(developer=developer, **before)
    body = json.dumps({"agent_id": agent.pk, **also})
    answer = client.generic("PATCH", f"/api/v1/phone-numbers/{number.pk}", body, headers=bearer(developer)).json()[
        "data"
    ]
    number.refresh_from_db()
    assert (answer["agent_id"], answer["mode"], number.mode) == (agent.pk, mode, mode)


def test_an_agent_s_page_can_add_a_number(client: Client, developer: Developer, agent: Agent) -> None:
    number = make_phone_number(developer=developer, webhook_url=SERVER)
    assert f'<option value="{number.pk}">' in client.get(f"/agents/{agent.pk}").content.decode()
    page = f"/agents/{agent.pk}"
    assert client.post(f"{page}/numbers", {"number": str(number.pk)})["Location"] == page
    number.refresh_from_db()
    assert (number.agent, number.mode) == (agent, "streaming")
    assert call_to(number).status == "ringing"
    assert f'<option value="{number.pk}">' not in client.get(page).content.decode()
    foreign = make_phone_number()
    assert client.post(f"{page}/numbers", {"number": str(foreign.pk)}).status_code == 404
    for wrong in ("", "x", "9" * 30):
        assert client.post(f"{page}/numbers", {"number": wrong}, follow=True).status_code == 200
    foreign.refresh_from_db()
    assert (foreign.agent, foreign.mode) == (None, "webhook")


def test_linking_an_agent_with_missing_variables_shows_a_warning(
    client: Client, developer: Developer, agent: Agent
) -> None:
    number = make_phone_number(developer=developer)
    path = f"/agents/{agent.pk}/numbers"
    whole = client.post(path, {"number": str(number.pk)}, follow=True).content.decode()
    assert "have no value for" not in whole
    Agent.objects.filter(pk=agent.pk).update(system_prompt="Hi {{customer_name}}.")
    other = make_phone_number(developer=developer)
    warned = client.post(path, {"number": str(other.pk)}, follow=True).content.decode()
    assert f"Inbound calls to {other.e164} have no value for {{{{customer_name}}}}." in warned


def test_a_purchase_with_an_agent_that_cannot_answer_is_refused(client: Client, developer: Developer) -> None:
    silent, foreign = make_agent(developer=developer), make_agent(system_prompt="Hello.")
    form = {"phone_number": "+14155550177", "country_code": "US", "number_type": "local", "label": ""}
    for chosen in (silent, foreign):
        assert client.post("/numbers/buy", {**form, "answered_by": str(chosen.pk)}).status_code == 200
    for url, text in (("", "Enter the URL of your server."), ("ftp://x", "http")):
        sent = {**form, "answered_by": "server", "webhook_url": url}
        assert text in client.post("/numbers/buy", sent).content.decode()
    assert "Choose who answers." in client.post("/numbers/buy", form).content.decode()
    assert (PhoneNumber.objects.count(), NumberPurchase.objects.count()) == (0, 0)
    assert ledger.balance(developer.pk) == Decimal(10)
    with pytest.raises(services.InvalidRequest):
        services.buy_number(developer=developer, phone_number="+14155550177", agent_id=foreign.pk)
