"""Importing tools from an OpenAPI document into an agent's draft."""

import html
import json
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from agents.dashboard.editor import Editor
from agents.models import Agent
from tests.agents.test_openapi_import import ROOMS, SERVER
from tests.factories import make_agent, make_developer
from tests.pages.signed_in import assert_valid_page, signed_in_client
from tests.pages.test_agents import TOOLS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


def full_agent() -> Agent:
    """An agent with a value in every kind of field, all of which a draft must keep."""
    return make_agent(
        developer=make_developer(),
        description="For “guests”",
        system_prompt="Be brief.\nBe {{tone|kind}}.",
        tools=TOOLS,
        tool_webhook_url="http://127.0.0.1:9/tools",
        recording_enabled=True,
        auto_transfer_tool=False,
        max_call_duration=600,
        default_variables={"tone": "calm", "lines": "a\nb"},
        analysis_schema={"sold": {"type": "boolean", "description": "Sold?"}},
    )


def shown_tools(content: bytes) -> list[str]:
    assert_valid_page(content.decode())
    return [
        html.unescape(value) for value in re.findall(r'name="tool" id="tool-\d+" value="([^"]+)"', content.decode())
    ]


def test_selected_operations_are_added_to_the_draft_which_keeps_everything_else() -> None:
    agent = full_agent()
    client = signed_in_client(agent.developer)
    path = f"/agents/{agent.pk}/import-tools"
    file = SimpleUploadedFile("rooms.yaml", ROOMS.encode())
    page = client.post(path, {"document": "", "file": file, "server": ""})
    listing, booking = shown_tools(page.content)
    assert "<code>TOKEN</code>" in page.content.decode()
    assert json.loads(booking)["url"] == f"{SERVER}/rooms/{{room_id}}/guests"
    answer = client.post(path, {"add": "1", "tool": [listing, booking]}, follow=True)
    assert "2 tools were added to the draft." in answer.content.decode()
    agent.refresh_from_db()
    assert agent.tools == TOOLS
    editor = Editor(None, agent=agent)
    assert (editor.is_sound(), editor.changes()) == (
        True,
        {"tools": [*TOOLS, json.loads(listing), json.loads(booking)]},
    )
    # A second import starts from that draft.
    again = shown_tools(client.post(path, {"document": ROOMS}).content)
    assert [json.loads(tool)["name"] for tool in again] == ["rooms_list_2", "post_rooms_room_id_guests_2"]


@pytest.mark.parametrize("chosen", [[], ["{"], ['{"name": "1"}'], ['{"name": "a", "url": "ftp://a.example"}']])
def test_invalid_tools_are_not_added(chosen: list[Any]) -> None:
    agent = full_agent()
    answer = signed_in_client(agent.developer).post(f"/agents/{agent.pk}/import-tools", {"add": "1", "tool": chosen})
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/agents/{agent.pk}/import-tools")
    agent.refresh_from_db()
    assert agent.draft == ""
    assert signed_in_client(make_developer()).get(f"/agents/{agent.pk}/import-tools").status_code == 404


def test_a_large_document_can_be_uploaded_but_not_pasted() -> None:
    agent = full_agent()
    client = signed_in_client(agent.developer)
    path = f"/agents/{agent.pk}/import-tools"
    document = f"{ROOMS}\n" + "# A remark.\n" * 150_000
    page = client.post(path, {"document": "", "file": SimpleUploadedFile("rooms.yaml", document.encode())})
    assert len(shown_tools(page.content)) == 2
    chosen = client.post(path, {"document": ROOMS, "words": "guests"})
    assert [json.loads(tool)["method"] for tool in shown_tools(chosen.content)] == ["POST"]
    assert "No operation has these words." in client.post(path, {"document": ROOMS, "words": "cars"}).content.decode()
    refused = client.post(path, {"document": document * 2})
    assert refused.status_code == 413
    assert "A form can have at most 1 MiB of text." in refused.content.decode()
    too_large = SimpleUploadedFile("rooms.yaml", document.encode() * 6)
    answer = client.post(path, {"document": "", "file": too_large}).content.decode()
    assert "The document is larger than 10 MiB. Remove what you do not need." in answer
