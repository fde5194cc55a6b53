"""Writes screenshots of every page to var/screens/ (`python -m tests.screens [name …]`), from a separate platform with sample data.

Screenshots for the README and docs are also written to docs/screens/. Only those are in git.
"""

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests import chromium
from tests.browser.conftest import sign_in
from tests.browser.pages import PAGES, SIGNED_OUT_PAGES, STAFF_PAGES, seed
from tests.browser.test_accessibility import complaints
from tests.flows.platform import Platform

ROOT = Path(__file__).resolve().parents[1]
SCREENS = ROOT / "var" / "screens"
# Name and look → the file in docs/screens/, cropped to this height.
SHOWN = {("call", "1440-light"): "call-light.png", ("call", "1440-dark"): "call-dark.png"}
SHOWN_HEIGHT = 1100
LOOKS = [(width, scheme) for width in (1440, 768, 360) for scheme in ("light", "dark")]
# Long tables do not need to be shown completely.
MAX_HEIGHT = 2200


def main(names: list[str]) -> None:
    """Take screenshots of all pages, or of the named ones."""
    path = chromium.find()
    if path is None:
        sys.exit(chromium.MISSING)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        platform = Platform(Path(folder) / "data")
        try:
            platform.start()
            seeded = seed(platform.data_dir, "documents")
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
            for width, scheme in LOOKS:
                take(browser, platform, seeded, names, width, scheme)
        finally:
            platform.stop()


def take(
    browser: Browser, platform: Platform, seeded: dict[str, Any], names: list[str], width: int, scheme: str
) -> None:
    """Take screenshots of all pages with one look. Staff pages are only taken at desktop size."""
    context = browser.new_context(
        base_url=platform.url,
        viewport={"width": width, "height": 900},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    for name, url in SIGNED_OUT_PAGES.items():
        shoot(page, name, url, names, f"{width}-{scheme}")
    sign_in(page, platform)
    for name, url in PAGES.items():
        shoot(page, name, url.format(**seeded), names, f"{width}-{scheme}")
    if width == LOOKS[0][0]:
        context.clear_cookies()
        sign_in_to_admin(page, platform)
        for name, url in STAFF_PAGES.items():
            shoot(page, name, url.format(**seeded), names, f"{width}-{scheme}")
    context.close()


def sign_in_to_admin(page: Page, platform: Platform) -> None:
    """Sign in as the demo's staff, without two-factor authentication."""
    page.goto("/admin/")
    page.get_by_label("Email").fill(platform.demo["staff_email"])
    page.get_by_label("Password").fill(platform.demo["staff_password"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Not now").click()


def shoot(page: Page, name: str, url: str, names: list[str], look: str) -> None:
    if names and name not in names:
        return
    page.goto(url)
    found = complaints(page)
    # Make the window as high as the page, so that sticky elements do not cover the middle of the screenshot.
    height = min(MAX_HEIGHT, int(page.evaluate("document.documentElement.scrollHeight")))
    page.set_viewport_size({"width": int(look.split("-")[0]), "height": height})
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    save(picture, SCREENS / f"{name}-{look}.png")
    if (name, look) in SHOWN:
        visible = picture.crop((0, 0, picture.width, min(picture.height, SHOWN_HEIGHT)))
        save(visible, ROOT / "docs" / "screens" / SHOWN[name, look])
    page.set_viewport_size({"width": int(look.split("-")[0]), "height": 900})
    print(f"{name}-{look}", *found, sep="\n  ")  # noqa: T201


def save(picture: Image.Image, path: Path) -> None:
    """128 colors are enough for pages, at a third of the file size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
