"""A capability that the carrier lacks is refused in the configuration, and nothing changes. The small carrier only places calls."""

from collections.abc import Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from agents.models import Agent
from calls.models import Call
from phone_numbers.carriers.registry import forget_carriers
from phone_numbers.models import PhoneNumber
from tests.factories import make_developer, make_phone_number

pytestmark = pytest.mark.django_db
SPEECHLESS = "Small cannot speak or transcribe, which webhook mode requires. Use `streaming`."
NO_NUMBERS = "Small does not list, sell, or route numbers here."
UNRECORDED = "Small does not record calls in webhook mode."
UNSCREENED = "Small does not report who has answered, so phones that screen calls are not recognized."
PERSON, HOOK = "+12025550123", "https://a.example/hook"


@pytest.fixture
def small(settings: Any, empty_redis: object, without_billing: None) -> Iterator[None]:
    row = {"NAME": "Small", "BACKEND": "tests.phone_numbers.carriers.small.BlindCarrier", "OPTIONS": {}}
    settings.CARRIERS = {**settings.CARRIERS, "small": row | {"IS_CONFIGURED": True}}
    forget_carriers()
    yield
    forget_carriers()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("method", "path", "body", "errors"),
    [
        ("patch", "phone-numbers/{id}", {"mode": "webhook"}, {"mode": [SPEECHLESS]}),
        (
            "patch",
            "phone-numbers/{id}",
            {"mode": "webhook", "webhook_url": HOOK, "recording_enabled": True},
            {"mode": [SPEECHLESS], "recording_enabled": [UNRECORDED]},
        ),
        ("patch", "phone-numbers/{id}", {"screening_message": "It is us."}, {"screening_message": [UNSCREENED]}),
        ("patch", "phone-numbers/{id}", {"recording_enabled": True, "label": "x"}, None),
        ("patch", "phone-numbers/{id}", {"webhook_url": HOOK}, None),
        ("post", "calls", {"from": "{e164}", "to": PERSON, "mode": "webhook"}, {"mode": [SPEECHLESS]}),
        (
            "post",
            "calls",
            {"from": "{e164}", "to": PERSON, "screening_message": "x"},
            {"screening_message": [UNSCREENED]},
        ),
        ("post", "phone-numbers", {"phone_number": "+14155550100", "carrier": "small"}, {"carrier": [NO_NUMBERS]}),
        (
            "post",
            "phone-numbers",
            {"phone_number": "+14155550100", "carrier": "small", "webhook_url": HOOK},
            {"webhook_url": [SPEECHLESS]},
        ),
        (
            "post",
            "phone-numbers/import",
            {"phone_number": "+14155550100", "carrier": "small"},
            {"carrier": [NO_NUMBERS]},
        ),
        ("get", "phone-numbers/available", {"carrier": "small"}, {"carrier": [NO_NUMBERS]}),
    ],
)
def test_missing_capabilities_are_refused(method: str, path: str, body: dict[str, Any], errors: Any) -> None:
    developer = make_developer()
    client = APIClient()
    client.force_authenticate(developer)
    agent = Agent.objects.create(developer=developer, name="A", system_prompt="Be kind.")
    number = make_phone_number(developer=developer, carrier="small", mode="streaming", agent=agent)
    before = PhoneNumber.objects.values().get()
    body = {name: number.e164 if value == "{e164}" else value for name, value in body.items()}
    kind = {} if method == "get" else {"format": "json"}
    answer = getattr(client, method)(f"/api/v1/{path.format(id=number.pk)}", body, **kind)
    if errors is None:
        assert answer.status_code == 200, answer.content
        return
    assert (answer.status_code, answer.json()["errors"]) == (422, errors)
    assert (PhoneNumber.objects.values().get(), Call.objects.count()) == (before, 0)
