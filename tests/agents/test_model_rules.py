"""Combinations that are refused: unusable models, keys of other providers, voices that a model does not have."""

import json
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Developer
from agents.agent_settings.resolution import resolve
from agents.model_catalog.model_rules import call_problems
from agents.models import Agent, AIModel
from agents.services import create_model_key
from billing.models import LedgerEntry
from calls.charging.call_prices import model_price
from calls.live.engines import engines_of
from calls.models import Call
from phone_numbers.models import PhoneNumber
from tests.calls.rows import make_account, make_call
from tests.factories import bearer, make_agent, make_phone_number

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]

GEMINI, GPT, LOCAL = "gemini-3.1-flash-live", "gpt-realtime-1.5", "local-offline"
SECRETS = {"openai": "sk-0123456789", "google": "AIza-0123456789"}
NO_KEY = "This server has no {0} key. Add your own {0} model key."
OPENAI_VOICES = "marin, cedar, alloy, ash, ballad, coral, echo, sage, shimmer, verse"


class Api:
    """A developer with credit, as an API client."""

    def __init__(self, client: Any) -> None:
        self.developer = make_account()
        self._client, self._headers = client, bearer(self.developer)

    def __call__(self, method: str, path: str, body: dict[str, Any], status: int) -> Any:
        response = self._client.generic(method, f"/api/v1/{path}", json.dumps(body).encode(), headers=self._headers)
        assert response.status_code == status, response.content
        return response.json()

    def refused(self, method: str, path: str, body: dict[str, Any]) -> dict[str, list[str]]:
        """The errors of a refused request, which changes nothing."""
        before = stored()
        errors = self(method, path, body, 422)["errors"]
        assert stored() == before
        return dict(errors)


def stored() -> list[Any]:
    rows = [list(model.objects.order_by("pk").values()) for model in (Agent, PhoneNumber, Call, LedgerEntry)]
    return [*rows, list(Developer.objects.values_list("pk", "demo_calls_used"))]


@pytest.fixture
def api(client: Any) -> Api:
    return Api(client)


def number(api: Api, **fields: Any) -> PhoneNumber:
    return make_phone_number(developer=api.developer, mode="streaming", system_prompt="Be brief.", **fields)


def key(api: Api, provider: str) -> int:
    return create_model_key(developer=api.developer, provider=provider, api_key=SECRETS[provider]).pk


# --- models that cannot be used ---------------------------------------------------------------------------------------
@pytest.mark.usefixtures("without_keys")
@pytest.mark.parametrize(("slug", "vendor"), [(GEMINI, "Google"), (GPT, "OpenAI")])
def test_a_model_without_any_key_is_refused_everywhere(api: Api, slug: str, vendor: str) -> None:
    stale, agent = number(api, model_slug=slug), make_agent(developer=api.developer, model_slug=slug)
    plain = number(api, model_slug=LOCAL)
    error = {"model": [NO_KEY.format(vendor)]}
    call = {"from": stale.e164, "to": "+12025551234", "mode": "streaming"}
    assert api.refused("POST", "calls", call) == error
    assert api.refused("POST", "calls", {**call, "from": plain.e164, "model": slug}) == error
    assert api.refused("POST", "calls", {**call, "from": plain.e164, "agent_id": agent.pk}) == error
    assert api.refused("POST", "sandbox/calls", {"phone_number_id": stale.pk}) == error
    assert api.refused("POST", "sandbox/calls", {"phone_number_id": plain.pk, "overrides": {"model": slug}}) == error
    assert api.refused("PATCH", f"phone-numbers/{plain.pk}", {"model": slug}) == error
    assert api.refused("PATCH", f"phone-numbers/{plain.pk}", {"agent_id": agent.pk}) == error
    assert api.refused("PATCH", f"agents/{agent.pk}", {"model_slug": slug}) == {"model_slug": error["model"]}
    assert api.refused("POST", "agents", {"name": "New", "model_slug": slug}) == {"model_slug": error["model"]}
    fallback = {"name": "New", "model_slug": LOCAL, "fallback_model": slug}
    assert api.refused("POST", "agents", fallback) == {"fallback_model": error["model"]}
    webhook = make_phone_number(developer=api.developer)
    assert api.refused("PATCH", f"phone-numbers/{webhook.pk}", {"model": slug}) == error
    # Other fields can still be changed, and webhook mode needs no model.
    api("PATCH", f"phone-numbers/{stale.pk}", {"label": "Ours", "system_prompt": "Be kind."}, 200)
    api("PATCH", f"phone-numbers/{stale.pk}", {"mode": "webhook"}, 200)
    api("PATCH", f"agents/{agent.pk}", {"system_prompt": "Be kind."}, 200)


@pytest.mark.usefixtures("without_keys")
def test_a_developer_s_key_makes_a_model_usable(api: Api) -> None:
    own = key(api, "google")
    answered = number(api, model_slug=LOCAL)
    api("PATCH", f"phone-numbers/{answered.pk}", {"model": GEMINI, "model_key_id": own, "voice": "Kore"}, 200)
    body = {"name": "A", "model_slug": GEMINI, "voice": "Kore", "model_key_id": own}
    agent = api("POST", "agents", body, 201)["data"]["id"]
    assert api.refused("PATCH", f"agents/{agent}", {"model_key_id": None}) == {"model_slug": [NO_KEY.format("Google")]}


@pytest.mark.usefixtures("without_keys")
def test_a_demo_without_any_model_is_refused_and_does_not_count(api: Api) -> None:
    AIModel.objects.filter(provider="local").update(is_enabled=False)
    text = "No AI model is available on this server. Choose one from GET /models and add your own model key."
    assert api.refused("POST", "sandbox/demo", {}) == {"model": [text]}


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"is_enabled": False}, "This model is disabled on this server."),
        ({"retires_on": "2026-01-20"}, "This model has been retired."),
    ],
)
def test_an_unavailable_model_is_refused(api: Api, row: dict[str, Any], text: str) -> None:
    AIModel.objects.filter(slug=GPT).update(**row)
    stale = number(api, model_slug=GPT)
    call = {"from": stale.e164, "to": "+12025551234", "mode": "streaming"}
    assert api.refused("POST", "calls", call) == {"model": [f"{text} Choose another model from GET /models."]}
    for path, name in (
        (f"phone-numbers/{stale.pk}", "model"),
        (f"agents/{make_agent(developer=api.developer).pk}", "model_slug"),
    ):
        assert api.refused("PATCH", path, {name: GPT}) == {name: [f"{text} See GET /models."]}


# --- keys of another provider -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("provider", "slug", "text"),
    [
        ("google", GPT, "This key is for Google, but gpt-realtime-1.5 is a model from OpenAI."),
        ("openai", GEMINI, "This key is for OpenAI, but gemini-3.1-flash-live is a model from Google."),
        ("openai", LOCAL, "The model local-offline does not use a key. Remove the model key or choose another model."),
    ],
)
def test_a_key_of_another_provider_is_refused_everywhere(api: Api, provider: str, slug: str, text: str) -> None:
    wrong, error = key(api, provider), {"model_key_id": [text]}
    answered, agent = number(api, model_slug=slug), make_agent(developer=api.developer, model_slug=slug)
    call = {"from": answered.e164, "to": "+12025551234", "mode": "streaming", "model_key_id": wrong}
    assert api.refused("POST", "calls", call) == error
    assert api.refused("POST", "calls", {**call, "mode": "webhook", "model": slug}) == error
    assert api.refused("PATCH", f"phone-numbers/{answered.pk}", {"model_key_id": wrong}) == error
    assert api.refused("PATCH", f"agents/{agent.pk}", {"model_key_id": wrong}) == error
    assert api.refused("POST", "agents", {"name": "B", "model_slug": slug, "model_key_id": wrong}) == error


def test_a_key_that_no_longer_matches_the_agent_s_model_is_not_ignored(api: Api) -> None:
    """Otherwise the platform's own key would be used, and billed."""
    agent = make_agent(developer=api.developer, model_slug=GEMINI, model_key_id=key(api, "google"))
    answered = number(api, agent=agent)
    error = {"model_key_id": ["This key is for Google, but gpt-realtime-1.5 is a model from OpenAI."]}
    assert api.refused("PATCH", f"agents/{agent.pk}", {"model_slug": GPT}) == error
    Agent.objects.update(model_slug=GPT)
    call = {"from": answered.e164, "to": "+12025551234", "mode": "streaming"}
    assert api.refused("POST", "calls", call) == error
    assert api.refused("POST", "sandbox/calls", {"phone_number_id": answered.pk}) == error


def test_a_number_s_own_key_must_match_the_agent_being_linked(api: Api) -> None:
    answered = number(api, model_slug=GEMINI, model_key_id=key(api, "google"))
    agent = make_agent(developer=api.developer, model_slug=GPT)
    error = {"model_key_id": ["This key is for Google, but gpt-realtime-1.5 is a model from OpenAI."]}
    assert api.refused("PATCH", f"phone-numbers/{answered.pk}", {"agent_id": agent.pk}) == error
    api("PATCH", f"phone-numbers/{answered.pk}", {"agent_id": agent.pk, "model_key_id": None}, 200)


def test_a_backup_model_that_could_never_take_over_is_refused(api: Api) -> None:
    own = key(api, "google")
    body = {"name": "A", "model_slug": GEMINI, "model_key_id": own, "fallback_model": GPT}
    text = "With a model key for Google, the backup model must be from Google or the offline model."
    assert api.refused("POST", "agents", body) == {"fallback_model": [text]}
    agent = api("POST", "agents", {**body, "fallback_model": LOCAL}, 201)["data"]["id"]
    assert api.refused("PATCH", f"agents/{agent}", {"fallback_model": GPT}) == {"fallback_model": [text]}


# --- voices -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("slug", "name", "wrong", "voices"),
    [
        (GPT, "GPT Realtime 1.5", "Kore", OPENAI_VOICES),
        (GPT, "GPT Realtime 1.5", "Bananarama", OPENAI_VOICES),
        ("gpt-realtime-mini", "GPT Realtime Mini", "marin2", OPENAI_VOICES),
        (GEMINI, "Gemini 3.1 Flash Live", "marin", None),
        (f"{GEMINI}-preview", "Gemini 3.1 Flash Live", "voice_12", None),
        (LOCAL, "Local Offline (scripted demo agent)", "Kore", "Joe"),
    ],
)
def test_an_unknown_voice_is_refused_with_the_available_ones(
    api: Api, slug: str, name: str, wrong: str, voices: str | None
) -> None:
    if voices is None:
        voices = ", ".join(AIModel.objects.get(slug=GEMINI).can.voices)
    error = {"voice": [f"{name} has no voice {wrong}. Its voices: {voices}."]}
    answered, agent = number(api, model_slug=slug), make_agent(developer=api.developer, model_slug=slug)
    assert api.refused("POST", "agents", {"name": "A", "model_slug": slug, "voice": wrong}) == error
    assert api.refused("PATCH", f"agents/{agent.pk}", {"voice": wrong}) == error
    assert api.refused("PATCH", f"phone-numbers/{answered.pk}", {"voice": wrong}) == error
    linked = number(api, agent=agent)
    assert api.refused("PATCH", f"phone-numbers/{linked.pk}", {"voice": wrong}) == error
    call = {"from": answered.e164, "to": "+12025551234", "mode": "streaming", "voice": wrong}
    assert api.refused("POST", "calls", call) == error
    assert api.refused("POST", "calls", {**call, "from": linked.e164, "agent_id": agent.pk}) == error
    sandbox = {"phone_number_id": answered.pk, "overrides": {"voice": wrong}}
    assert api.refused("POST", "sandbox/calls", sandbox) == error


@pytest.mark.parametrize(
    ("slug", "voice"),
    [(GPT, "marin"), (GPT, "Marin"), (GPT, "voice_68af"), (GEMINI, "kore"), (GEMINI, "ZEPHYR"), (LOCAL, "joe")],
)
def test_a_voice_is_accepted_in_any_case_and_returned_as_given(api: Api, slug: str, voice: str) -> None:
    made = api("POST", "agents", {"name": "A", "model_slug": slug, "voice": voice}, 201)["data"]
    assert made["voice"] == voice
    answered = number(api, model_slug=slug)
    assert api("PATCH", f"phone-numbers/{answered.pk}", {"voice": voice}, 200)["data"]["voice"] == voice


def test_without_a_model_any_model_s_voice_is_accepted(api: Api) -> None:
    agent = api("POST", "agents", {"name": "A", "voice": "Kore"}, 201)["data"]["id"]
    api("PATCH", f"agents/{agent}", {"voice": "marin"}, 200)
    (text,) = api.refused("PATCH", f"agents/{agent}", {"voice": "Bananarama"})["voice"]
    assert text.startswith("No model has a voice Bananarama. Voices by model: Gemini 3.1 Flash Live: Kore, ")
    webhook = make_phone_number(developer=api.developer, model_slug=GPT)
    api("PATCH", f"phone-numbers/{webhook.pk}", {"voice": "AWS.Polly.Joanna-Neural"}, 200)
    assert api.refused("PATCH", f"phone-numbers/{webhook.pk}", {"mode": "streaming", "system_prompt": "P"}).keys() == {
        "voice"
    }


def test_a_change_of_model_needs_a_voice_that_the_new_one_has(api: Api) -> None:
    agent = make_agent(developer=api.developer, model_slug=GEMINI, voice="Kore")
    own = number(api, model_slug=GEMINI, voice="Kore")
    assert api.refused("PATCH", f"agents/{agent.pk}", {"model_slug": GPT}).keys() == {"voice"}
    assert api.refused("PATCH", f"phone-numbers/{own.pk}", {"model": GPT}).keys() == {"voice"}
    api("PATCH", f"agents/{agent.pk}", {"model_slug": GPT, "voice": "cedar"}, 200)
    api("PATCH", f"phone-numbers/{own.pk}", {"model": GPT, "voice": None}, 200)
    # A number's own voice, with the model of its linked agent.
    linked = number(api, voice="Kore")
    other = make_agent(developer=api.developer, model_slug=GPT)
    assert api.refused("PATCH", f"phone-numbers/{linked.pk}", {"agent_id": other.pk}).keys() == {"voice"}


@pytest.mark.parametrize("language", ["english", "en_US", "en-USA", "e", "x-ours", "en-U"])
def test_an_invalid_bcp_47_language_is_refused(api: Api, language: str) -> None:
    error = {"language": ["Must be a BCP-47 language code, like en-US."]}
    answered = number(api, model_slug=GPT)
    assert api.refused("POST", "agents", {"name": "A", "language": language}) == error
    assert api.refused("PATCH", f"phone-numbers/{answered.pk}", {"language": language}) == error
    call = {"from": answered.e164, "to": "+12025551234", "mode": "streaming", "language": language}
    assert api.refused("POST", "calls", call) == error


# --- settings that only some models have -------------------------------------------------------------------------------
EFFORT, NOISE = "reasoning_effort", "noise_reduction"
LACKS = [
    (
        GEMINI,
        EFFORT,
        "xhigh",
        "Gemini 3.1 Flash Live has no reasoning_effort xhigh. Its values: minimal, low, medium, high.",
    ),
    (GPT, EFFORT, "low", "GPT Realtime 1.5 has no reasoning_effort low. It has none."),
    ("gemini-3.8-live", EFFORT, "low", "Gemini 3.8 Live has no reasoning_effort low. It has none."),
    (GEMINI, NOISE, "far_field", "Gemini 3.1 Flash Live has no noise_reduction far_field. It has none."),
]


@pytest.mark.parametrize(("slug", "setting", "value", "text"), LACKS)
def test_a_setting_that_the_model_lacks_is_refused_everywhere(
    api: Api, slug: str, setting: str, value: str, text: str
) -> None:
    plain = number(api, model_slug=slug)
    agent = make_agent(developer=api.developer, model_slug=slug)
    call = {"from": plain.e164, "to": "+12025551234", "mode": "streaming", setting: value}
    assert api.refused("POST", "calls", call) == {setting: [text]}
    assert api.refused("PATCH", f"phone-numbers/{plain.pk}", {setting: value}) == {setting: [text]}
    assert api.refused("PATCH", f"agents/{agent.pk}", {setting: value}) == {setting: [text]}
    assert api.refused("POST", "agents", {"name": "New", "model_slug": slug, setting: value}) == {setting: [text]}


def test_switching_to_a_model_that_lacks_the_setting_is_refused(api: Api) -> None:
    body = {"name": "New", "model_slug": "gpt-realtime-2.1", EFFORT: "xhigh", NOISE: "near_field"}
    pk = api("POST", "agents", body, 201)["data"]["id"]
    errors = api.refused("PATCH", f"agents/{pk}", {"model_slug": GEMINI})
    assert errors.keys() == {EFFORT, NOISE}
    assert (
        api("PATCH", f"agents/{pk}", {"model_slug": GEMINI, EFFORT: "high", NOISE: None}, 200)["data"][EFFORT] == "high"
    )


# --- models outside the catalog -----------------------------------------------------------------------------------------
def test_any_model_of_a_vendor_can_be_used_with_the_developer_s_own_key(api: Api) -> None:
    plain, slug = number(api), "openai/gpt-realtime-2.1-2026-07-09"
    own = {"model_slug": slug, "model_key_id": key(api, "openai")}
    agent = api("POST", "agents", {"name": "New", **own}, 201)["data"]
    assert (agent["model_slug"], agent["model_key_id"]) == (slug, own["model_key_id"])
    config = resolve(request={}, request_agent=Agent.objects.get(pk=agent["id"]), number=plain)
    assert (call_problems(config), model_price(config)) == ({}, 0)
    placed = make_call(plain, timezone.now(), model_slug=slug)
    choice, _ = engines_of(placed, config)
    assert (choice.provider, choice.upstream_model, choice.voice) == ("openai", "gpt-realtime-2.1-2026-07-09", "marin")
    assert choice.api_key == SECRETS["openai"]


@pytest.mark.parametrize("slug", ["openai/gpt-realtime-2.1", "google/gemini-4-live"])
def test_the_platform_s_key_cannot_pay_for_a_model_without_a_price(api: Api, slug: str) -> None:
    plain, vendor = number(api), {"openai": "OpenAI", "google": "Google"}[slug.split("/")[0]]
    text = f"A model that is not in the catalog requires your own {vendor} key."
    assert api.refused("POST", "agents", {"name": "New", "model_slug": slug}) == {"model_slug": [text]}
    call = {"from": plain.e164, "to": "+12025551234", "mode": "streaming", "model": slug}
    assert api.refused("POST", "calls", call) == {"model": [text]}


@pytest.mark.parametrize("slug", ["openai/", "local/x", "openai/a b", "openai//x", "google/-x", "openai/" + "x" * 71])
def test_an_invalid_model_id_is_refused(api: Api, slug: str) -> None:
    body = {"name": "New", "model_slug": slug, "model_key_id": key(api, "openai")}
    assert api.refused("POST", "agents", body) == {"model_slug": ["This model does not exist. See GET /models."]}


def test_calls_share_what_their_model_can_do() -> None:
    first, second = (AIModel.objects.get(slug=GEMINI).can for _ in range(2))
    assert first is second
    assert first != AIModel.objects.get(slug=GPT).can
