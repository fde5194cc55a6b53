"""Settings in a number's API responses: time limits are never null, and `config` shows what a call would use."""

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.models import Developer
from agents.models import Agent
from billing import ledger
from phone_numbers.models import PhoneNumber
from tests.factories import make_agent, make_phone_number
from tests.fakes.exchange_thread import ExchangeThread

pytestmark = pytest.mark.django_db
NUMBERS = "/api/v1/phone-numbers"
LIMITS = {"max_call_duration": 3600, "silence_timeout": 30}


@pytest.fixture
def client(developer: Developer, empty_redis: object) -> APIClient:
    client = APIClient()
    client.force_authenticate(developer)
    return client


def limits(number: dict[str, Any]) -> dict[str, Any]:
    return {name: number[name] for name in LIMITS}


def test_a_new_number_shows_its_limits(client: APIClient, developer: Developer, exchange: ExchangeThread) -> None:
    ledger.test_credit(developer_id=developer.pk, amount=Decimal(25), key="credit")
    bought = client.post(NUMBERS, {"phone_number": "+14155550100"}, format="json").json()["data"]
    path = f"{NUMBERS}/{bought['id']}"
    answers = {
        "create": bought,
        "list": client.get(NUMBERS).json()["data"][0],
        "get": client.get(path).json()["data"],
        "patch": client.patch(path, {"label": "Support"}, format="json").json()["data"],
        "clear": client.patch(path, dict.fromkeys(LIMITS), format="json").json()["data"],
        "rotate": client.post(f"{path}/rotate-secret").json()["data"],
    }
    assert {name: limits(number) for name, number in answers.items()} == dict.fromkeys(answers, LIMITS)
    default = {name: {"value": value, "source": "default"} for name, value in LIMITS.items()}
    for name in answers.keys() - {"list"}:
        assert limits(answers[name]["config"]) == default, name


@pytest.mark.parametrize(
    ("of_agent", "of_number", "name", "expected"),
    [
        ({"silence_timeout": 60}, {}, "silence_timeout", {"value": 60, "source": "number_agent"}),
        ({"silence_timeout": 60}, {"silence_timeout": 20}, "silence_timeout", {"value": 60, "source": "number_agent"}),
        ({}, {"max_call_duration": 600}, "max_call_duration", {"value": 600, "source": "number"}),
        ({}, {}, "max_call_duration", {"value": 3600, "source": "default"}),
        ({"voice": "Charon"}, {"voice": "Kore"}, "voice", {"value": "Charon", "source": "number_agent"}),
        ({"system_prompt": "Be brief."}, {}, "system_prompt", {"value": "Be brief.", "source": "number_agent"}),
        ({"interruptible": False}, {}, "interruptible", {"value": False, "source": "number_agent"}),
        (
            {"max_cost_per_call": Decimal("1.5")},
            {},
            "max_cost_per_call",
            {"value": "1.50", "source": "number_agent"},
        ),
    ],
)
def test_config_shows_what_a_call_would_use(
    client: APIClient,
    developer: Developer,
    of_agent: dict[str, Any],
    of_number: dict[str, Any],
    name: str,
    expected: dict[str, Any],
) -> None:
    agent = make_agent(developer=developer, **of_agent)
    number = make_phone_number(developer=developer, agent=agent, **of_number)
    path = f"{NUMBERS}/{number.pk}"
    before = client.get(path).json()["data"]
    assert before["config"][name] == expected
    assert limits(before) == {**LIMITS, **{key: value for key, value in of_number.items() if key in LIMITS}}
    assert client.patch(path, {"label": "Support"}, format="json").json()["data"]["config"] == before["config"]


def test_config_follows_the_agent(client: APIClient, developer: Developer) -> None:
    agent = make_agent(developer=developer, silence_timeout=60)
    number = make_phone_number(developer=developer)
    path = f"{NUMBERS}/{number.pk}"
    linked = client.patch(path, {"agent_id": agent.pk}, format="json").json()["data"]
    assert linked["config"]["silence_timeout"] == {"value": 60, "source": "number_agent"}
    Agent.objects.filter(pk=agent.pk).update(silence_timeout=90)
    assert client.get(path).json()["data"]["config"]["silence_timeout"]["value"] == 90
    unlinked = client.patch(path, {"agent_id": None, "mode": "webhook"}, format="json").json()["data"]
    assert unlinked["config"]["silence_timeout"] == {"value": 30, "source": "default"}
    assert PhoneNumber.objects.get(pk=number.pk).silence_timeout is None
