"""The Phone and Sandbox pages."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse

from accounts.access import signed_in
from accounts.models import Developer
from bubblyphone.core.errors import ApplicationError
from bubblyphone.core.pages.views import page, page_action
from bubblyphone.core.pagination import read_id
from calls.dashboard.call_page import live_context
from sandbox import prices, selectors, services
from sandbox.dashboard.forms import DEMO, SandboxForm
from sandbox.handset_numbers import handset_number

KEYS = (
    ("1", ""), ("2", "ABC"), ("3", "DEF"), ("4", "GHI"), ("5", "JKL"), ("6", "MNO"),
    ("7", "PQRS"), ("8", "TUV"), ("9", "WXYZ"), ("*", ""), ("0", "+"), ("#", ""),
)  # fmt: skip


@page
def phone(request: HttpRequest) -> HttpResponse:
    """The browser as a phone at the built-in exchange."""
    if not settings.EXCHANGE_URL:
        raise Http404
    developer = signed_in(request)
    context = {
        "numbers": selectors.callable_numbers(developer),
        "own_number": handset_number(developer),
        "to": request.GET.get("to", ""),
        "keys": KEYS,
        "last_call": selectors.newest_call_id(developer),
    }
    return render(request, "sandbox/phone.html", context)


@page
def phone_call(request: HttpRequest) -> HttpResponse:
    """The handset's newest call after the one with the id `after`, as a fragment; 204 while there is none."""
    seen = read_id(request.GET.get("after"))
    call = selectors.handset_calls(signed_in(request)).filter(pk__gt=seen or 0).first()
    if call is None:
        return HttpResponse(status=204)
    return render(request, "calls/_live_summary.html", live_context(call))


@page
def sandbox(request: HttpRequest) -> HttpResponse:
    """Talk to an agent without any phone."""
    developer = signed_in(request)
    form = SandboxForm(developer=developer, initial={"agent": request.GET.get("number", "")})
    context = {"form": form, "numbers": form.numbers, **_price_context(developer, form)}
    return render(request, "sandbox/sandbox.html", context)


@page
def sandbox_price(request: HttpRequest) -> HttpResponse:
    """The price of a call to the chosen agent, as a fragment."""
    developer = signed_in(request)
    form = SandboxForm(developer=developer, initial={"agent": request.GET.get("agent", "")})
    return render(request, "sandbox/_price.html", _price_context(developer, form))


@page_action
def sandbox_variables(request: HttpRequest) -> HttpResponse:
    """The variables of the chosen agent and the typed prompt, as a fragment. Typed values are kept."""
    typed = SandboxForm(request.POST, developer=signed_in(request))
    values = {field.name: request.POST[field.name] for field in typed.variables() if request.POST.get(field.name)}
    said = {name: request.POST.get(name, "") for name in ("agent", "system_prompt")}
    form = SandboxForm(developer=signed_in(request), initial={**said, **values})
    return render(request, "sandbox/_variables.html", {"form": form})


def _price_context(developer: Developer, form: SandboxForm) -> dict[str, object]:
    if form.number:
        return {"price": prices.price_of(form.number)}
    return {"demos_left": services.free_calls_left(developer.pk)}


@page_action
def start_sandbox(request: HttpRequest) -> JsonResponse:
    """Start a sandbox call; returns what its page needs to connect, or `{"message"}`."""
    developer = signed_in(request)
    form = SandboxForm(request.POST, developer=developer)
    if not form.is_valid():
        return JsonResponse({"message": _first_errors(form)}, status=422)
    try:
        started = _start(developer, form)
    except ApplicationError as error:
        return JsonResponse({"message": error.full_message}, status=error.status)
    return connection_details(started)


def connection_details(started: services.SandboxCall) -> JsonResponse:
    """What a page needs to connect to a started call and to show its progress."""
    call = started.call
    return JsonResponse(
        {
            "ws_url": started.ws_url,
            "summary_url": reverse("call-panel", args=[str(call.pk), "live_summary"]),
            "model": call.model_slug,
            "price_per_minute": str(call.model_rate),
        }
    )


def _start(developer: Developer, form: SandboxForm) -> services.SandboxCall:
    values = form.cleaned_data
    if values["agent"] == DEMO:
        return services.start_demo_call(developer=developer)[0]
    return services.start_sandbox_call(
        developer=developer,
        number=form.numbers[values["agent"]],
        overrides=form.overrides,
        dynamic_variables=form.values(),
    )


def _first_errors(form: SandboxForm) -> str:
    if "agent" in form.errors:
        return "Choose an agent to talk to."
    return " ".join(str(errors[0]) for errors in form.errors.values())
