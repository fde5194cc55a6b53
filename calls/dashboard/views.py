"""The list of calls, and one call."""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.access import signed_in
from bubblyphone.core.errors import ApplicationError
from bubblyphone.core.json_documents import parse_json
from bubblyphone.core.pages import page, read_id, show_refusal, slice_of
from calls import selectors, services
from calls.dashboard import pages, tool_trial
from calls.dashboard.forms import CallFilterForm, ContextForm, TransferForm


@never_cache
@require_safe
@page
def calls(request: HttpRequest) -> HttpResponse:
    """All calls, newest first, by the filters of the URL."""
    developer = signed_in(request)
    form = CallFilterForm(request.GET, developer=developer)
    shown = slice_of(form.narrow(selectors.calls_of(developer)), request.GET.get("before"))
    kept = request.GET.copy()
    kept.pop("before", None)
    is_live = shown.is_first and any(not call.is_over for call in shown.rows)
    context = {"form": form, "shown": shown, "kept": kept.urlencode(), "is_live": is_live}
    return render(request, "calls/list.html", context)


@never_cache
@require_safe
@page
def call(request: HttpRequest, identifier: str) -> HttpResponse:
    """One call; asked by its own live part, that part alone."""
    found = selectors.get_call(signed_in(request), identifier)
    context = pages.live_context(found)
    if request.headers.get("HX-Target") == "call-live":
        return render(request, "calls/_live.html", {**context, "is_fragment": True})
    context |= {
        "config": pages.config_lines(found),
        "prompt": pages.pretty_config(found, "system_prompt"),
        "tools": pages.pretty_config(found, "tools"),
        "context_form": ContextForm(),
        "transfer_form": TransferForm(),
    }
    return render(request, "calls/detail.html", context)


@require_POST
@page
def hang_up(request: HttpRequest, identifier: str) -> HttpResponse:
    return _act(request, identifier, services.hang_up, "Hanging up.")


@require_POST
@page
def give_context(request: HttpRequest, identifier: str) -> HttpResponse:
    """A note for the model of a running call."""
    return _act(request, identifier, services.inject_context, "The agent has been told.", ContextForm(request.POST))


@require_POST
@page
def transfer(request: HttpRequest, identifier: str) -> HttpResponse:
    return _act(request, identifier, services.transfer, "The other party is being called.", TransferForm(request.POST))


def _act(
    request: HttpRequest, identifier: str, service: Callable[..., None], done: str, form: forms.Form | None = None
) -> HttpResponse:
    """Have a service do something to a running call, with what a form holds; back to the call's page either way."""
    found = selectors.get_call(signed_in(request), identifier)
    if form is not None and not form.is_valid():
        messages.error(request, " ".join(str(text) for texts in form.errors.values() for text in texts))
        return redirect("call", identifier)
    try:
        service(call=found, **(form.cleaned_data if form is not None else {}))
        messages.success(request, done)
    except ApplicationError as error:
        show_refusal(request, error)
    return redirect("call", identifier)


@require_POST
@page
def try_tool(request: HttpRequest) -> HttpResponse:
    """A trial of the agent editor: the button `tool` says which of the tools, and the whole editor comes along."""
    index = request.POST.get("tool", "")
    name, agent_id = request.POST.get(f"trial-{index}-name", ""), request.POST.get("trial-agent", "")
    context: dict[str, object] = {"name": name}
    try:
        arguments = parse_json(request.POST.get(f"trial-{index}-arguments") or "{}")
        if not isinstance(arguments, dict):
            raise ValueError("The arguments must be an object.")
        context["trial"] = tool_trial.try_tool(
            developer=signed_in(request),
            agent_id=read_id(agent_id),
            url=request.POST.get("tool_webhook_url", ""),
            name=name,
            arguments=arguments,
        )
    except ValidationError as error:
        context["trouble"] = f"Tool webhook URL: {' '.join(error.messages)}"
    except ValueError as error:
        context["trouble"] = f"These arguments cannot be sent: {error}"
    template = "agents/_trial.html" if request.headers.get("HX-Request") else "agents/trial.html"
    return render(request, template, context)
