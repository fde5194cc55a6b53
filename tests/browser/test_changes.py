"""Unsaved changes in a real browser: the first invalid field gets focus, leaving asks first, and an expired form is restored."""

from typing import Any

import pytest
from playwright.sync_api import Dialog, Page, expect

pytestmark = pytest.mark.browser
BACK = "Your changes were restored, but are not saved yet. Save them again."


def test_the_first_invalid_field_has_the_focus(demo_page: Page) -> None:
    page = demo_page
    page.goto("/billing/caps")
    page.get_by_label("Daily limit", exact=False).first.fill("-1")
    page.get_by_role("button", name="Save").first.click()
    expect(page.locator(".form-errors").first).to_be_visible()
    expect(page.locator("[aria-invalid='true']").first).to_be_focused()


def test_leaving_asks_about_unsaved_changes_only(demo_page: Page, seeded: dict[str, Any]) -> None:
    page, dialogs, path = demo_page, [], f"/numbers/{seeded['number']}"

    def answer(dialog: Dialog) -> None:
        dialogs.append(dialog.type)
        dialog.accept()

    page.on("dialog", answer)
    page.goto(path)
    page.goto("/numbers")  # nothing was typed
    assert dialogs == []
    page.goto(path)
    page.locator("#id_label").fill("Baker")
    page.goto("/numbers")
    assert dialogs == ["beforeunload"]
    page.goto(path)
    page.locator("#id_label").fill("Baker")
    page.get_by_role("button", name="Save changes").click()
    expect(page.locator("#messages")).to_contain_text("Saved.")
    page.goto("/numbers")
    assert dialogs == ["beforeunload"]


def test_an_expired_form_is_restored(demo_page: Page, seeded: dict[str, Any], complaints: list[str]) -> None:
    page, path = demo_page, f"/numbers/{seeded['number']}"
    page.goto(path)
    page.locator("#id_label").fill("Forgotten baker")
    page.locator("#id_greeting_message").fill("Sell bread.")
    page.locator("form[data-guard] input[name='csrfmiddlewaretoken']").evaluate(
        "(field) => field.value = 'x'.repeat(64)"
    )
    page.get_by_role("button", name="Save changes").click()
    expect(page.get_by_role("heading", name="Page expired")).to_be_visible()
    assert complaints == ["Failed to load resource: the server responded with a status of 403 (Forbidden)"]
    complaints.clear()
    page.get_by_role("link", name="Go back").click()
    expect(page.get_by_text(BACK)).to_be_visible()
    expect(page.locator("#id_label")).to_have_value("Forgotten baker")
    expect(page.locator("#id_greeting_message")).to_have_value("Sell bread.")
    page.get_by_role("button", name="Save changes").click()
    expect(page.locator("#messages")).to_contain_text("Saved.")
    page.goto(path)
    expect(page.get_by_text(BACK)).to_have_count(0)
