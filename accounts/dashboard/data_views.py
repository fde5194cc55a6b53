"""The data page of an account: retention, and the export as one file."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from accounts import account_export, retention, throttles
from accounts.access import signed_in
from accounts.models import Developer
from bubblyphone.core.files.streamed_zip import in_threads
from bubblyphone.core.pages.views import form_page, page


class RetentionForm(forms.Form):
    """Retention days by kind; an empty field keeps the data."""

    def __init__(self, data: Any, *, developer: Developer) -> None:
        super().__init__(data, initial=retention.periods_of(developer))
        for kind in retention.kinds():
            self.fields[kind.name] = forms.IntegerField(
                label=f"{kind.title} (days)",
                help_text=kind.text,
                required=False,
                min_value=1,
                max_value=retention.MAX_DAYS,
                widget=forms.NumberInput(attrs={"placeholder": "Keep"}),
            )


@form_page
def data(request: HttpRequest) -> HttpResponse:
    developer = signed_in(request)
    form = RetentionForm(request.POST or None, developer=developer)
    if form.is_valid():
        retention.set_periods(developer, {name: form.cleaned_data[name] for name in form.changed_data})
        messages.success(request, "Retention saved.")
        return redirect("data")
    return render(request, "accounts/data.html", {"form": form})


@page
def export(request: HttpRequest) -> HttpResponse:
    """The export, streamed while it is created."""
    developer = signed_in(request)
    throttles.count_export(developer)
    response = StreamingHttpResponse(in_threads(account_export.export(developer)), content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="bubblyphone-{timezone.now():%Y-%m-%d}.zip"'
    return cast(HttpResponse, response)  # of which it has what a page's decorators use
