"""Every POST route of the pages, with forms that no browser sends."""

import re
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from tests.invalid_requests.routes import filled, page_routes
from tests.invalid_requests.values import BROKEN_BODIES, RAW_VALUES, VALUES, rows
from tests.long_runs import IS_LONG
from tests.pages.signed_in import signed_in_client
from tests.schema.conftest import World, configure_carrier, exchange, world

__all__ = ["configure_carrier", "exchange", "world"]

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
FILE = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%%PDF\r\n'
# Content type and body of forms that are refused before they reach a view: invalid bytes, invalid parts, too much data.
REFUSED: dict[str, tuple[str, bytes]] = {
    "a null character": (FORM, b"name=a%00b"),
    "a null character in a name": (FORM, b"na%00me=a"),
    "raw null characters": (FORM, b"name=\x00\x00"),
    "a null character in a part": (MULTIPART, PART % (b"name", b"a\x00b") + b"--b--\r\n"),
    "a field of 2 MB": (FORM, b"name=" + b"a" * 2_000_000),
    "a part of 2 MB": (MULTIPART, PART % (b"name", b"a" * 2_000_000) + b"--b--\r\n"),
    "1,001 fields": (FORM, b"&".join(b"a%d=1" % number for number in range(1001))),
    "1,001 parts": (MULTIPART, b"".join(PART % (b"a%d" % number, b"1") for number in range(1001)) + b"--b--\r\n"),
    "101 files": (MULTIPART, b"".join(FILE % (b"f%d" % number, b"f.pdf") for number in range(101)) + b"--b--\r\n"),
    "no boundary": ("multipart/form-data", PART % (b"name", b"a")),
    "a boundary of 5,000": ("multipart/form-data; boundary=" + "b" * 5000, b"--b--\r\n"),
    "an odd boundary": ("multipart/form-data; boundary=\xff", b"--b--\r\n"),
    "broken base64": (
        MULTIPART,
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\nContent-Transfer-Encoding: base64\r\n\r\n!\r\n--b--\r\n',
    ),
}
# Content that parses as a form, usually an empty one. A view without required fields may accept it.
ODD: dict[str, tuple[str, bytes]] = {
    "nothing": (FORM, b""),
    "half of a multipart": (MULTIPART, PART[:30]),
    "a part without a name": (MULTIPART, b"--b\r\nX: y\r\n\r\na\r\n--b--\r\n"),
    "a file name of 5,000": (MULTIPART, FILE % (b"file", b"f" * 5000) + b"--b--\r\n"),
    "a file name that climbs": (MULTIPART, FILE % (b"file", b"../../etc/\x01passwd") + b"--b--\r\n"),
    "another charset": (f"{FORM}; charset=utf-7", b"name=+AAA-"),
    "no charset that there is": (f"{FORM}; charset=none", b"name=%e4"),
    "surrogates": (FORM, b"name=%ed%a0%80&email=%ff%fe"),
    "raw bytes": (FORM, bytes(range(1, 256))),
}
JSON = [(f"JSON: {what}", ("application/json", body)) for what, body in BROKEN_BODIES.items()]
TEXTS = [value for value in VALUES if isinstance(value, str)] + [
    str(value) for value in VALUES if isinstance(value, int)
]

# Each page gets one in PARTS odd texts, and together they get all. Forms that are refused before they reach a view, or that parse as empty,
# have the same effect on all pages, so each page gets one in ALIKE_PARTS of them.
PARTS, ALIKE_PARTS = (12, 4) if IS_LONG else (20, 8)
# Fields that select the form. With another value, the view would ignore the other fields.
THEMSELVES = {"/numbers/bring/account": ("provider", ["telnyx", "twilio"])}
# Only shown if cards can be charged.
CARD_FIELDS = {"preset", "other_amount", "threshold", "amount", "enabled"}


class Pages:
    """A developer with one of everything, and the addresses that accept POST."""

    def __init__(self, world: World, redis: Any) -> None:
        self.client: Client = signed_in_client(world.developer)
        self.client.raise_request_exception = False
        self._world, self._redis = world, redis
        self.faults: list[str] = []

    def posts(self) -> Iterator[str]:
        for path, _ in page_routes():
            if "POST" in self.client.options(filled(path))["Allow"]:
                yield filled(path, **self._known(path))

    def _known(self, path: str) -> dict[str, Any]:
        world = self._world
        ids = {
            "/agents": world.agent.pk,
            "/numbers/bring": world.carrier_account_ids[0],
            "/numbers": world.number.pk,
            "/model-keys": world.model_key_id,
            "/secrets": world.secret_ids[0],
            "/webhooks": world.webhook_log_id,
            "/billing": world.card_id,
        }
        pk = next((found for prefix, found in ids.items() if path.startswith(prefix)), 1)
        call = world.ended_call if "recording" in path else world.running_call
        return {"pk": pk, "identifier": call.pk, "code": "GB", "number_type": "local", "key_id": 1}

    def field_names(self) -> set[str]:
        """The field names of every form that a page shows."""
        found: set[str] = set()
        for path, _ in page_routes():
            answer = self.client.get(filled(path, **self._known(path)))
            if answer.status_code == 200 and not answer.streaming:
                found |= set(re.findall(r' name="([^"]+)"', answer.content.decode(errors="replace")))
        return found

    def send(self, path: str, what: str, content_type: str, body: bytes) -> int:
        """Returns the status. Undoes all changes."""
        self._redis.flushall()
        cookies = self.client.cookies.copy()
        with transaction.atomic():
            answer = self.client.generic("POST", path, body, content_type=content_type)
            transaction.set_rollback(True)
        self.client.cookies = cookies  # restore its session
        if answer.status_code >= 500 and answer.status_code != 502:
            self.faults.append(f"{path} with {what}: {answer.status_code} {answer.content[:300]!r}")
        return int(answer.status_code)


@pytest.fixture
def pages(world: World, empty_redis: Any, settings: Any) -> Iterator[Pages]:
    settings.FAIL_ON_WAIT_IN_TRANSACTION = False  # caused by the transaction that undoes each request
    pages = Pages(world, empty_redis)
    yield pages
    assert not pages.faults, "\n".join(pages.faults)


def test_invalid_forms_change_nothing(pages: Pages) -> None:
    before = rows()
    for place, path in enumerate(pages.posts()):
        for what, (content_type, body) in [*REFUSED.items()][place % ALIKE_PARTS :: ALIKE_PARTS]:
            status = pages.send(path, what, content_type, body)
            if not 400 <= status < 500:
                pages.faults.append(f"{path} with {what}: {status}")
    assert rows() == before


def test_odd_forms(pages: Pages) -> None:
    for place, path in enumerate(pages.posts()):
        for what, (content_type, body) in [*ODD.items(), *JSON][place % ALIKE_PARTS :: ALIKE_PARTS]:
            pages.send(path, what, content_type, body)


def test_odd_fields(pages: Pages) -> None:
    names = sorted(pages.field_names() | CARD_FIELDS - {"csrfmiddlewaretoken"})
    assert {"name", "system_prompt", "transfer_number", "analysis-0-name"} <= set(names)
    texts = [*TEXTS, *RAW_VALUES]
    for place, path in enumerate(pages.posts()):
        step = ALIKE_PARTS if path in THEMSELVES else PARTS
        for text, itself in product(texts[place % step :: step], form_selectors(path)):
            fields = dict.fromkeys(names, text[:5000]) | itself
            parts = b"".join(
                PART % (name.encode(), value.encode("utf-8", "surrogatepass")) for name, value in fields.items()
            )
            pages.send(path, repr(text[:40]), MULTIPART, parts.replace(b"\x00", b"") + b"--b--\r\n")


def form_selectors(path: str) -> list[dict[str, str]]:
    """The values that select each of an address's forms."""
    name, values = THEMSELVES.get(path, ("", []))
    return [{name: value} for value in values] or [{}]
