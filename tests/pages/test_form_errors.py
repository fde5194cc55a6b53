"""Form errors: summarized above the form with links to the fields. Also, forms that warn about unsaved changes."""

import re
from typing import Any

import pytest
from django.test import Client

from accounts.models import Developer
from agents.services import create_model_key
from tests.factories import make_agent, make_developer, make_phone_number
from tests.pages.signed_in import assert_valid_page, signed_in_client


@pytest.fixture
def developer(db: None) -> Developer:
    return make_developer()


@pytest.fixture
def client(developer: Developer) -> Client:
    return signed_in_client(developer)


def summary_of(html: str) -> str:
    (found,) = re.findall(r'<div class="form-errors" role="alert" tabindex="-1">(.*?)</div>', html, re.DOTALL)
    return str(found)


def path_of(page: str, developer: Developer) -> str:
    if page == "agent":
        return f"/agents/{make_agent(developer=developer).pk}"
    if page == "number":
        return f"/numbers/{make_phone_number(developer=developer).pk}"
    if page == "replace key":
        key = create_model_key(developer=developer, provider="openai", api_key="sk-proj-0123456789")
        return f"/model-keys/{key.pk}/replace"
    return page


@pytest.mark.parametrize(
    ("page", "form", "fields"),
    [
        ("agent", {"name": "", "system_prompt": "x" * 100_001}, ["name", "system_prompt"]),
        ("number", {"tool_webhook_url": "nowhere", "webhook_url": "nowhere"}, ["tool_webhook_url", "webhook_url"]),
        ("/account", {"name": ""}, ["name", "time_zone"]),
        ("/account/data", {"transcripts": "0", "events": "3651"}, ["transcripts", "events"]),
        ("/api-keys", {"label": ""}, ["label"]),
        ("/model-keys", {"provider": "", "api_key": ""}, ["provider", "api_key"]),
        ("replace key", {"api_key": "x"}, ["api_key"]),
        ("/billing/top-up", {"preset": "other", "other_amount": "4"}, ["other_amount"]),
        ("/billing/automatic-top-ups", {"threshold": "0", "amount": "50"}, ["threshold"]),
    ],
)
def test_errors_are_summarized_with_links_to_their_fields(
    client: Client, developer: Developer, page: str, form: dict[str, str], fields: list[str], stripe: Any
) -> None:
    response = client.post(path_of(page, developer), form)
    assert response.status_code == 200
    html = response.content.decode()
    assert_valid_page(html)
    summary = summary_of(html)
    anchors = re.findall(r'<a href="#([^"]+)">', summary)
    assert {name for name in fields if any(name in anchor for anchor in anchors)} == set(fields)
    count = f"{len(anchors)} fields" if len(anchors) > 1 else "field"
    assert f"Fix the {count} marked below." in summary
    for anchor in anchors:
        (tag,) = re.findall(rf'<(?:input|select|textarea)[^>]* id="{anchor}"[^>]*>', html)
        assert 'aria-invalid="true"' in tag
        described = re.findall(r'aria-describedby="([^"]+)"', tag)[0].split()
        assert f"{anchor}_error" in described and f'id="{anchor}_error"' in html


@pytest.mark.parametrize(
    ("page", "action"),
    [
        ("number", ""),
        ("/account", "/account"),
        ("/billing/caps", ""),
        ("/billing", "/billing/automatic-top-ups"),
    ],
)
def test_settings_forms_warn_about_unsaved_changes(
    client: Client, developer: Developer, page: str, action: str, stripe: Any
) -> None:
    html = client.get(path_of(page, developer)).content.decode()
    guarded = re.findall(r'<form [^>]*data-guard=""[^>]*>', html)
    assert len([form for form in guarded if not action or f'action="{action}"' in form]) == 1
    assert "form-errors" not in html


def test_a_refused_form_counts_as_unsaved(client: Client, developer: Developer) -> None:
    number = make_phone_number(developer=developer)
    assert 'data-guard="unsaved"' in client.post(f"/numbers/{number.pk}", {"mode": ""}).content.decode()
