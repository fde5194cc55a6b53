"""The Sandbox and Phone pages."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from accounts.models import Developer
from billing import ledger
from calls.models import Call
from sandbox.handset_numbers import handset_number
from tests.factories import make_developer
from tests.pages.rows import make_call, make_number
from tests.pages.signed_in import assert_valid_page, signed_in_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


@pytest.fixture
def developer() -> Developer:
    return make_developer(email="jane@example.com")


@pytest.fixture
def client(developer: Developer) -> Client:
    return signed_in_client(developer)


def test_the_phone_page_requires_an_exchange(client: Client, developer: Developer, settings: Any) -> None:
    settings.EXCHANGE_URL = ""
    assert client.get("/phone").status_code == 404
    settings.EXCHANGE_URL = "http://127.0.0.1:9"
    number = make_number(developer)
    html = client.get(f"/phone?to={number.e164.replace('+', '%2B')}").content.decode()
    assert_valid_page(html)
    assert "selected" in html


def test_the_phone_page_shows_its_own_newest_call(client: Client, developer: Developer) -> None:
    number = make_number(developer)
    assert client.get("/phone/call").status_code == 204
    make_call(developer, number, from_number="+12025550143")  # not from this phone
    assert client.get("/phone/call").status_code == 204
    call = make_call(developer, number, from_number=handset_number(developer))
    html = client.get("/phone/call?after=0").content.decode()
    assert f'data-call-id="{call.pk}" data-over="1"' in html
    assert client.get(f"/phone/call?after={call.pk}").status_code == 204


def test_a_sandbox_call_starts_or_says_why_not(client: Client, developer: Developer) -> None:
    number = make_number(developer, mode="streaming", model_slug="local-offline", system_prompt="You sell bread.")
    poor = client.post("/sandbox/start", {"agent": str(number.pk)})
    assert poor.status_code == 402
    assert poor.json()["message"]
    ledger.test_credit(developer_id=developer.pk, amount=Decimal(25), key="start")
    started = client.post("/sandbox/start", {"agent": str(number.pk), "system_prompt": "You sell cake."})
    assert started.status_code == 200
    call = Call.objects.get()
    assert call.config["system_prompt"] == {"value": "You sell cake.", "source": "request"}
    answer = started.json()
    assert answer["ws_url"].startswith(f"{settings.PUBLIC_WS_URL}/sandbox/ws/{call.public_id}?token=")
    assert answer["summary_url"] == f"/calls/{call.pk}/panel/live_summary"
    assert client.post("/sandbox/start", {"agent": "999"}).status_code == 422
    other = make_number(make_developer(), "+14155550101", mode="streaming", system_prompt="x")
    assert client.post("/sandbox/start", {"agent": str(other.pk)}).status_code == 422


def test_the_sandbox_asks_for_the_variables_of_the_selected_agent(client: Client, developer: Developer) -> None:
    ledger.test_credit(developer_id=developer.pk, amount=Decimal(25), key="variables")
    number = make_number(
        developer,
        mode="streaming",
        model_slug="local-offline",
        system_prompt="Greet {{customer_name}} of {{company}} on {{current_date}}, {{mood|kindly}}.",
        greeting_message="Hello {{customer_name}}.",
        default_variables={"company": "Example <Ltd>"},
    )
    html = client.get("/sandbox").content.decode()
    assert_valid_page(html)
    assert re.findall(r'name="variable\.(\w+)"', html) == ["customer_name", "company", "mood"]
    assert 'value="Example &lt;Ltd&gt;"' in html and 'placeholder="kindly"' in html
    assert html.count("No default. Left out if empty.") == 1
    form = {"agent": str(number.pk), "variable.customer_name": "", "variable.company": "", "variable.mood": ""}
    refused = client.post("/sandbox/start", {**form, "press": "1"})
    assert (refused.status_code, refused.json()) == (422, {"message": "Enter a value for customer_name."})
    assert not Call.objects.exists()
    assert client.post("/sandbox/start", {**form, "variable.customer_name": "Jane", "press": "2"}).status_code == 200
    call = Call.objects.get()
    assert re.fullmatch(r"Greet Jane of  on \d{4}-\d\d-\d\d, kindly\.", call.config["system_prompt"]["value"])
    assert call.config["greeting_message"]["value"] == "Hello Jane."
    assert call.dynamic_variables == {"customer_name": "Jane", "company": ""}


def test_the_variables_match_the_agent_and_the_prompt_and_keep_their_values(
    client: Client, developer: Developer
) -> None:
    number = make_number(developer, mode="streaming", model_slug="local-offline", system_prompt="Hi {{customer_name}}.")
    prompt = "Sell {{what}} to {{customer_name}}."
    typed = {"agent": str(number.pk), "system_prompt": prompt, "variable.customer_name": "Jane"}
    html = client.post("/sandbox/variables", typed).content.decode()
    assert re.findall(r'name="variable\.(\w+)"', html) == ["what", "customer_name"]
    assert 'value="Jane"' in html
    demo = client.post("/sandbox/variables", {**typed, "agent": "demo"}).content.decode()
    assert "variable." not in demo
