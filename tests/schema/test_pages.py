"""The public documentation pages and the code samples in them."""

import re
import shutil
import subprocess
import uuid
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from bubblyphone.docs import code_samples
from tests.factories import make_agent, make_developer, make_phone_number
from tests.pages.signed_in import signed_in_client
from tests.schema.test_document import operations
from webhooks.sending.signing import SigningKeys, signature_headers

CODE = settings.BASE_DIR / "templates" / "docs" / "code"
BODY = '{"event":"call.speech","call_id":"42","text":"Grüße, it\'s €5"}'
KEYS = SigningKeys("whsec_current")
pytestmark = pytest.mark.django_db


def headers() -> dict[str, str]:
    return signature_headers(KEYS, BODY, str(uuid.uuid4()), 1_767_225_600)


@pytest.mark.parametrize(
    "path", ["/docs", "/docs/quick-start", "/docs/tools", "/docs/webhooks", "/docs/sandbox", "/docs/live"]
)
def test_pages_are_public_and_have_no_inline_code(client: Client, path: str) -> None:
    answer = client.get(path)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert page.count("<h1>") == 1
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|(?:src|href)=\"https?://", page) == []


def section_pages(client: Client) -> list[str]:
    """The pages of all sections that the index links to."""
    index = client.get("/docs").content.decode()
    links = dict.fromkeys(re.findall(r'<h2 id="[a-z-]+"><a href="(/docs/api/[a-z-]+)">', index))
    assert len(links) > 10
    return [client.get(link).content.decode() for link in links]


def test_the_sections_have_every_operation_and_the_index_links_to_it(client: Client) -> None:
    index, pages = client.get("/docs").content.decode(), section_pages(client)
    assert max(map(len, [index, *pages])) < 120_000
    for method, path, operation in operations():
        (page,) = [page for page in pages if f'<section class="card operation" id="{operation["operationId"]}"' in page]
        assert f"{method}</b> {path}</code>" in page
        assert re.search(rf'href="/docs/api/[a-z-]+#{operation["operationId"]}"', index)
    assert client.get("/docs/api/nothing").status_code == 404


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("place call", "/docs/api/calls#post_calls"),
        ("max_cost_per_call", "/docs/api/agents#post_agents"),
        ("call.hangup", "/docs/webhooks#call.hangup"),
        ("DELETE /agents", "/docs/api/agents#delete_agents_id"),
        ("<b>", ""),
    ],
)
def test_the_search_finds_operations_fields_and_events(client: Client, query: str, first: str) -> None:
    page = client.get("/docs", {"q": query}).content.decode()
    links = re.findall(r'<li><a href="(/docs/[^"]+#[^"]+)">', page)
    assert links[:1] == ([first] if first else [])
    assert ("No results for “&lt;b&gt;”" in page) == (not first)
    assert "Conventions" not in page


def test_samples_contain_the_user_s_own_ids() -> None:
    developer, stranger = make_developer(), make_developer()
    agent, number = make_agent(developer=developer), make_phone_number(developer=developer)
    for _ in range(2):
        make_agent(developer=stranger)
    pages = {owner.pk: section_pages(signed_in_client(owner)) for owner in (developer, stranger)}
    own = "".join(pages[developer.pk])
    assert set(re.findall(r"/api/v1/agents/(\d+)", own)) == {str(agent.pk)}
    assert set(re.findall(r"/api/v1/phone-numbers/(\d+)", own)) == {str(number.pk)}
    assert set(re.findall(r"\bfrom(?:&quot;)?: ?&quot;(\+\d+)", own.replace("<pre>", ""))) >= {number.e164}
    assert number.e164 not in "".join(pages[stranger.pk])
    quick_start = signed_in_client(developer).get("/docs/quick-start").content.decode()
    assert f"/api/v1/phone-numbers/{number.pk}" in quick_start


def test_the_sign_in_page_links_to_the_docs(client: Client) -> None:
    assert b'href="/docs"' in client.get("/login").content


def test_the_python_sample_verifies_signatures() -> None:
    names: dict[str, Any] = {}
    exec((CODE / "verify.py.txt").read_text(), names)  # noqa: S102  (the page's own code)
    assert names["is_genuine"](BODY.encode(), headers(), "whsec_current")
    assert not names["is_genuine"](BODY.encode() + b" ", headers(), "whsec_current")


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_javascript_sample_verifies_signatures(tmp_path: Path) -> None:
    lowered = {name.lower(): value for name, value in headers().items()}
    script = f"{(CODE / 'verify.js.txt').read_text()}\nconst body = {BODY!r}, headers = {lowered!r};\n"
    script += "console.log(isGenuine(body, headers, 'whsec_current'), isGenuine(body + ' ', headers, 'whsec_current'))"
    (tmp_path / "verify.cjs").write_text(script)
    done = subprocess.run(["node", tmp_path / "verify.cjs"], capture_output=True, text=True, check=True)
    assert done.stdout == "true false\n"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
@pytest.mark.parametrize(("added", "output"), [("", "genuine\n"), (" ", "forged\n")])
def test_the_shell_sample_verifies_signatures(tmp_path: Path, added: str, output: str) -> None:
    (tmp_path / "body").write_text(BODY + added)
    sent = headers()
    values = {"TIMESTAMP": sent["X-Timestamp"], "SIGNATURE": sent["X-Signature"], "SECRET": "whsec_current"}
    done = subprocess.run(
        ["sh", CODE / "verify.sh.txt"],
        env={"PATH": "/usr/bin:/bin", "BODY_FILE": str(tmp_path / "body"), **values},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == output


def test_samples_are_valid_code() -> None:
    body = {"name": "It's", "tools": [{"a": None, "b": True}]}
    url, form = "https://example.com/agents", {"number_type": "local", "documents[0][file]": "@/tmp/it's.pdf"}
    json_kind, form_kind = "application/json", code_samples.MULTIPART
    made = dict(code_samples.samples("POST", url, body, key=code_samples.KEY, kind=json_kind))
    forms = dict(code_samples.samples("POST", url, form, key=code_samples.KEY, kind=form_kind))
    assert "'\"'" not in made["curl"]
    assert "It'\\''s" in made["curl"]
    for sample in (made, forms):
        compile(sample["Python"], "sample", "exec")
        assert subprocess.run(["bash", "-n", "-c", sample["curl"]], check=False).returncode == 0
        if shutil.which("node"):
            node = ["node", "--check", "--input-type=module", "-"]
            assert subprocess.run(node, input=sample["Node"], text=True, check=False).returncode == 0


def test_the_quick_start_has_every_step_in_every_language(client: Client) -> None:
    page = client.get("/docs/quick-start").content.decode()
    assert re.findall(r"<summary>(\w+)</summary>", page) == ["curl", "Python", "Node"] * 8
    steps = (
        "/auth/register",
        "/api-keys",
        "/phone-numbers/available?",
        "/phone-numbers/1",
        "/webhook-endpoints",
        "/calls",
    )
    for step in steps:
        assert page.count(f"{settings.PUBLIC_URL}/api/v1{step}") == (6 if step == "/phone-numbers/1" else 3)


def test_samples_can_be_run_unchanged(client: Client) -> None:
    """They have no placeholders for IDs unless they delete something, and do not read a response body if there is none."""
    page = "".join(section_pages(client))
    codes = re.findall(r"<pre data-copyable>(.*?)</pre>", page, re.DOTALL)
    assert len(codes) == 3 * len(list(operations()))
    assert [code for code in codes if re.search(r"/api/v1/[^\s&]*\{", code)] == []
    deleting = [code for code in codes if re.search(r"-X DELETE|requests\.delete|&quot;DELETE&quot;", code)]
    assert len(deleting) == 3 * sum(method == "DELETE" for method, _, _ in operations())
    named = [re.findall(r"/api/v1/[^\s&]*", code)[0] for code in deleting]
    assert [path for path in named if re.search(r"\d", path.removeprefix("/api/v1"))] == []
    assert {"/api/v1/agents/AGENT_ID", "/api/v1/phone-numbers/PHONE_NUMBER_ID"} <= set(named)
    logout = page[page.index('operation" id="post_auth_logout"') :].partition("</section>")[0]
    assert "response.status_code" in logout
    assert "response.json()" not in logout
