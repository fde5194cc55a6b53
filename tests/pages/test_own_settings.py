"""A number's page lists the settings in which it differs from its agent."""

import re

import pytest

from agents.services import update_agent
from agents.versions import get_version
from phone_numbers.dashboard.own_settings import OwnSetting, own_settings
from tests.factories import make_agent, make_developer, make_phone_number
from tests.pages.rows import number_form
from tests.pages.signed_in import assert_valid_page, signed_in_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]


def test_settings_are_shown_next_to_the_agent_s_values() -> None:
    developer = make_developer()
    agent = make_agent(
        developer=developer,
        name="Baker",
        model_slug="local-offline",
        system_prompt="Sell\nbread. " + "x" * 90,
        interruptible=False,
    )
    number = make_phone_number(
        developer=developer,
        mode="streaming",
        agent=agent,
        system_prompt="Sell cake.",
        silence_timeout=20,
        interruptible=True,
    )
    expected = [
        OwnSetting("System prompt", "Sell cake.", f"Sell bread. {'x' * 67}…"),
        OwnSetting("Silence timeout (seconds)", "20", ""),
        OwnSetting("Callers can interrupt", "On", "Off"),
    ]
    assert sorted(own_settings(number), key=str) == sorted(expected, key=str)
    client = signed_in_client(developer)
    html = client.get(f"/numbers/{number.pk}").content.decode()
    assert_valid_page(html)
    assert "<s>Sell cake.</s>" in html
    assert '<details class="own" id="own-settings"><summary>' in html
    refused = client.post(
        f"/numbers/{number.pk}", number_form(mode="streaming", agent_id=str(agent.pk), silence_timeout="1")
    ).content.decode()
    assert '<details class="own" id="own-settings" open>' in refused


def test_settings_are_compared_with_the_pinned_version() -> None:
    agent = make_agent(system_prompt="Sell bread.", silence_timeout=60)
    number = make_phone_number(developer=agent.developer, agent=agent, silence_timeout=20)
    number.agent_version = get_version(agent, 1)
    update_agent(agent=agent, changes={"silence_timeout": None})
    assert own_settings(number) == [OwnSetting("Silence timeout (seconds)", "20", "60")]


def test_without_an_agent_nothing_is_compared_and_without_differences_the_page_says_so() -> None:
    agent = make_agent(system_prompt="Sell bread.")
    client = signed_in_client(agent.developer)
    alone = make_phone_number(developer=agent.developer, silence_timeout=20)
    html = client.get(f"/numbers/{alone.pk}").content.decode()
    assert "own-settings" not in html
    assert re.search(r"<h2>Who answers\?</h2>", html)
    unused = make_phone_number(developer=agent.developer, agent=agent)  # a server answers, or nobody
    assert "own-settings" not in client.get(f"/numbers/{unused.pk}").content.decode()
    linked = make_phone_number(developer=agent.developer, agent=agent, mode="streaming")
    assert "No differences. All settings come from the agent." in client.get(f"/numbers/{linked.pk}").content.decode()
