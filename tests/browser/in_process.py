"""A browser for pages of the test's own process, which only need a thread, not a platform."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import ARGUMENTS


@contextmanager
def open_browser(chromium_path: str) -> Iterator[Browser]:
    """The test cannot use the database in this context, because Playwright runs an event loop in its thread."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def open_page(browser: Browser, url: str, client: Client | None = None, **options: Any) -> Iterator[Page]:
    """A page on pytest-django's server at `url`, signed in like the test client. `options` are passed to the Playwright context."""
    context = browser.new_context(base_url=url, reduced_motion="reduce", **options)
    if client is not None:
        name = settings.SESSION_COOKIE_NAME
        context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": url}])
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    context.close()
