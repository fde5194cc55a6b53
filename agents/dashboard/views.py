"""Agents: the list, the editor, copies, and the end."""

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import signed_in
from agents import selectors, services, versions
from agents.dashboard.editor import DRAFT, Editor
from agents.extension_points import TEST_TERMS
from agents.models import Agent
from agents.providers.registry import expect_sessions
from bubblyphone.core.errors import ApplicationError, InvalidRequest
from bubblyphone.core.pages.views import form_page, page, page_action, refusals_on, reported, show_refusal

RECENT_CALLS = 6


@page
def agents(request: HttpRequest) -> HttpResponse:
    models = {slug: model for model in selectors.list_models() for slug in (model.slug, *model.aliases)}
    rows = [(agent, models.get(agent.model_slug or "")) for agent in selectors.agents_of(signed_in(request))]
    return render(request, "agents/list.html", {"rows": rows})


@form_page
def agent(request: HttpRequest, pk: int) -> HttpResponse:
    """The editor with its draft, or what is live; a POST publishes, or keeps a draft."""
    edited = selectors.get_agent(developer=signed_in(request), pk=pk)
    editor = Editor(request.POST if request.method == "POST" else None, agent=edited)
    if editor.action == DRAFT:
        try:
            services.save_draft(agent=edited, form=editor.as_draft())
        except ApplicationError as error:
            show_refusal(request, error)
        else:
            messages.success(request, "Draft saved. Calls still use the live version.")
            return redirect("agent", pk)
    if editor.is_valid():
        with refusals_on(editor.form):
            _publish(request, editor)
            return redirect("agent", pk)
    expect_sessions()  # its test call comes to a web process
    context = {
        "agent": edited,
        "editor": editor,
        "form": editor.form,
        "test": TEST_TERMS.get()(editor.model_as_typed()),
        "numbers": services.linked_numbers(edited),
        "other_numbers": services.other_numbers(edited),
        "calls": edited.calls.order_by("-pk")[:RECENT_CALLS],
    }
    return render(request, "agents/edit.html", context)


def _publish(request: HttpRequest, editor: Editor) -> None:
    """Make what a valid editor holds live, and say so. Raises what `services.publish` raises."""
    published = services.publish(agent=editor.agent, changes=editor.changes())
    messages.success(request, _published_text(editor.agent, published))
    for warning in services.variable_warnings(published):
        messages.warning(request, warning)


def _published_text(before: Agent, published: Agent) -> str:
    if published.version == before.version:
        return "Saved. Nothing has changed since the last version."
    return f"Version {published.version} is live, starting with the next call."


@page_action
def save_draft(request: HttpRequest, pk: int) -> HttpResponse:
    """The editor saves what is typed while it is typed. Answers with words for its state."""
    edited = selectors.get_agent(developer=signed_in(request), pk=pk)
    draft = Editor(request.POST, agent=edited).as_draft()
    try:
        saved_at = services.save_draft(agent=edited, form=draft)
    except ApplicationError as error:
        return HttpResponse(error.message, status=error.status, content_type="text/plain; charset=utf-8")
    shown = {"agent": edited, "has_draft": bool(draft), "saved_at": saved_at}
    return render(request, "agents/_draft_state.html", shown)


@page_action
def discard_draft(request: HttpRequest, pk: int) -> HttpResponse:
    """Back to what is live."""
    edited = selectors.get_agent(developer=signed_in(request), pk=pk)
    with reported(request, "Draft discarded."), transaction.atomic():
        services.save_draft(agent=services.hold_draft(agent=edited, seen=request.POST.get("seen", "")), form="")
        return redirect("agent", pk)
    return redirect("draft-changes", pk)


@page_action
def publish_draft(request: HttpRequest, pk: int) -> HttpResponse:
    """Make the draft live from the page that shows what it changes. One that cannot be published stays, and the page says why."""
    edited = selectors.get_agent(developer=signed_in(request), pk=pk)
    with reported(request), transaction.atomic():
        editor = Editor(None, agent=services.hold_draft(agent=edited, seen=request.POST.get("seen", "")))
        if editor.has_draft and editor.is_sound():
            _publish(request, editor)
            return redirect("agent", pk)
    return redirect("draft-changes", pk)


@page
def draft_changes(request: HttpRequest, pk: int) -> HttpResponse:
    """What publishing the draft would change."""
    edited = selectors.get_agent(developer=signed_in(request), pk=pk)
    context: dict[str, Any] = {"agent": edited}
    if edited.draft:
        try:
            drafted = Editor(None, agent=edited).tested_agent()
        except InvalidRequest as error:
            context["problems"] = error.errors
        else:
            context["changes"] = versions.changes_between(versions.snapshot(edited), versions.snapshot(drafted))
    return render(request, "agents/draft.html", context)


@page_action
def duplicate_agent(request: HttpRequest, pk: int) -> HttpResponse:
    copy = services.duplicate_agent(agent=selectors.get_agent(developer=signed_in(request), pk=pk))
    messages.success(request, "Copied. No number uses this copy yet.")
    return redirect("agent", copy.pk)


@page_action
def delete_agent(request: HttpRequest, pk: int) -> HttpResponse:
    found = selectors.get_agent(developer=signed_in(request), pk=pk)
    with reported(request, "Agent deleted."):
        services.delete_agent(agent=found)
        return redirect("agents")
    return redirect("agent", pk)
