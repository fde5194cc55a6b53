"""Overview, the list of calls, and one call."""

import json
from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.access import signed_in
from accounts.models import Developer
from bubblyphone.core.errors import ApplicationError
from bubblyphone.core.pages import MAX_ID, page, show_refusal, slice_of
from calls import checklist, pages, selectors, services, tool_trial
from calls.forms import CallFilterForm, ContextForm, TransferForm
from phone_numbers.models import PhoneNumber

RECENT = 8


class CallFilterForm(forms.Form):
    """The filters of the list, kept in its URL. One that makes no sense is no filter."""

    direction = forms.ChoiceField(required=False, choices=[("", "Both directions"), *Direction.choices])
    status = forms.ChoiceField(required=False, choices=[("", "Any status"), *CallStatus.choices])
    number = forms.TypedChoiceField(required=False, coerce=int, empty_value=None)

    def __init__(self, data: object, *, developer: Developer) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        owned = PhoneNumber.objects.filter(developer=developer).exclude(status=PhoneNumber.Status.RELEASED)
        choices = [(number.pk, number.label or phone(number.e164)) for number in owned.order_by("pk")]
        self.fields["number"] = forms.TypedChoiceField(
            required=False, coerce=int, empty_value=None, choices=[("", "All numbers"), *choices]
        )


@never_cache
@require_GET
@page
def overview(request: HttpRequest) -> HttpResponse:
    developer = signed_in(request)
    steps = pages.first_steps(developer)
    context = {
        "steps": [] if all(step.is_done for step in steps) else steps,
        "running": pages.running_calls_of(developer).count(),
        "calls": selectors.calls_of(developer).order_by("-pk")[:RECENT],
        "numbers": PhoneNumber.objects.filter(developer=developer)
        .exclude(status=PhoneNumber.Status.RELEASED)
        .select_related("agent")
        .order_by("-pk"),
    }
    return render(request, "calls/overview.html", context)


@never_cache
@require_GET
@page
def calls(request: HttpRequest) -> HttpResponse:
    """All calls, newest first, by direction, status and number."""
    developer = signed_in(request)
    form = CallFilterForm(request.GET, developer=developer)
    form.is_valid()
    names = {"direction": "direction", "status": "status", "number": "phone_number_id"}
    chosen = {names[name]: value for name, value in form.cleaned_data.items() if value}
    shown = slice_of(selectors.calls_of(developer).filter(**chosen), request.GET.get("before"))
    kept = request.GET.copy()
    kept.pop("before", None)
    context = {"form": form, "shown": shown, "is_filtered": bool(chosen), "kept": kept.urlencode()}
    return render(request, "calls/list.html", context)


@never_cache
@require_GET
@page
def call(request: HttpRequest, identifier: str) -> HttpResponse:
    """One call; asked by htmx, only what changes while it runs."""
    found = selectors.get_call(signed_in(request), identifier)
    context = pages.live_context(found)
    if request.headers.get("HX-Request"):
        return render(request, "calls/_live.html", context)
    context |= {
        "config": pages.config_lines(found),
        "prompt": pages.pretty_config(found, "system_prompt"),
        "tools": pages.pretty_config(found, "tools"),
    }
    return render(request, "calls/detail.html", context)


@require_POST
@page
def hang_up(request: HttpRequest, identifier: str) -> HttpResponse:
    found = selectors.get_call(signed_in(request), identifier)
    try:
        services.hang_up(call=found)
        messages.success(request, "Hanging up.")
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
        arguments = json.loads(request.POST.get(f"trial-{index}-arguments") or "{}")
        if not isinstance(arguments, dict):
            raise ValueError("The arguments must be an object.")
        context["trial"] = tool_trial.try_tool(
            developer=signed_in(request),
            agent_id=int(agent_id) if agent_id.isdecimal() and int(agent_id) <= MAX_ID else None,
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
