"""Secrets: values that tools send to the developer's servers."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import signed_in
from agents import secrets
from agents.dashboard.forms import ReplaceSecretForm, SecretForm
from bubblyphone.core.pages.views import form_page, page_action, posted_from, refusals_on, reported


@form_page
def secrets_page(request: HttpRequest) -> HttpResponse:
    """The list; POST adds one."""
    form = SecretForm(request.POST or None)
    if form.is_valid():
        with refusals_on(form):
            secrets.create_secret(developer=signed_in(request), **form.cleaned_data)
            messages.success(request, "Secret saved. Use it in the headers or the URL of a tool.")
            return redirect("secrets")
    return _show(request, form=form)


def _show(
    request: HttpRequest, *, form: SecretForm | None = None, refused: ReplaceSecretForm | None = None
) -> HttpResponse:
    """The page, with a form as it was refused."""
    found = secrets.secrets_of(signed_in(request))
    rows = [
        (secret, refused if refused and refused.secret == secret else ReplaceSecretForm(secret=secret))
        for secret in found
    ]
    return render(request, "secrets/list.html", {"form": form or SecretForm(), "rows": rows})


@posted_from("secrets")
def replace_secret(request: HttpRequest, pk: int) -> HttpResponse:
    secret = secrets.get_secret(developer=signed_in(request), pk=pk)
    form = ReplaceSecretForm(request.POST, secret=secret)
    if form.is_valid():
        secrets.replace_secret(secret=secret, value=form.cleaned_data["value"])
        messages.success(request, "Secret replaced. Changes apply from the next call.")
        return redirect("secrets")
    return _show(request, refused=form)


@page_action
def delete_secret(request: HttpRequest, pk: int) -> HttpResponse:
    secret = secrets.get_secret(developer=signed_in(request), pk=pk)
    with reported(request, "Secret deleted."):
        secrets.delete_secret(secret=secret)
    return redirect("secrets")
