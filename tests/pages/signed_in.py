"""A signed-in client, and the checks that every page must pass."""

from html.parser import HTMLParser

from django.test import Client

from accounts.models import Developer


def signed_in_client(developer: Developer) -> Client:
    client = Client()
    client.force_login(developer)
    return client


class Outline(HTMLParser):
    """Counts required elements, and finds elements that the content security policy would block."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.h1 = 0
        self.dead: list[str] = []  # buttons that need a script, but are visible without one
        self.labelled: set[str] = set()
        self.inputs: list[str] = []
        self.blocked: list[str] = []
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids += [values["id"]] if values.get("id") else []
        self.h1 += tag == "h1"
        if tag == "button" and "data-open" in values and "hidden" not in values:
            self.dead.append(str(values["data-open"]))
        if tag == "label" and values.get("for"):
            self.labelled.add(str(values["for"]))
        if tag in {"input", "select", "textarea"} and values.get("type") != "hidden":
            self.inputs.append(str(values.get("id")))
        if tag == "style" or "style" in values or (tag == "script" and "src" not in values):
            self.blocked.append(tag)
        self.blocked += [name for name in values if name.startswith("on")]


def assert_valid_page(html: str) -> None:
    outline = Outline(html)
    assert outline.h1 == 1
    assert set(outline.inputs) <= outline.labelled
    assert outline.blocked == []
    assert outline.dead == []
    assert len(outline.ids) == len(set(outline.ids))
