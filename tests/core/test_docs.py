"""The README and the pages in docs/: every link between them leads to an existing file and heading."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
BASES = [ROOT, ROOT / "bubblyphone", ROOT / "tests"]  # `core/money.py` is short for bubblyphone/core/money.py
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)|(?:src|srcset)=\"([^\"]+)\"")


def anchors_of(page: Path) -> set[str]:
    """Heading anchors as GitHub generates them: lower case, no punctuation, hyphens for spaces."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_are_valid(page: Path) -> None:
    for path, anchor, picture in LINK.findall(page.read_text()):
        name = path or picture
        if name.startswith(("http://", "https://")):
            continue
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name} links to {name}"
        if anchor:
            assert anchor in anchors_of(target), f"{page.name} links to {name}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_files_exist(page: Path) -> None:
    named = re.findall(r"`([a-z_.]+(?:/[\w.]+)+\.(?:py|html|js|md|txt|in|toml))`", page.read_text())
    assert [name for name in named if not any((base / name).exists() for base in BASES)] == []
