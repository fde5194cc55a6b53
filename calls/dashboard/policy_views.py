"""The pages of the calling policy and the do-not-call list."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import signed_in
from bubblyphone.core.pages.views import form_page, page, page_action, posted_from
from bubblyphone.core.pagination import slice_of
from calls.dashboard.policy_forms import DoNotCallFileForm, DoNotCallForm, PolicyForm
from calls.models import DoNotCallNumber
from calls.policy import services


@form_page
def policy(request: HttpRequest) -> HttpResponse:
    developer = signed_in(request)
    form = PolicyForm(request.POST or None, policy=services.policy_of(developer))
    if form.is_valid():
        form.save(developer)
        messages.success(request, "Policy saved. It applies from the next call.")
        return redirect("policy")
    return render(request, "calls/policy.html", {"form": form, "time_zone": developer.time_zone})


@form_page
def do_not_call(request: HttpRequest) -> HttpResponse:
    """The list, by digits of a number (`q`); POST adds one."""
    developer = signed_in(request)
    form = DoNotCallForm(request.POST or None)
    if form.is_valid():
        already = services.numbers_of(developer).filter(phone_number=form.cleaned_data["phone_number"]).exists()
        services.add(developer_id=developer.pk, source=DoNotCallNumber.Source.PAGE, **form.cleaned_data)
        messages.success(request, "This number was already on the list." if already else "Number added.")
        return redirect("do-not-call")
    return _show(request, form=form)


def _show(request: HttpRequest, **forms_shown: forms.Form) -> HttpResponse:
    developer = signed_in(request)
    typed = request.GET.get("q", "")
    digits = "".join(character for character in typed if character.isascii() and character.isdecimal())
    rows = services.numbers_of(developer)
    if typed.strip():
        rows = rows.filter(phone_number__contains=digits) if digits else rows.none()
    query = request.GET.copy()
    query.pop("before", None)
    context: dict[str, Any] = {
        "form": DoNotCallForm(),
        "file_form": DoNotCallFileForm(),
        "shown": slice_of(rows, request.GET.get("before")),
        "typed": typed,
        "query": query.urlencode(),
        **forms_shown,
    }
    return render(request, "calls/do_not_call.html", context)


@posted_from("do-not-call")
def import_numbers(request: HttpRequest) -> HttpResponse:
    form = DoNotCallFileForm(request.POST, request.FILES)
    if form.is_valid() and (counts := form.save(signed_in(request))):
        added, known = counts["added"], counts["already_listed"]
        listed = f" {known} {'was' if known == 1 else 'were'} already on the list." if known else ""
        messages.success(request, f"Added {added} number{'' if added == 1 else 's'}.{listed}")
        return redirect("do-not-call")
    return _show(request, file_form=form)


@page
def export_numbers(request: HttpRequest) -> HttpResponse:
    return services.csv_of(services.numbers_of(signed_in(request)))


@page_action
def remove_number(request: HttpRequest, pk: int) -> HttpResponse:
    services.remove(developer=signed_in(request), pk=pk)
    messages.success(request, "Number removed. It can be called again.")
    return redirect("do-not-call")
