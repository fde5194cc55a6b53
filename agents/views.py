"""Agents: the list, the editor, copies, and the end."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import signed_in
from agents import selectors, services
from agents.editor import Editor
from agents.models import Agent
from bubblyphone.core.errors import ApplicationError
from bubblyphone.core.pages import add_errors, page, show_refusal

RECENT_CALLS = 6


@never_cache
@require_safe
@page
def agents(request: HttpRequest) -> HttpResponse:
    models = {slug: model for model in selectors.list_models() for slug in (model.slug, *model.aliases)}
    rows = [(agent, models.get(agent.model_slug or "")) for agent in selectors.agents_of(signed_in(request))]
    return render(request, "agents/list.html", {"rows": rows})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def new_agent(request: HttpRequest) -> HttpResponse:
    return _edit(request, Agent(developer=signed_in(request)))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def agent(request: HttpRequest, pk: int) -> HttpResponse:
    """The editor, and what the agent is used by."""
    return _edit(request, selectors.get_agent(developer=signed_in(request), pk=pk))


def _edit(request: HttpRequest, edited: Agent) -> HttpResponse:
    editor = Editor(request.POST if request.method == "POST" else None, agent=edited)
    if editor.is_valid():
        try:
            saved = _save(edited, editor)
        except ApplicationError as error:
            add_errors(editor.form, error)
        else:
            messages.success(request, "Saved. Changes apply from the next call.")
            for warning in services.variable_warnings(saved):
                messages.warning(request, warning)
            return redirect("agent", saved.pk)
    context = {"agent": edited, "editor": editor, "form": editor.form}
    if edited.pk is not None:
        context["numbers"] = services.linked_numbers(edited)
        context["other_numbers"] = services.other_numbers(edited)
        context["calls"] = edited.calls.order_by("-pk")[:RECENT_CALLS]
    return render(request, "agents/edit.html", context)


def _save(edited: Agent, editor: Editor) -> Agent:
    if edited.pk is None:
        return services.create_agent(developer=edited.developer, changes=editor.changes())
    return services.update_agent(agent=edited, changes=editor.changes())


@require_POST
@page
def duplicate_agent(request: HttpRequest, pk: int) -> HttpResponse:
    copy = services.duplicate_agent(agent=selectors.get_agent(developer=signed_in(request), pk=pk))
    messages.success(request, "Copied. No number uses this copy yet.")
    return redirect("agent", copy.pk)


@require_POST
@page
def delete_agent(request: HttpRequest, pk: int) -> HttpResponse:
    found = selectors.get_agent(developer=signed_in(request), pk=pk)
    try:
        services.delete_agent(agent=found)
    except ApplicationError as error:
        show_refusal(request, error)
        return redirect("agent", pk)
    messages.success(request, "Agent deleted.")
    return redirect("agents")
