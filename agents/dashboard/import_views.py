"""Importing tools into an agent's draft from an OpenAPI document: paste it, choose operations, add them."""

import json
from collections.abc import Iterable, Iterator

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import signed_in
from accounts.models import Developer
from agents import secrets, selectors, services
from agents.dashboard.editor import Editor
from agents.dashboard.forms import OpenApiForm
from agents.models import Agent
from agents.tools.openapi_import import Operation
from bubblyphone.core.errors import ApplicationError, InvalidRequest
from bubblyphone.core.json.documents import InvalidJSON, parse_json
from bubblyphone.core.pages.views import form_page, show_refusal

ADD = "add"


@form_page
def import_tools(request: HttpRequest, pk: int) -> HttpResponse:
    """A POST shows the operations of a document; with `add`, it puts those that were chosen into the draft."""
    developer = signed_in(request)
    agent = selectors.get_agent(developer=developer, pk=pk)
    if ADD in request.POST:
        try:
            count = _add(agent, request.POST.getlist("tool"))
        except ApplicationError as error:
            show_refusal(request, error)
            return redirect("import-tools", pk)
        added = "1 tool was" if count == 1 else f"{count} tools were"
        messages.success(request, f"{added} added to the draft. Calls use them once you publish it.")
        return redirect("agent", pk)
    taken = [tool.name for tool in Editor(None, agent=agent).tools()]
    posted = (request.POST, request.FILES) if request.method == "POST" else ()
    form = OpenApiForm(*posted, taken=taken)
    form.is_valid()
    context = {"agent": agent, "form": form, "rows": list(_rows(form.operations)), "missing": _missing(developer, form)}
    return render(request, "agents/import_tools.html", context)


def _add(agent: Agent, chosen: Iterable[str]) -> int:
    """Returns the number of added tools. Raises InvalidRequest."""
    try:
        tools = [parse_json(text) for text in chosen]
    except InvalidJSON as error:
        raise InvalidRequest({"tool": [f"This is {error}."]}) from error
    if not tools:
        raise InvalidRequest({"document": ["Choose at least one operation."]})
    draft = Editor(None, agent=agent).draft_with(tools)
    if len(draft) > services.MAX_DRAFT:
        raise InvalidRequest({"document": ["The tools are too large for one agent. Choose fewer operations."]})
    services.save_draft(agent=agent, form=draft)
    return len(tools)


def _rows(operations: Iterable[Operation]) -> Iterator[tuple[Operation, str]]:
    """The operations with the values of their checkboxes. Each value is the tool itself, so nothing is stored between the two steps."""
    return ((operation, json.dumps(operation.tool, ensure_ascii=False)) for operation in operations)


def _missing(developer: Developer, form: OpenApiForm) -> list[str]:
    """The secrets that the operations need and the account does not have yet."""
    needed = {name for operation in form.operations for name in operation.secrets}
    return sorted(needed - set(secrets.secrets_of(developer).values_list("name", flat=True))) if needed else []
