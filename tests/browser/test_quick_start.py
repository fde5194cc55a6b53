"""The first minutes, counted in clicks and seconds. Also an agent with a tool, and controlling a running call."""

import json
import re
import time
from collections.abc import Callable

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import HEARD, MICROPHONE
from tests.browser.test_phone import own_number, say, state, wait_until_heard, wait_until_quiet
from tests.flows.platform import Platform

pytestmark = pytest.mark.browser
PROMPT = "You are the voice of Ada's Bakery. We are open every day from 7 a.m. to 3 p.m."
DATE = {"type": "string", "description": "The day"}
TOOLS = [
    {
        "name": "check_availability",
        "description": "Is a table free?",
        "parameters": {"type": "object", "properties": {"date": DATE}, "required": ["date"]},
    }
]


# Runs in every page before its scripts: counts clicks since the tab was opened.
COUNT_CLICKS = """
addEventListener("click", (event) => {
  if (event.isTrusted) sessionStorage.clicks = 1 + Number(sessionStorage.clicks ?? 0);
}, true);
"""


def take_clicks(page: Page) -> int:
    """The number of clicks since the last call of this function."""
    return int(
        page.evaluate("() => { const count = sessionStorage.clicks ?? 0; sessionStorage.clicks = 0; return count; }")
    )


def test_from_sign_up_to_a_spoken_call(open_page: Callable[..., Page], question: str) -> None:
    """Four clicks and 15 s to an agent that speaks. Eight more and 60 s to calling it by phone, with a custom prompt."""
    page = open_page()
    page.add_init_script(COUNT_CLICKS)
    page.goto("/signup")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Email").fill("ada@example.com")
    page.get_by_label("Password").fill("secret123")
    began = time.monotonic()
    page.get_by_role("button", name="Create account").click()
    page.get_by_role("button", name=re.compile("Receptionist")).click()
    page.get_by_role("button", name="Talk", exact=True).click()
    page.get_by_role("button", name="Start talking").click()
    wait_until_heard(page)
    assert time.monotonic() - began < 15
    assert take_clicks(page) == 4
    expect(page.get_by_text("The offline model answers.")).to_be_visible()
    expect(page.locator("#test")).to_have_attribute("data-state", "talking")

    began = time.monotonic()
    page.get_by_role("button", name="Hang up").click()
    page.get_by_label("Name", exact=True).first.fill("Baker")
    page.get_by_label("System prompt").fill(PROMPT)
    expect(page.locator("#draft-state")).to_contain_text("Draft saved")
    page.reload()
    expect(page.get_by_label("System prompt")).to_have_value(PROMPT)
    page.get_by_role("button", name="Publish").first.click()
    expect(page.locator("h1")).to_have_text("Baker")
    expect(page.get_by_text("Version 2 is live")).to_be_visible()
    page.get_by_role("link", name="get a phone number").click()
    expect(page.locator("tbody tr").first).to_contain_text("+1 ")
    page.locator("tbody tr").first.get_by_role("link", name=re.compile("Buy")).click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Total due now")
    dialog.get_by_role("button", name="Add $20.00 test credit").click()
    expect(dialog.get_by_label("Who answers?").locator("option:checked")).to_have_text("Baker")
    dialog.get_by_role("button", name="Buy for $6.00").click()
    assert page.get_by_role("textbox", name="Webhook secret").input_value().startswith("whsec_")
    page.get_by_role("link", name="Call this number").click()
    state(page, "ready")
    page.get_by_role("button", name="Call", exact=True).click()
    state(page, "talking")
    wait_until_heard(page)
    assert time.monotonic() - began < 60
    assert take_clicks(page) == 8
    wait_until_quiet(page)
    say(page, question)
    talk = page.locator("#conversation")
    expect(talk.locator("li.user .said").first).to_contain_text(HEARD, timeout=20_000)
    expect(talk.locator("li.model .said").nth(1)).to_contain_text("7 a.m. to 3 p.m.", timeout=20_000)
    page.get_by_role("button", name="Hang up").click()
    state(page, "ended")
    talk.get_by_role("link", name="View call").click()
    expect(page.get_by_text("Ended normally.")).to_be_visible()
    first = page.locator(".chat .user .at").first
    first.click()
    expect(page.locator(".chat li.user").first).to_have_class(re.compile("now"))  # playback jumps to the clicked time
    page.get_by_role("link", name="Overview").first.click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_role("heading", name="First steps")).to_have_count(0)


def build_a_tool(page: Page) -> None:
    """Use fields and JSON together: edits in one appear in the other and survive a reload. Invalid JSON stays as typed."""
    builder, text = page.locator("#tool-builder"), page.get_by_role("textbox", name="Tools", exact=True)
    builder.get_by_text("Edit as JSON").click()
    with page.expect_response(lambda answer: "x-kept" in (answer.request.post_data or "")):
        text.fill('[{"x-kept": 1.0]')
    expect(builder.get_by_text("Line 1, column 16: expected a comma or }.")).to_be_visible()
    page.reload()
    expect(text).to_have_value('[{"x-kept": 1.0]')
    text.fill("")
    builder.get_by_role("button", name="Add tool").click()
    builder.get_by_label("Name").fill("check_availability")
    builder.get_by_label("Purpose").fill("Is a table free?")
    builder.get_by_role("button", name="Add parameter").click()
    builder.get_by_label("Name").last.fill("date")
    builder.get_by_label("Description").fill("The day")
    builder.get_by_label("Description").press("Tab")
    assert json.loads(text.input_value()) == TOOLS
    expect(page.locator("#tools-check")).to_contain_text("check_availability")
    expect(page.locator(".htmx-request")).to_have_count(
        0
    )  # each change requests another check; wait for the last response


def test_an_agent_with_a_tool(demo_page: Page, platform: Platform) -> None:
    page = demo_page
    page.goto("/agents/new")
    page.get_by_role("button", name=re.compile("Blank")).click()
    page.wait_for_url(re.compile(r"/agents/\d+"))  # wait until its scripts listen to input
    page.get_by_label("Name", exact=True).first.fill("Host")
    page.get_by_label("System prompt").fill("You greet {{guest}} at the door.")
    expect(page.locator("#prompt-preview mark")).to_have_text("{{guest}}")
    page.get_by_text("Caller and variables").click()
    page.locator("#variable-guest").fill("Ms Weber")
    page.locator("#variable-guest").press("Tab")
    expect(page.locator("#prompt-preview mark")).to_have_text("Ms Weber")
    page.get_by_role("link", name="Tools", exact=True).click()
    page.get_by_label("Tool webhook URL").fill(f"{platform.url}/sandbox/demo-tool")
    build_a_tool(page)
    page.locator("#tools-check summary").click()
    page.get_by_role("button", name="Test tool").click()
    result = page.locator("#result-check_availability")
    expect(result).to_contain_text("The model receives this result.", timeout=20_000)
    with page.expect_response(lambda answer: "action=look" in (answer.request.post_data or "")):
        page.get_by_role("button", name="Check tools").click()
    expect(page.locator(".htmx-request")).to_have_count(0)
    expect(result).to_contain_text("We have tables at")  # a later check keeps the result
    page.get_by_label("Message").fill("Please check the availability for tomorrow.")
    page.get_by_label("Message").press("Enter")
    talk = page.locator("#conversation")
    expect(talk.locator("li.user .said")).to_contain_text("availability for tomorrow")
    expect(talk.locator("li.aside code")).to_have_text("check_availability")
    expect(talk.locator("li.model .said").last).to_contain_text("We have tables at")
    talk.locator("li.aside summary").click()
    expect(talk.locator("li.aside pre").first).to_contain_text('"date"')
    page.get_by_role("link", name="After the call").click()
    page.get_by_role("button", name="Add field").click()
    rows = page.locator("#analysis .schema-row")
    expect(rows).to_have_count(2)
    rows.first.get_by_label("Name").fill("outcome")
    rows.first.get_by_label("Type").select_option("selector")
    rows.first.get_by_label("Options").fill("seated\nleft")
    rows.first.get_by_label("Description").fill("How it ended")
    page.keyboard.press("Control+s")
    expect(page.locator("h1")).to_have_text("Host")
    expect(page.locator("#analysis .schema-row").first.get_by_label("Options")).to_have_value("seated\nleft")
    page.get_by_role("button", name="Delete agent").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete agent").click()
    expect(page.get_by_text("Agent deleted.")).to_be_visible()


def test_a_running_call_can_be_controlled(
    demo_page: Page, platform: Platform, api: httpx2.Client, question: str
) -> None:
    phone = demo_page
    phone.goto("/phone")
    state(phone, "ready")
    order = {"from": platform.demo["numbers"][0], "to": own_number(phone), "mode": "streaming"}
    call_id = api.post("/calls", json=order).json()["data"]["id"]
    state(phone, "incoming")
    expect(phone).to_have_title("Incoming call from +1 415-555-0100")
    phone.get_by_role("button", name="Accept").click()
    state(phone, "talking")
    expect(phone).to_have_title("Phone · BubblyPhone Agents")
    page = phone.context.new_page()
    page.add_init_script(MICROPHONE)
    page.goto(f"/calls/{call_id}")
    expect(page.locator(".chat .model .said").first).to_contain_text("Luna Trattoria", timeout=20_000)
    wait_until_quiet(phone)
    page.get_by_role("button", name="Listen in").click()
    expect(page.locator("#live-state")).to_contain_text("You hear both sides")
    page.get_by_label("Whisper to the agent").fill("Tell the caller that the chef is back.")
    page.get_by_role("button", name="Whisper", exact=True).click()
    expect(page.locator("#messages")).to_contain_text("Whispered to the agent.")
    expect(page.get_by_label("Whisper to the agent")).to_have_value("")
    page.wait_for_function("() => document.getElementById('level-agent').value > 0.3")
    expect(page.locator(".chat .model .said").last).to_contain_text("The chef is back.")
    wait_until_quiet(phone)
    page.get_by_role("button", name="Take over").click()
    expect(page.locator("#live-state")).to_contain_text("The other party hears you.")
    say(page, question)
    wait_until_heard(phone, since=phone.evaluate("() => window.loudAt"))
    expect(page.locator(".chat .human .said")).to_contain_text(HEARD)
    page.get_by_role("button", name="Return to the agent").click()
    expect(page.locator(".chat .model .said").last).to_contain_text("I am back with you.")
    expect(page.locator(".timeline")).to_contain_text("Returned to the agent by demo@")
    page.get_by_role("button", name="Hang up").click()
    expect(page.locator("#messages")).to_contain_text("Hanging up.")
    state(phone, "ended")
    expect(page.get_by_text("Ended normally.")).to_be_visible(timeout=20_000)
    expect(page.locator("#call-controls, #call-follow")).to_have_count(0)
