"""Pages in states that need interaction, and staff pages: no axe-core violations, no wider than the screen, and touch targets of 44 px."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.utils import timezone
from playwright.sync_api import Page, expect

from calls.models import TranscriptEntry
from tests.browser.in_process import open_browser, open_page
from tests.browser.seed import fill_call, seed_agent, seed_call, submit_documents
from tests.calls.conftest import recordings_folder
from tests.calls.rows import make_account, make_streaming_number
from tests.factories import make_developer
from tests.fakes.exchange_thread import ExchangeThread
from tests.pages.conftest import configure_carrier, documents, exchange
from tests.pages.signed_in import signed_in_client
from tests.staff.sign_in import make_staff, staff_client

__all__ = ["configure_carrier", "documents", "exchange", "recordings_folder"]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("empty_redis", "recordings_folder", "documents"),
]
SHOP = "/numbers/buy?country=US&number_type=local&area_code=&contains="
EVERYTHING = "details"  # opens all of them
# Name → path, and the elements to click there.
STATES = {
    "running call": ("/calls/{running}", []),
    "everything of a call": ("/calls/{ended}", [EVERYTHING]),
    "tools": ("/agents/{agent}", [".tabs a[href='#tab-tools']", EVERYTHING]),
    "deleting an agent": ("/agents/{agent}", ["[popovertarget=delete] >> nth=0"]),
    "discarding a draft": ("/agents/{agent}/draft/changes", ["[popovertarget=discard] >> nth=0"]),
    "buying a number": (SHOP, ["[data-open=buy] >> nth=0"]),
    "releasing a number": ("/numbers/{number}", ["[popovertarget=release] >> nth=0"]),
    "call without a number": ("/calls/new", ["#place-call .form-foot .button"]),
    "saving a view": ("/calls?direction=inbound", ["[popovertarget=save-view] >> nth=0"]),
    "deleting from calls": ("/calls", [".pick input:not([disabled]) >> nth=1", "[popovertarget=delete-kept] >> nth=0"]),
    "palette": ("/numbers", ["[data-open=palette] >> nth=0"]),
    "account menu": ("/numbers", ["[popovertarget=account-menu] >> nth=0"]),
    "figures of a chart": ("/calls/charts", [EVERYTHING]),
    "page not found": ("/calls/0", []),
}
NEWCOMER = {"first steps": ("/", []), "no calls": ("/calls", [])}
STAFF_PAGES = {
    name: (path, [])
    for name, path in {
        "home": "/admin/",
        "status": "/admin/status/",
        "accounts": "/admin/accounts/developer/",
        "calls": "/admin/calls/call/",
        "call": "/admin/calls/call/{ended}/change/",
        "verification": "/admin/numbers/verification/{verification}/change/",
    }.items()
}
Look = tuple[int, Literal["dark", "light"]]
DESK: Look = (1440, "dark")
TABLET: Look = (768, "light")
PHONE: Look = (360, "dark")
LOOKS = (DESK, TABLET, PHONE)
# Django's own pages have table headers with only a checkbox, labels on elements that cannot have one, and scrollable tables
# within forms, which browsers make focusable.
NOT_OURS = ("empty-table-header", "aria-prohibited-attr", "scrollable-region-focusable")
DJANGO = {rule: {"enabled": False} for rule in NOT_OURS}
# Interactive elements outside sentences that are smaller than a finger (WCAG 2.2, 2.5.5). A label counts as part of its input, and a
# pseudo-element as part of its link or button. Timeline bars are repeated in the lists below.
TOO_SMALL = """() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, textarea, summary")]
    .filter((one) => one.checkVisibility() && !one.closest("svg") && !one.closest("p, .aside, .said, .who"))
    .map((one) => {
        const boxes = [one, ...(one.labels ?? [])].map((part) => part.getBoundingClientRect());
        const around = getComputedStyle(one, "::after");
        if (around.position === "absolute") boxes.push({ width: parseFloat(around.width), height: parseFloat(around.height) });
        const [width, height] = ["width", "height"].map((side) => Math.max(...boxes.map((box) => box[side])));
        return { one, width, height };
    })
    .filter(({ width, height }) => width > 1 && (width < 43.5 || height < 43.5))
    .map(({ one, width, height }) => `${one.outerHTML.slice(0, 80)} is ${Math.round(width)} x ${Math.round(height)}`)"""
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def ids(exchange: ExchangeThread) -> dict[str, Any]:
    """An account with a running call."""
    developer = make_account()
    number, agent, now = make_streaming_number(developer, label="Shop"), seed_agent(developer), timezone.now()
    agent.draft = "name=Half+of+it"
    agent.save(update_fields=["draft"])
    ended = seed_call(number, 0.01, 38)
    fill_call(ended)
    not_over = {
        "status": "answered", "hangup_cause": "", "ended_at": None, "settled_at": None, "duration_seconds": None,
        "telephony_cost": 0, "model_cost": 0, "answered_at": now - timedelta(seconds=9), "transcript_announced": False,
    }  # fmt: skip
    running = seed_call(number, 0.0001, 9, agent=agent, **not_over)
    TranscriptEntry.objects.create(call=running, role="user", text="Hi, are you open?", spoken_at=now)
    return {
        "developer": developer, "agent": agent.pk, "number": number.pk, "ended": ended.pk, "running": running.pk,
        "verification": submit_documents(developer).pk,
    }  # fmt: skip


def complaints(page: Page, rules: dict[str, Any]) -> list[str]:
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("(options) => axe.run(options)", {"resultTypes": ["violations"], "rules": rules})[
        "violations"
    ]
    return [f"{violation['id']}: {violation['nodes'][0]['html'][:200]}" for violation in found]


def press(page: Page, what: str) -> None:
    if what == EVERYTHING:
        page.locator("details").evaluate_all("(all) => all.forEach((one) => { one.open = true; })")
    else:
        page.locator(what).click()


def look(
    page: Page, states: dict[str, Any], ids: dict[str, Any], *, rules: dict[str, Any], looks: Sequence[Look]
) -> dict[str, list[str]]:
    """Problems in each state. Ignores the size of Django's own links and buttons."""
    found = {}
    for name, (path, presses) in states.items():
        page.set_viewport_size({"width": DESK[0], "height": 900})
        page.goto(path.format(**ids))
        for what in presses:
            press(page, what)
        expect(page.locator(".htmx-request")).to_have_count(0)
        for width, scheme in looks:
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme=scheme)
            wrong = complaints(page, rules)
            wrong += [f"{over}px too wide" for over in [page.evaluate(TOO_WIDE)] if over > 0]
            wrong += page.evaluate(TOO_SMALL) if width == PHONE[0] and not rules else []
            found[f"{name} at {width}px"] = wrong
    return {name: wrong for name, wrong in found.items() if wrong}


def test_no_state_has_problems(ids: dict[str, Any], live_server: Any, chromium_path: str) -> None:
    owner, newcomer, staff = (
        signed_in_client(ids["developer"]),
        signed_in_client(make_developer()),
        staff_client(make_staff()),
    )
    with open_browser(chromium_path) as browser:
        with open_page(browser, live_server.url, owner) as page:
            found = look(page, STATES, ids, rules={}, looks=LOOKS)
        with open_page(browser, live_server.url, newcomer) as page:
            found |= look(page, NEWCOMER, ids, rules={}, looks=LOOKS)
        with open_page(browser, live_server.url, staff) as page:
            found |= look(page, STAFF_PAGES, ids, rules=DJANGO, looks=LOOKS[1:])
    assert found == {}
