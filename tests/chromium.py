"""Finds the browser for tests, or installs it from Debian or Playwright (`python -m tests.chromium`)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MISSING = "There is no Chromium; `make test` installs one where it can, or set CHROMIUM to its path."


def find() -> str | None:
    """The path of a working Chromium: $CHROMIUM, one on PATH, or Playwright's own."""
    candidates = [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES)]
    for candidate in candidates:
        if candidate and _runs(candidate):
            return candidate
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    return own if Path(own).exists() and _runs(own) else None


def install() -> str | None:
    """Install one from Debian as root, or else from Playwright. Returns its path, or None if neither works."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        _try(["apt-get", "update", "-qq"])
        _try(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"])
    return find() or (_try([sys.executable, "-m", "playwright", "install", "chromium"]) and find()) or None


def _runs(path: str) -> bool:
    # Ubuntu's package is a stub that only says where to get the real one, so the file's existence proves nothing.
    try:
        result = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return result.returncode == 0 and "Chrom" in result.stdout


def _try(command: list[str]) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environment, stdout=sys.stderr, check=False).returncode == 0


if __name__ == "__main__":
    if not (find() or install()):
        sys.stderr.write(
            f"{MISSING} The browser tests {'fail' if os.environ.get('CI') == 'true' else 'are skipped'}.\n"
        )
