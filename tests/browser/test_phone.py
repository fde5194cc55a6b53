"""The Phone page: calling an agent by voice, and receiving calls."""

import re
from collections.abc import Callable

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import HEARD, sign_in
from tests.flows.platform import Platform

pytestmark = pytest.mark.browser


def own_number(page: Page) -> str:
    number = page.locator(".page-head strong").inner_text()
    return re.sub(r"[^+\d]", "", number)


def state(page: Page, name: str) -> None:
    expect(page.locator("#phone")).to_have_attribute("data-state", name, timeout=20_000)


def wait_until_heard(page: Page, *, since: float = 0) -> None:
    """Wait for loud audio after a time on the page's clock (see microphone.js)."""
    page.wait_for_function("since => window.loudAt > since", arg=since, timeout=20_000)


def wait_until_quiet(page: Page) -> None:
    """Wait until the agent stops speaking."""
    page.wait_for_function("() => performance.now() - window.loudAt > 1000", timeout=20_000)


def say(page: Page, speech: str) -> float:
    """Speak into the microphone. Returns the time on the page's clock."""
    page.evaluate("speech => say(speech)", speech)
    return float(page.evaluate("() => performance.now()"))


def test_talking_to_an_agent(demo_page: Page, question: str, platform: Platform) -> None:
    page = demo_page
    page.get_by_role("link", name="Phone", exact=True).click()
    state(page, "ready")
    page.get_by_label("Number to call").fill(platform.demo["numbers"][0])
    page.get_by_role("button", name="Call", exact=True).click()
    state(page, "talking")
    talk = page.locator("#conversation")
    expect(talk.locator("li.model .said").first).to_contain_text("Luna Trattoria", timeout=20_000)
    wait_until_heard(page)
    wait_until_quiet(page)
    asked_at = say(page, question)
    expect(talk.locator("li.user .said").first).to_contain_text(HEARD, timeout=20_000)
    expect(talk.locator("li.model .said").nth(1)).to_contain_text("5 p.m. to 10 p.m.", timeout=20_000)
    wait_until_heard(page, since=asked_at + 1500)  # the question itself takes this long
    assert int(page.locator("#level-out").get_attribute("data-played-ms") or 0) > 3000
    page.get_by_role("button", name="Hang up").click()
    state(page, "ended")
    talk.get_by_role("link", name="View call").click()
    expect(page.locator("h1")).to_contain_text("Call from")
    expect(page.get_by_text("Ended normally.")).to_be_visible()
    expect(page.locator("#call-total")).to_have_text("$0.04")  # one billed minute inbound; local-offline is free
    expect(page.locator(".timeline")).to_contain_text("Caller and model connected")
    expect(page.locator(".chat .user .said").first).to_contain_text(HEARD)


def test_being_called_by_an_agent(demo_page: Page, platform: Platform, api: httpx2.Client) -> None:
    page = demo_page
    page.goto("/phone")
    state(page, "ready")
    order = {"from": platform.demo["numbers"][0], "to": own_number(page), "mode": "streaming"}
    placed = api.post("/calls", json=order)
    assert placed.status_code == 201, placed.text
    state(page, "incoming")
    expect(page.locator("#party")).to_have_text("+1 415-555-0100")
    page.get_by_role("button", name="Accept").click()
    state(page, "talking")
    wait_until_heard(page)
    page.get_by_role("button", name="Mute").click()
    expect(page.get_by_role("button", name="Unmute")).to_have_attribute("aria-pressed", "true")
    page.locator("[data-digit='5']").click()
    assert api.post(f"/calls/{placed.json()['data']['id']}/hangup").is_success
    state(page, "ended")
    expect(page.locator("#state")).to_have_text("Call ended")


def test_declining_a_call(demo_page: Page, platform: Platform, api: httpx2.Client) -> None:
    page = demo_page
    page.goto("/phone")
    state(page, "ready")
    order = {"from": platform.demo["numbers"][0], "to": own_number(page), "mode": "streaming"}
    placed = api.post("/calls", json=order).json()["data"]
    state(page, "incoming")
    page.get_by_role("button", name="Decline").click()
    state(page, "ended")
    page.goto(f"/calls/{placed['id']}")
    expect(page.get_by_text("The call was declined.")).to_be_visible()
    ended = api.get(f"/calls/{placed['id']}").json()["data"]
    assert (ended["status"], ended["hangup_cause"], ended["total_cost"]) == ("failed", "rejected", "0.00")


def test_an_invalid_number_is_not_dialed(demo_page: Page) -> None:
    page = demo_page
    page.goto("/phone")
    state(page, "ready")
    page.get_by_label("Number to call").fill("415 555")
    page.get_by_role("button", name="Call", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("with + and country code")
    state(page, "ready")


def test_the_selected_microphone_is_used_and_a_denial_explained(
    open_page: Callable[..., Page], platform: Platform
) -> None:
    page = open_page(microphone=False)
    page.add_init_script("""
        navigator.mediaDevices.enumerateDevices = async () => [{ kind: "audioinput", deviceId: "h1", label: "Headset" }];
        navigator.mediaDevices.getUserMedia = async (wanted) => {
            window.microphone = wanted.audio.deviceId;
            throw new DOMException("denied", "NotAllowedError");
        };
    """)
    sign_in(page, platform)
    page.goto("/phone")
    state(page, "ready")
    page.get_by_label("Microphone").select_option(label="Headset")
    page.get_by_role("button", name="Call", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Microphone access was denied.")
    assert page.evaluate("window.microphone") == {"exact": "h1"}
    state(page, "ready")
    page.goto("/sandbox")
    expect(page.get_by_label("Microphone")).to_have_value("h1")  # the browser remembers it


def test_a_second_window_takes_over_the_phone(demo_page: Page) -> None:
    first = demo_page
    first.goto("/phone")
    state(first, "ready")
    second = first.context.new_page()
    second.goto("/phone")
    state(second, "ready")
    state(first, "lost")
    expect(first.locator("#state")).to_have_text("Phone open in another window")
