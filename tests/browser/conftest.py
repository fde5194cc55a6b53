"""A platform as `make run` starts it, and a Chromium with a simulated microphone."""

import asyncio
import base64
import io
import re
import wave
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from agents import speech
from tests.browser.pages import seed
from tests.flows.platform import Platform

QUESTION = "What are your opening hours?"
HEARD = re.compile("opening.hours", re.IGNORECASE)  # part of QUESTION, however it is transcribed
RATE = 16_000
# Replaces `getUserMedia`: tests play recordings into this microphone. It is silent otherwise.
MICROPHONE = (Path(__file__).parent / "microphone.js").read_text()
# A machine that also runs other tests responds slowly.
expect.set_options(timeout=20_000)
ARGUMENTS = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Function) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the end of the platform's log to the report of a failed test."""
    report = yield
    running = item.funcargs.get("platform")
    if report.failed and isinstance(running, Platform):
        report.sections.append(("the platform's log", running.log_end()))
    return report


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    started = Platform(tmp_path_factory.mktemp("browser-platform"))
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="session")
def seeded(platform: Platform) -> dict[str, Any]:
    """Fill the demo account with data. Returns the IDs used in `tests.browser.pages.PAGES`."""
    return seed(platform.data_dir)


@pytest.fixture(scope="session")
def api(platform: Platform) -> Iterator[httpx2.Client]:
    """An API client with the demo account's key."""
    headers = {"Authorization": f"Bearer {platform.demo['api_key']}"}
    with httpx2.Client(base_url=f"{platform.url}/api/v1", headers=headers, timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def question() -> str:
    """QUESTION, spoken by the offline voice, as a base64 WAV file."""
    if not speech.is_installed():
        pytest.skip("needs the offline packages to speak")
    return base64.b64encode(asyncio.run(_spoken(QUESTION))).decode()


async def _spoken(text: str) -> bytes:
    try:
        pcm = b"".join([piece async for piece in speech.synthesize(text, RATE)])
    finally:
        await speech.close()
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(pcm)
    return file.getvalue()


# Playwright keeps an event loop running in the thread, which would break asynchronous tests elsewhere. So it lives for one module only.
@pytest.fixture(scope="module")
def chromium(chromium_path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        yield browser
        browser.close()


def is_complaint(message: ConsoleMessage) -> bool:
    """htmx also logs an error for a request that was aborted because the user left the page."""
    return message.type == "error" and not message.text.startswith(("htmx:afterRequest", "htmx:sendAbort"))


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """Errors on any page. A test that causes an error on purpose removes it from the list."""
    complaints: list[str] = []
    yield complaints
    assert complaints == []


@pytest.fixture
def open_page(chromium: Browser, platform: Platform, complaints: list[str]) -> Iterator[Callable[..., Page]]:
    """Opens pages on the platform. At the end of the test, none of them may have had an error."""
    contexts: list[BrowserContext] = []

    def open_page(*, width: int = 1280, height: int = 900, dark: bool = False, microphone: bool = True) -> Page:
        scheme = "dark" if dark else "light"
        context = chromium.new_context(
            base_url=platform.url,
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            reduced_motion="reduce",  # without a graphics card, animations would use the CPU
        )
        contexts.append(context)
        if microphone:
            context.add_init_script(MICROPHONE)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def demo_page(open_page: Callable[..., Page], platform: Platform) -> Page:
    """A page where the demo account is signed in."""
    page = open_page()
    sign_in(page, platform)
    return page


def sign_in(page: Page, platform: Platform) -> None:
    page.goto("/login")
    page.get_by_label("Email").fill(platform.demo["email"])
    page.get_by_label("Password").fill(platform.demo["password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{platform.url}/")
