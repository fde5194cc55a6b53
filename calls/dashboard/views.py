"""The page of a call, and the tests of tools and lookups."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import signed_in
from bubblyphone.core.json.documents import parse_json, parse_stored_json
from bubblyphone.core.pages.once import show_once, take_shown_once
from bubblyphone.core.pages.views import form_page, page, page_action, posted_from, reported
from bubblyphone.core.pagination import read_id
from calls import selectors
from calls.control import running_calls
from calls.dashboard import call_page, lookup_trial, tool_trial
from calls.dashboard.forms import TransferForm, WhisperForm
from calls.models import Call


@page
def call(request: HttpRequest, identifier: str) -> HttpResponse:
    """A call's page; its live part requests only itself."""
    found = selectors.get_call(signed_in(request), identifier)
    if request.headers.get("HX-Target") == "call-live":
        return render(request, "calls/_live.html", {**call_page.live_context(found), "is_fragment": True})
    return _show(request, found)


def _show(request: HttpRequest, found: Call, **refused: forms.Form) -> HttpResponse:
    """The page, with a rejected form if there is one."""
    context = {
        **call_page.live_context(found),
        "config": call_page.config_lines(found),
        "prompt": call_page.pretty_config(found, "system_prompt"),
        "tools": call_page.pretty_config(found, "tools"),
        **call_page.follow_context(found),
        "transfer_form": TransferForm(),
        **refused,
    }
    return render(request, "calls/detail.html", context)


@page_action
def hang_up(request: HttpRequest, identifier: str) -> HttpResponse:
    return _act(request, identifier, running_calls.hang_up, "Hanging up.")


@posted_from("call", "identifier")
def whisper(request: HttpRequest, identifier: str) -> HttpResponse:
    """An instruction for the agent of a running call."""
    service = partial(running_calls.whisper, by=signed_in(request).email)
    return _act(request, identifier, service, "Whispered to the agent.", whisper_form=WhisperForm(request.POST))


@posted_from("call", "identifier")
def transfer(request: HttpRequest, identifier: str) -> HttpResponse:
    return _act(
        request, identifier, running_calls.transfer, "Calling the number.", transfer_form=TransferForm(request.POST)
    )


def _act(
    request: HttpRequest, identifier: str, service: Callable[..., None], done: str, **posted: forms.Form
) -> HttpResponse:
    """Apply a form to a running call through a service, then return to the call's page."""
    found = selectors.get_call(signed_in(request), identifier)
    if not all(form.is_valid() for form in posted.values()):
        return _show(request, found, **posted)
    with reported(request, done):
        service(call=found, **{name: value for form in posted.values() for name, value in form.cleaned_data.items()})
    return redirect("call", identifier)


@form_page
def try_tool(request: HttpRequest) -> HttpResponse:
    """A tool test from the agent editor: the button `tool` names the tool, and the whole editor is posted.

    Without htmx the result has its own page, after a redirect, so that reloading it does not repeat the test.
    """
    return _show_trial(request, "try-tool", _trial_outcome, "agents/trial.html", "agents/_trial.html")


def _show_trial(
    request: HttpRequest, route: str, outcome_of: Callable[[HttpRequest], dict[str, Any]], whole: str, part: str
) -> HttpResponse:
    """Run or show a test. `whole` is the template of a page, `part` that of the fragment for htmx."""
    if request.method != "POST":
        stored = take_shown_once(request, route)
        return render(request, whole, parse_stored_json(stored)) if stored else redirect("agents")
    outcome = outcome_of(request)
    if "HX-Request" in request.headers:
        return render(request, part, outcome)
    show_once(request, route, json.dumps(outcome))
    return redirect(route)


def _trial_outcome(request: HttpRequest) -> dict[str, Any]:
    """Data for the page: `name`, and `trial` (Trial.shown) or `trouble`."""
    index = request.POST.get("tool", "")
    name, agent_id = request.POST.get(f"trial-{index}-name", ""), request.POST.get("trial-agent", "")
    try:
        arguments = parse_json(request.POST.get(f"trial-{index}-arguments") or "{}")
        if not isinstance(arguments, dict):
            raise ValueError("The arguments must be a JSON object.")
        about: dict[str, Any] = {"developer": signed_in(request), "agent_id": read_id(agent_id), "arguments": arguments}
        if definition := _definition_with_url(request.POST.get("tools", ""), name):
            trial = tool_trial.try_http_tool(definition=definition, **about)
        else:
            trial = tool_trial.try_tool(url=request.POST.get("tool_webhook_url", ""), name=name, **about)
    except ValidationError as error:
        return {"name": name, "trouble": f"Tool webhook URL: {' '.join(error.messages)}"}
    except ValueError as error:
        return {"name": name, "trouble": f"These arguments cannot be sent: {error}"}
    return {"name": name, "trial": trial.shown()}


def _definition_with_url(tools: str, name: str) -> dict[str, Any] | None:
    """The tool of that name in the editor, if it has its own URL."""
    found = parse_json(tools) if tools.strip() else []
    named = (
        [tool for tool in found if isinstance(tool, dict) and tool.get("name") == name]
        if isinstance(found, list)
        else []
    )
    return named[0] if named and named[0].get("url") else None


@form_page
def try_lookup(request: HttpRequest) -> HttpResponse:
    """A test of the lookup URL in an agent's or a number's form, shown like a tool test."""
    return _show_trial(request, "try-lookup", _lookup_outcome, "calls/lookup_trial.html", "calls/_lookup_trial.html")


def _lookup_outcome(request: HttpRequest) -> dict[str, Any]:
    """Data for the page: `trial`, or `trouble`."""
    try:
        trial = lookup_trial.try_lookup(
            developer=signed_in(request),
            url=request.POST.get("lookup_url", ""),
            agent_id=read_id(request.POST.get("trial-agent", "")),
            number_id=read_id(request.POST.get("trial-number", "")),
        )
    except ValidationError as error:
        return {"trouble": f"Lookup URL: {' '.join(error.messages)}"}
    return {"trial": trial}
