"""Model keys: the developer's own at the vendors."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import signed_in
from agents import selectors, services
from agents.forms import ModelKeyForm, ReplaceKeyForm
from agents.key_check import check_model_key
from bubblyphone.core.errors import ApplicationError
from bubblyphone.core.pages import page, show_refusal


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@page
def model_keys(request: HttpRequest) -> HttpResponse:
    """The list; POST adds one."""
    developer = signed_in(request)
    form = ModelKeyForm(request.POST or None)
    if form.is_valid():
        services.create_model_key(developer=developer, **form.cleaned_data)
        messages.success(request, "The key is kept, encrypted. Test it, then choose it for an agent or a number.")
        return redirect("model-keys")
    rows = [(key, ReplaceKeyForm(key=key)) for key in selectors.model_keys_of(developer)]
    return render(request, "model_keys/list.html", {"form": form, "rows": rows})


@require_POST
@page
def check_key(request: HttpRequest, pk: int) -> HttpResponse:
    key = selectors.get_model_key(developer=signed_in(request), pk=pk)
    try:
        check = check_model_key(key=key)
    except ApplicationError as error:
        show_refusal(request, error)
    else:
        (messages.success if check.ok else messages.error)(request, check.message)
    return redirect("model-keys")


@require_POST
@page
def replace_key(request: HttpRequest, pk: int) -> HttpResponse:
    key = selectors.get_model_key(developer=signed_in(request), pk=pk)
    form = ReplaceKeyForm(request.POST, key=key)
    if form.is_valid():
        services.replace_model_key(key=key, api_key=form.cleaned_data["api_key"])
        messages.success(request, "The key is replaced. It holds from the next call on.")
    else:
        messages.error(request, " ".join(str(text) for texts in form.errors.values() for text in texts))
    return redirect("model-keys")


@require_POST
@page
def delete_key(request: HttpRequest, pk: int) -> HttpResponse:
    key = selectors.get_model_key(developer=signed_in(request), pk=pk)
    try:
        services.delete_model_key(key=key)
    except ApplicationError as error:
        show_refusal(request, error)
    else:
        messages.success(request, "The key is deleted.")
    return redirect("model-keys")
