"""Documents from the developer's upload to staff approval, and buying the number that needed them."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from django_otp.oath import TOTP
from playwright.sync_api import Page, expect

from tests.browser.conftest import sign_in
from tests.flows.platform import Platform
from tests.phone_numbers.requirement_answers import PDF

pytestmark = pytest.mark.browser
TIMEOUT_MS = 20_000


def code_of(key: str) -> str:
    """The code that an authenticator app shows for this key."""

    return f"{TOTP(base64.b32decode(key + '=' * (-len(key) % 8))).token():06d}"


def sign_in_to_admin(page: Page, platform: Platform) -> None:
    """Sign in as the demo's staff, and set up two-factor authentication."""
    page.goto("/admin/")
    page.get_by_label("Email").fill(platform.demo["staff_email"])
    page.get_by_label("Password").fill(platform.demo["staff_password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".qr-code svg")).to_be_visible(timeout=TIMEOUT_MS)
    page.get_by_label("Code from the app").fill(code_of(page.locator("#key").inner_text()))
    page.get_by_role("button", name="Turn on").click()
    expect(page.locator(".recovery-codes li")).to_have_count(10, timeout=TIMEOUT_MS)
    page.get_by_role("link", name="I saved my recovery codes").click()


def test_documents_are_submitted_and_approved_and_the_number_bought(
    open_page: Callable[..., Page], platform: Platform, tmp_path: Path
) -> None:
    bill = tmp_path / "bill.pdf"
    bill.write_bytes(PDF)
    page, staff_page = open_page(), open_page()
    platform.credit(20)
    sign_in(page, platform)
    page.goto("/numbers/buy?country=GB&number_type=local&area_code=&contains=")
    expect(page.locator("main a[href='/countries/GB/local']").first).to_be_visible(timeout=TIMEOUT_MS)
    page.goto("/countries/GB/local")
    page.locator("input[type=file]").first.set_input_files(bill)
    page.get_by_role("button", name="Submit documents").click()
    expect(page.get_by_text("Documents submitted.")).to_be_visible(timeout=TIMEOUT_MS)

    sign_in_to_admin(staff_page, platform)
    staff_page.get_by_role("link", name="Verifications", exact=True).first.click()
    expect(staff_page.locator(".oldest")).to_contain_text("1 pending", timeout=TIMEOUT_MS)
    staff_page.get_by_role("link", name="Review oldest").click()
    expect(staff_page.locator(".document-file iframe")).to_be_visible(timeout=TIMEOUT_MS)
    staff_page.get_by_role("button", name="Approve").click()
    expect(staff_page.get_by_text("Approved. We are notifying the developer.")).to_be_visible(timeout=TIMEOUT_MS)

    page.goto("/countries/GB/local")
    expect(page.get_by_text("You are verified")).to_be_visible(timeout=TIMEOUT_MS)
    page.goto("/numbers/buy?country=GB&number_type=local&area_code=&contains=")
    row = page.locator("tbody tr").first
    label = row.locator("strong").inner_text()
    row.get_by_role("link", name="Buy +44").click()
    page.get_by_role("dialog").get_by_label("Who answers?").select_option("nobody")
    page.get_by_role("dialog").get_by_role("button", name="Buy for").click()
    expect(page.locator("h1")).to_have_text(label, timeout=TIMEOUT_MS)
