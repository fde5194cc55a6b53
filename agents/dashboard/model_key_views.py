"""Model keys: the developer's own at the vendors."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import signed_in
from agents import selectors, services
from agents.dashboard.forms import ModelKeyForm, ReplaceKeyForm
from agents.model_catalog.key_check import check_model_key
from bubblyphone.core.errors import ApplicationError, TooManyRequests
from bubblyphone.core.pages.views import form_page, page_action, posted_from, reported, show_refusal


@form_page
def model_keys(request: HttpRequest) -> HttpResponse:
    """The list; POST adds one."""
    developer = signed_in(request)
    form = ModelKeyForm(request.POST or None)
    if form.is_valid():
        services.create_model_key(developer=developer, **form.cleaned_data)
        messages.success(request, "Key saved. Test it, then select it for an agent or a number.")
        return redirect("model-keys")
    return _show(request, form=form)


def _show(
    request: HttpRequest, *, form: ModelKeyForm | None = None, refused: ReplaceKeyForm | None = None
) -> HttpResponse:
    """The page, with a form as it was refused."""
    keys = selectors.model_keys_of(signed_in(request))
    rows = [(key, refused if refused and refused.key == key else ReplaceKeyForm(key=key)) for key in keys]
    return render(request, "model_keys/list.html", {"form": form or ModelKeyForm(), "rows": rows})


@page_action
def check_key(request: HttpRequest, pk: int) -> HttpResponse:
    key = selectors.get_model_key(developer=signed_in(request), pk=pk)
    try:
        check = check_model_key(key=key)
    except TooManyRequests:
        raise
    except ApplicationError as error:
        show_refusal(request, error)
    else:
        (messages.success if check.ok else messages.error)(request, check.message)
    return redirect("model-keys")


@posted_from("model-keys")
def replace_key(request: HttpRequest, pk: int) -> HttpResponse:
    key = selectors.get_model_key(developer=signed_in(request), pk=pk)
    form = ReplaceKeyForm(request.POST, key=key)
    if form.is_valid():
        services.replace_model_key(key=key, api_key=form.cleaned_data["api_key"])
        messages.success(request, "Key replaced. Changes apply from the next call.")
        return redirect("model-keys")
    return _show(request, refused=form)


@page_action
def delete_key(request: HttpRequest, pk: int) -> HttpResponse:
    key = selectors.get_model_key(developer=signed_in(request), pk=pk)
    with reported(request, "Key deleted."):
        services.delete_model_key(key=key)
    return redirect("model-keys")
