"""The versions of an agent: the list, what each changed, and bringing one back."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import signed_in
from agents import selectors, services, versions
from agents.models import AgentVersion
from bubblyphone.core.pages.views import page, page_action, reported
from bubblyphone.core.pagination import slice_of


@page
def agent_versions(request: HttpRequest, pk: int) -> HttpResponse:
    """Newest first, each with its author and what it changed."""
    agent = selectors.get_agent(developer=signed_in(request), pk=pk)
    found = slice_of(agent.versions.select_related("api_key", "agent__developer"), request.GET.get("before"))
    before = _values_before(found.rows)
    rows = [(version, versions.author_of(version), _changed(version, before)) for version in found.rows]
    return render(request, "agents/versions.html", {"agent": agent, "slice": found, "rows": rows})


@page
def agent_version(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """What a version changed; with `?to=live`, what is different in the live one."""
    agent = selectors.get_agent(developer=signed_in(request), pk=pk)
    version = versions.get_version(agent, number)
    with_live = request.GET.get("to") == "live" and number != agent.version
    if with_live:
        changes = versions.changes_between(version.values, versions.snapshot(agent))
    else:
        before = _before(version)
        changes = versions.changes_between(before.values if before else {}, version.values)
    context = {
        "agent": agent,
        "version": version,
        "author": versions.author_of(version),
        "changes": changes,
        "with_live": with_live,
        "numbers": version.phone_numbers.order_by("pk"),
    }
    return render(request, "agents/version.html", context)


@page_action
def restore_version(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    agent = selectors.get_agent(developer=signed_in(request), pk=pk)
    with reported(request):
        restored = services.restore_version(version=versions.get_version(agent, number))
        messages.success(request, f"Version {number} is live again, as version {restored.version}.")
        return redirect("agent-versions", pk)
    return redirect("agent-version", pk, number)


def _before(version: AgentVersion) -> AgentVersion | None:
    return AgentVersion.objects.filter(agent_id=version.agent_id, number=version.number - 1).first()


def _values_before(rows: Sequence[AgentVersion]) -> dict[int, dict[str, Any]]:
    """The values of these versions of one agent, newest first, and of the one before them; by number."""
    known = {version.number: version.values for version in rows}
    oldest = _before(rows[-1]) if rows else None
    return known | ({oldest.number: oldest.values} if oldest else {})


def _changed(version: AgentVersion, values: Mapping[int, dict[str, Any]]) -> list[str]:
    """The labels of what a version changed; [] for the first one."""
    before = values.get(version.number - 1)
    return [] if before is None else [change.label for change in versions.changes_between(before, version.values)]
