"""The API reference for people: an index that can be searched, and a page for each section."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_safe

from bubblyphone.core.api.openapi import description, openapi
from bubblyphone.docs.own_ids import with_own_ids
from bubblyphone.docs.views import GUIDES, groups

MAX_QUERY = 100  # characters; the rest is ignored
MOST_RESULTS = 40


@dataclass(frozen=True)
class Result:
    """A search result: an operation, a webhook event or a guide."""

    title: str
    url: str
    method: str = ""
    route: str = ""
    section: str = ""


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Every section with its operations, or the results for `q`."""
    query = request.GET.get("q", "").strip()[:MAX_QUERY]
    found = search(query) if query else []
    shown = {
        "groups": sections(settings.PUBLIC_URL),
        "guides": GUIDES,
        "base_url": settings.PUBLIC_URL,
        "query": query,
        "results": found[:MOST_RESULTS],
        "left_out": max(0, len(found) - MOST_RESULTS),
    }
    return render(request, "docs/reference.html", shown)


@require_safe
def section(request: HttpRequest, slug: str) -> HttpResponse:
    """The operations of one section; signed-in users see their own IDs in the samples."""
    every = sections(settings.PUBLIC_URL)
    shown = next((group for group in every if group["slug"] == slug), None)
    if shown is None:
        raise Http404("There is no such section.")
    context = {
        "groups": every,
        "group": shown,
        "guides": GUIDES,
        "operations": rendered_section(settings.PUBLIC_URL, slug),
    }
    return with_own_ids(request, render(request, "docs/section.html", context))


@lru_cache(1)
def sections(base_url: str) -> list[dict[str, Any]]:
    """The groups of operations: the same for everyone, so built once per process."""
    return groups(openapi(), base_url)


@lru_cache(64)
def rendered_section(base_url: str, slug: str) -> str:
    """The operations of a section in HTML."""
    shown = next(group for group in sections(base_url) if group["slug"] == slug)
    return render_to_string("docs/_operations.html", {"group": shown})


def search(query: str) -> list[Result]:
    """Entries that contain every word of the query, or words that start with it; matches in title or path come first."""
    words = [re.compile(rf"(?<![a-z0-9])/?{re.escape(word.lstrip('/'))}") for word in query.lower().split()]
    found = [
        (not _has(words, f"{result.method} {result.route} {result.title}".lower()), place, result)
        for place, (result, text) in enumerate(searchable_texts(settings.PUBLIC_URL))
        if _has(words, text)
    ]
    return [result for _, _, result in sorted(found, key=lambda one: one[:2])]


def _has(words: list[re.Pattern[str]], text: str) -> bool:
    return all(word.search(text) for word in words)


@lru_cache(1)
def searchable_texts(base_url: str) -> list[tuple[Result, str]]:
    """Everything that can be found, with its searchable text in lower case."""
    texts = []
    for group in sections(base_url):
        for operation in group["operations"]:
            url = f"{reverse('docs-section', args=[group['slug']])}#{operation['id']}"
            result = Result(operation["summary"], url, operation["method"], operation["path"], group["name"])
            fields = [field.name for field in (*operation["parameters"], *operation["body"])]
            parts = [
                group["name"],
                operation["method"],
                operation["path"],
                operation["summary"],
                operation["description"],
            ]
            texts.append((result, " ".join([*parts, *fields])))
    for event, webhook in description().webhooks.items():
        result = Result(event, f"{reverse('docs-webhooks')}#{event}", section="Webhooks")
        texts.append((result, f"{event} webhook event {webhook.when} {' '.join(webhook.fields)}"))
    for name, title in GUIDES.items():
        texts.append((Result(title, reverse(f"docs-{name}"), section="Guides"), f"{title} guide"))
    return [(result, text.lower()) for result, text in texts]
