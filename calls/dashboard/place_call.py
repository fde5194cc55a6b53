"""Calling someone from the dashboard."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from accounts.access import signed_in
from accounts.models import Developer
from agents.agent_settings import resolution
from agents.dashboard.variable_fields import VariablesForm
from agents.models import Agent
from agents.selectors import agents_of
from bubblyphone.core.pages.filters import set_choices
from bubblyphone.core.pages.views import form_page, refusals_on
from bubblyphone.core.pagination import read_id
from bubblyphone.core.templatetags.ui import phone
from calls.control import call_me_first, outbound, scheduled_calls
from calls.dashboard.forms import TelephoneField
from calls.dashboard.scheduling import WhenForm, when_words
from calls.models import Call, ScheduledCall
from phone_numbers.models import CallMode, PhoneNumber
from phone_numbers.selectors import numbers_of

ME = "me"
OWN_PHONE = "own_phone"  # in the session: the reader's own phone, as last used
LOOK = "look"  # re-renders the form for another choice, without calling anyone
ASKED = ("to", "number", "agent", "when")
# htmx: another choice has other variables.
RELOADS_FORM = {
    "hx-post": "",
    "hx-trigger": "change",
    "hx-target": "#who-speaks",
    "hx-select": "#who-speaks",
    "hx-swap": "outerHTML",
    "hx-sync": "closest form:queue last",
    "hx-vals": f'{{"action": "{LOOK}"}}',
}


class PlaceCallForm(VariablesForm, WhenForm):
    """Whom to call and when, from which number and with which agent; each variable of the agent's texts has its own field."""

    without_default = "This variable has no default."
    to = TelephoneField(label="Number to call")
    number = forms.ChoiceField(label="Call from", widget=forms.Select(attrs=RELOADS_FORM))
    agent = forms.ChoiceField(label="Who speaks?", required=False, widget=forms.Select(attrs=RELOADS_FORM))
    own_phone = TelephoneField(label="Your phone", required=False)

    def __init__(
        self, data: Mapping[str, Any] | None = None, *, developer: Developer, initial: dict[str, Any] | None = None
    ) -> None:
        super().__init__(data, initial=initial)
        self._said: Mapping[str, Any] = data if data is not None else self.initial
        active = numbers_of(developer).filter(status=PhoneNumber.Status.ACTIVE).order_by("pk")
        self.numbers = {str(number.pk): number for number in active}
        self.agents = {str(agent.pk): agent for agent in agents_of(developer)}
        self.initial.setdefault("time_zone", developer.time_zone)
        self.initial["number"] = str(self.chosen_number.pk) if self.chosen_number else ""
        set_choices(self, "number", [(pk, _name_of(number)) for pk, number in self.numbers.items()])
        set_choices(
            self,
            "agent",
            [
                ("", who_speaks(self.chosen_number)),
                *((pk, agent.name) for pk, agent in self.agents.items()),
                (ME, "You: we call you first"),
            ],
        )
        if self.chosen_number is not None and self.mode == CallMode.STREAMING and not self.is_me_first:
            self.add_variables(
                resolution.resolve(request={}, request_agent=self.chosen_agent, number=self.chosen_number)
            )

    @property
    def is_me_first(self) -> bool:
        """Whether we call the reader's own phone first."""
        return self._said.get("agent") == ME

    @property
    def chosen_agent(self) -> Agent | None:
        """The agent chosen for this call; None: the number's own."""
        return self.agents.get(str(self._said.get("agent", "")))

    @property
    def chosen_number(self) -> PhoneNumber | None:
        """The chosen number; without a valid choice one that the chosen agent answers, otherwise the oldest."""
        chosen = self.numbers.get(str(self._said.get("number", "")))
        of_agent = (number for number in self.numbers.values() if number.agent == self.chosen_agent)
        return chosen or next(of_agent, None) or next(iter(self.numbers.values()), None)

    @property
    def mode(self) -> str:
        """Whether a model or the developer's server conducts the call."""
        return CallMode.STREAMING if self.chosen_agent or self.chosen_number is None else self.chosen_number.mode

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if self.is_me_first:
            if not values.get("own_phone") and "own_phone" not in self.errors:
                self.add_error("own_phone", "Enter the number of your phone, like +12025550123.")
            if values.get("due_at"):
                self.add_error("when", "Choose an agent to schedule a call.")
        elif self.mode == CallMode.WEBHOOK and self.chosen_number is not None and not self.chosen_number.webhook_url:
            self.add_error("agent", "Choose an agent. Nobody answers this number yet.")
        return values

    def place(self, developer: Developer) -> Call:
        """Dial. Raises like `begin_call` and `dial` of `calls.control.outbound`."""
        values = self.cleaned_data
        number = self.numbers[values["number"]]
        if self.is_me_first:
            return call_me_first.place(
                developer=developer, number=number, own_phone=values["own_phone"], to=values["to"]
            )
        call = outbound.begin_call(
            developer=developer,
            number=number,
            to=values["to"],
            mode=self.mode,
            request={"dynamic_variables": self.values()},
            agent=self.chosen_agent,
        )
        outbound.dial(call)
        return call

    def schedule(self, developer: Developer, due_at: datetime) -> ScheduledCall:
        """Schedule the call. Raises like `calls.control.scheduled_calls.schedule`."""
        values = self.cleaned_data
        return scheduled_calls.schedule(
            developer=developer,
            number=self.numbers[values["number"]],
            to=values["to"],
            agent=self.chosen_agent,
            variables=self.values(),
            due_at=due_at,
            time_zone=values["time_zone"],
        )


def who_speaks(number: PhoneNumber | None) -> str:
    """Who answers a number's calls, as a choice label."""
    if number is None:
        return "Choose an agent"
    if number.mode == CallMode.WEBHOOK:
        return "Your server" if number.webhook_url else "Choose an agent"
    return f"{number.agent.name} (answers this number)" if number.agent else "The number's own prompt"


def _name_of(number: PhoneNumber) -> str:
    return f"{number.label} · {phone(number.e164)}" if number.label else phone(number.e164)


@form_page
def call_someone(request: HttpRequest) -> HttpResponse:
    """The form, prefilled from the URL's query; a POST places the call and redirects to its page, or to the scheduled calls."""
    developer = signed_in(request)
    if request.method == "POST" and request.POST.get("action") != LOOK:
        form = PlaceCallForm(request.POST, developer=developer)
        if form.is_valid():
            with refusals_on(form):
                if form.is_me_first:
                    request.session[OWN_PHONE] = form.cleaned_data["own_phone"]
                if form.due_at is None:
                    return redirect("call", form.place(developer).pk)
                row = form.schedule(developer, form.due_at)
                messages.success(request, f"Call to {phone(row.to_number)} scheduled for {when_words(row)}.")
                return redirect("scheduled-calls")
    else:
        form = PlaceCallForm(developer=developer, initial=_asked_for(request))
    return render(request, "calls/place.html", {"form": form})


def _asked_for(request: HttpRequest) -> dict[str, Any]:
    """The values in the query, or in the form as typed so far."""
    if request.method == "POST":
        return request.POST.dict()
    found: dict[str, Any] = {name: request.GET.get(name, "") for name in ASKED}
    found["own_phone"] = request.session.get(OWN_PHONE, "")
    if found["number"] and read_id(found["number"]) is None:
        found["number"] = ""
    return found
