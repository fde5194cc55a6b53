"""Input that the agent editor refuses: analysis schemas, and arguments for testing a tool. Nothing is saved or sent."""

import re
from html import unescape

import pytest

from agents.models import Agent
from tests.factories import make_agent, make_developer
from tests.fakes.recording_server import RecordingServer
from tests.pages.signed_in import assert_valid_page, signed_in_client
from tests.pages.test_agents import agent_form, trial
from tests.pages.test_form_errors import summary_of
from tests.pages.world import digest

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]

NAME_RULE = "A name must start with a letter or underscore and contain only letters, digits, and underscores."
REQUIRED = "This field is required."
NO_CHOICE = "Select a valid choice. date is not one of the available choices."
GOOD = {"name": "kept", "description": "Is it kept?"}


@pytest.mark.parametrize(
    ("row", "errors"),
    [
        ({"name": "a b", "description": "x"}, {"name": NAME_RULE}),
        ({"name": "1st", "description": "x"}, {"name": NAME_RULE}),
        ({"name": "é", "description": "x"}, {"name": NAME_RULE}),
        ({"name": "a" * 65, "description": "x"}, {"name": "Use at most 64 characters."}),
        ({"name": "", "description": "x"}, {"name": REQUIRED}),
        ({"name": "a", "description": ""}, {"description": REQUIRED}),
        ({"name": "a", "description": "x" * 1001}, {"description": "Use at most 1000 characters."}),
        ({"name": "a", "type": "date", "description": "x"}, {"type": NO_CHOICE}),
        ({"name": "a", "type": "selector", "description": "x"}, {"options": "A selector must have a list of 1 to 50 options."}),
        ({"name": "a", "type": "selector", "description": "x", "options": "b\nb"}, {"options": "Options must be unique."}),
        ({"name": "a b", "type": "date", "description": ""}, {"type": NO_CHOICE, "description": REQUIRED}),
    ],
)  # fmt: skip
def test_an_invalid_schema(row: dict[str, str], errors: dict[str, str]) -> None:
    developer = make_developer()
    client, agent = signed_in_client(developer), make_agent(developer=developer, name="Before")
    before = digest()
    response = client.post(f"/agents/{agent.pk}", agent_form(GOOD, row, name="After"))
    html = response.content.decode()
    assert response.status_code == 200
    assert_valid_page(html)
    anchors = set(re.findall(r'<a href="#id_analysis-1-(\w+)">', summary_of(html)))
    found = {
        name: re.findall(rf'id="id_analysis-1-{name}_error"[^>]*>\s*(?:<li>)?(.*?)</', html, re.DOTALL)
        for name in anchors
    }
    assert {name: unescape(texts[0]).strip() for name, texts in found.items()} == errors
    assert digest() == before
    assert Agent.objects.get().name == "Before"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("[]", "The arguments must be a JSON object."),
        ('"text"', "The arguments must be a JSON object."),
        ("null", "The arguments must be a JSON object."),
        ("{", "not valid JSON: "),
        ('{"a": 1,}', "not valid JSON: "),
        ('{"a": NaN}', "not valid JSON: "),
        ('{"a": 1e999}', "not valid JSON: "),
        ('{"a": "\\ud800"}', "not valid JSON: "),
        ('{"a": "\\u0000"}', "invalid: it contains a null character"),
        ('{"a": ' + "[" * 64 + "]" * 64 + "}", "nested more than 64 levels deep"),
        ('{"a": ' + "9" * 5000 + "}", "not valid JSON: "),
    ],
    ids=lambda value: value[:20],
)
@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}], ids=["page", "htmx"])
def test_arguments_that_cannot_be_sent(arguments: str, text: str, headers: dict[str, str]) -> None:
    client = signed_in_client(make_developer())
    with RecordingServer([]) as server:
        form = trial(None, server.url, arguments)
        before = digest()
        response = client.post("/agents/try-tool", form, headers=headers, follow=True)
        assert (response.status_code, server.requests) == (200, [])
    assert f"These arguments cannot be sent: {text}" in unescape(response.content.decode())
    assert digest() == before
