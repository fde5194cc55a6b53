"""Puts the user's own agent, number and call IDs into the documentation's samples, so that they run unchanged."""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from accounts.models import Developer
from agents.models import Agent
from calls.models import Call
from phone_numbers.models import PhoneNumber

_CODE = re.compile(r"(<pre data-copyable>)(.*?)(</pre>)", re.DOTALL)
# As they are in the samples, escaped for HTML: the IDs of paths, and the fields of bodies in three languages.
_PLACES = {
    "agents": re.compile(r"(/api/v1/agents/)\d+()"),
    "phone-numbers": re.compile(r"(/api/v1/phone-numbers/)\d+()"),
    "calls": re.compile(r"(/api/v1/calls/)\d+()"),
    "agent_id": re.compile(r"(\bagent_id(?:&quot;)?: ?)\d+()"),
    "phone_number_id": re.compile(r"(\bphone_number_id(?:&quot;)?: ?)\d+()"),
    "from": re.compile(r"(\bfrom(?:&quot;)?: ?&quot;)\+\d+(&quot;)"),
}


def with_own_ids(request: HttpRequest, page: HttpResponse) -> HttpResponse:
    """The page with the IDs of the account's newest agent, number and call in its samples; unchanged for visitors."""
    if not isinstance(request.user, Developer) or not (own := own_ids(request.user)):
        return page
    page.content = _CODE.sub(lambda code: code[1] + _filled(code[2], own) + code[3], page.content.decode())
    return page


def own_ids(developer: Developer) -> dict[str, str]:
    """The value for each of _PLACES, as far as the account has it."""
    agent = Agent.objects.filter(developer=developer).order_by("-pk").values_list("pk", flat=True).first()
    numbers = PhoneNumber.objects.filter(developer=developer, status=PhoneNumber.Status.ACTIVE).order_by("-pk")
    number, e164 = numbers.values_list("pk", "e164").first() or (None, None)
    call = Call.objects.filter(developer=developer).order_by("-pk").values_list("pk", flat=True).first()
    found = {
        "agents": agent,
        "agent_id": agent,
        "phone-numbers": number,
        "phone_number_id": number,
        "from": e164,
        "calls": call,
    }
    return {place: str(value) for place, value in found.items() if value is not None}


def _filled(code: str, own: dict[str, str]) -> str:
    for place, value in own.items():
        code = _PLACES[place].sub(_between(value), code)
    return code


def _between(value: str) -> Callable[[re.Match[str]], str]:
    return lambda match: match[1] + value + match[2]
