"""New agents from templates, and testing one from its editor."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render

from accounts.access import signed_in
from agents import selectors, services
from agents.dashboard.editor import Editor
from bubblyphone.core.errors import ApplicationError, InvalidRequest
from bubblyphone.core.numbering.e164 import is_e164
from bubblyphone.core.pages.views import form_page, page_action, show_refusal
from sandbox import agent_tests
from sandbox.agent_templates import BY_KEY, TEMPLATES, settings_of
from sandbox.dashboard.views import connection_details


@form_page
def new_agent(request: HttpRequest) -> HttpResponse:
    """ "What should your agent do?": a POST names a template, creates an agent from it, and opens the editor."""
    template = BY_KEY.get(request.POST.get("template", ""))
    if template is not None:
        try:
            agent = services.create_agent(developer=signed_in(request), changes=settings_of(template))
        except ApplicationError as error:
            show_refusal(request, error)
        else:
            return redirect("agent", agent.pk)
    elif request.method == "POST":
        messages.error(request, "Choose one of the templates.")
    return render(request, "agents/new.html", {"templates": TEMPLATES})


@page_action
def test_agent(request: HttpRequest, pk: int) -> JsonResponse:
    """Start a test with the current form; returns what the editor needs to connect, or `{"message"}`."""
    agent = selectors.get_agent(developer=signed_in(request), pk=pk)
    editor = Editor(request.POST, agent=agent)
    try:
        if editor.caller and not is_e164(editor.caller):
            raise InvalidRequest({"Caller": ["Enter a number in E.164, like +14155550100."]})
        started = agent_tests.start_test(
            agent=editor.tested_agent(),
            values={name: value for name, value in editor.values.items() if value},
            caller=editor.caller,
            is_text=request.POST.get("test-mode") == "chat",
        )
    except ApplicationError as error:
        return JsonResponse({"message": _in_words(error)}, status=error.status)
    return connection_details(started)


def _in_words(error: ApplicationError) -> str:
    if not isinstance(error, InvalidRequest):
        return error.message
    return " ".join(f"{name}: {' '.join(texts)}" for name, texts in error.errors.items())
