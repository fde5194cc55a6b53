"""Paths, queries and cookies that no browser sends are refused or ignored. They never cause a server error."""

import pytest
from django.test import Client

from agents.models import Agent
from tests.calls.rows import make_account
from tests.factories import PASSWORD, make_agent, make_developer
from tests.pages.signed_in import signed_in_client

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]

# Percent-encoded, as in a path or query.
TEXTS = ["a%00b", "%ff%fe", "%ed%a0%80", str(2**63), "9" * 5000, "%D9%A1", "1%C2%B2", "-1", "a%0d%0ab", "a" * 3000]
NAMES = [
    "before",
    "after",
    "status",
    "event",
    "period",
    "from",
    "to",
    "country",
    "q",
    "number",
    "agent",
    "next",
    "choose",
    "direction",
]
COOKIES = ['sessionid="\\000\\000"', "sessionid=\xff\xfe", 'csrftoken="\\000"', "messages=\xff", "=;=;;"]


@pytest.mark.parametrize("page", ["/calls", "/billing", "/webhooks", "/phone/call"])
def test_queries(page: str) -> None:
    client = signed_in_client(make_account())
    for text in TEXTS:
        query = "&".join(f"{name}={text}" for name in NAMES)
        assert (client.get(f"{page}?{query}").status_code == 400) is ("%00" in text), text


@pytest.mark.parametrize(
    "path",
    [
        "/calls/{}",
        "/calls/{}/waveform.svg",
        "/calls/{}/panel/context",
        "/countries/{}/local",
        "/agents/{}",
        "/password/reset/{}",
    ],
)
def test_paths(path: str) -> None:
    client = signed_in_client(make_account())
    for text in TEXTS:
        status = client.get(path.format(text)).status_code
        assert status == 404 or ("reset" in path and "%00" not in text and status == 200), text


FORM = "application/x-www-form-urlencoded"
PART = '--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n--b--\r\n'
NULLS = [
    (FORM, "name=a%00b&system_prompt=P"),
    (FORM, "name=%00"),
    (FORM, "name=a&na%00me=b"),
    (FORM, "name=a\x00b"),
    ("multipart/form-data; boundary=b", PART % ("name", "a\x00b")),
    ("multipart/form-data; boundary=b", PART % ("na\x00me", "a")),
]


@pytest.mark.parametrize(("content_type", "body"), NULLS, ids=[repr(body[:40]) for _, body in NULLS])
def test_null_characters_in_forms(content_type: str, body: str) -> None:
    """PostgreSQL cannot store them. Nothing is saved, signed in or not."""
    developer = make_account()
    agent = make_agent(developer=developer, name="Before")
    for path in ("/agents/new", f"/agents/{agent.pk}", "/account/password", "/login", "/signup"):
        for client in (signed_in_client(developer), Client()):
            assert client.generic("POST", path, body, content_type=content_type).status_code == 400, path
    assert list(Agent.objects.values_list("name", flat=True)) == ["Before"]


@pytest.mark.parametrize("cookie", COOKIES)
def test_cookies(cookie: str) -> None:
    assert Client().get("/calls", HTTP_COOKIE=cookie).status_code == 302
    assert Client().get("/login", HTTP_COOKIE=cookie).status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        "a",
        "1e999",
        "²",
        "login",
        "a.b",
        "a/b",
        "//example.com",
        "/\\example.com",
        "http://[::1",
        "javascript:1",
        "\t/",
        "\u202e",
    ],
)
def test_redirect_targets(target: str) -> None:
    """Only paths are allowed, not even names of routes: after signing in, when already signed in, and after resending webhooks."""
    developer = make_developer(email="jo@example.com")
    client, form = signed_in_client(developer), {"email": developer.email, "password": PASSWORD, "next": target}
    answers = [
        client.get("/login", {"next": target}),
        client.post("/login", form),
        Client().post("/login", form),
    ]
    assert [(answer.status_code, answer["Location"]) for answer in answers] == [(302, "/")] * 3
    assert client.post("/webhooks/failed/resend", {"next": target})["Location"] == "/webhooks"
    assert client.get("/login", {"next": "/calls?status=failed"})["Location"] == "/calls?status=failed"


@pytest.mark.parametrize("timestamp", ["9" * 400, "\u0661", "1e400", "-1", "\x00", ""])
def test_timestamps_of_carrier_webhooks(timestamp: str) -> None:
    headers = {"telnyx-timestamp": timestamp, "telnyx-signature-ed25519": "YQ=="}
    status = Client().post("/webhooks/telnyx", b"{}", content_type="application/json", headers=headers).status_code
    assert 400 <= status < 500
