"""The notifications page: each kind by email and by webhook."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from django import forms
from django.contrib import messages
from django.forms import BoundField
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts import notifications
from accounts.access import signed_in
from accounts.models import Developer
from accounts.notifications import Channel, NotificationKind
from bubblyphone.core.pages.views import form_page


class Row(NamedTuple):
    """A kind with a checkbox for each channel; None if it does not use the channel."""

    kind: NotificationKind
    channels: list[BoundField | None]


class NotificationForm(forms.Form):
    """A checkbox for each optional kind and channel."""

    def __init__(self, data: Any, *, developer: Developer) -> None:
        choices = notifications.choices_of(developer)
        self.kinds = [kind for kind in notifications.shown_kinds() if not kind.is_security]
        self.boxes = [(kind, channel, f"{kind.name}-{channel}") for kind in self.kinds for channel in kind.channels]
        super().__init__(data, initial={name: choices[kind.name][channel] for kind, channel, name in self.boxes})
        for kind, channel, name in self.boxes:
            label = f"{kind.title} by {'email' if channel == Channel.EMAIL else 'webhook'}"
            self.fields[name] = forms.BooleanField(label=label, required=False)

    def rows(self) -> Iterator[Row]:
        """As the page shows them."""
        shown = {name: self[name] for name in self.fields}
        for kind in self.kinds:
            yield Row(kind, [shown.get(f"{kind.name}-{channel}") for channel in Channel])

    def changes(self) -> dict[str, dict[str, bool]]:
        """The changes of a valid form, as arguments for `notifications.choose`."""
        found: dict[str, dict[str, bool]] = {}
        for kind, channel, name in self.boxes:
            found.setdefault(kind.name, {})[channel.value] = self.cleaned_data[name]
        return found


@form_page
def notification_settings(request: HttpRequest) -> HttpResponse:
    """The page; a POST saves it."""
    developer = signed_in(request)
    form = NotificationForm(request.POST if request.method == "POST" else None, developer=developer)
    if form.is_valid():
        notifications.choose(developer, form.changes())
        messages.success(request, "Notifications saved.")
        return redirect("notifications")
    context = {"form": form, "always": [kind for kind in notifications.shown_kinds() if kind.is_security]}
    return render(request, "accounts/notifications.html", context)
