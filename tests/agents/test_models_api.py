"""The GET /models and /model-keys APIs as clients see them."""

from datetime import UTC, datetime

import pytest

from agents.models import AIModel, ModelKey
from agents.selectors import find_model
from bubblyphone.core import crypto
from tests.agents.conftest import refusal
from tests.factories import make_agent, make_developer, make_phone_number

pytestmark = pytest.mark.django_db


GEMINI_THINKING = "gemini-3.8-live-extended-thinking"
PREVIEW = "gemini-3.1-flash-live-preview"

NO_KEY = "This server has no {0} key. Add your own {0} model key."

MOMENT = datetime(2026, 4, 5, 12, 0, 0, 123456, tzinfo=UTC)


def test_the_catalog_has_the_documented_models_and_the_offline_one(api):
    listed = api("GET", "models")
    assert listed.keys() == {"data"}
    fields = {"slug", "provider", "display_name", "price_per_minute"}
    assert {frozenset(model) for model in listed["data"]} == {
        frozenset({*fields, "status", "reason", "capabilities", "successor", "retires_on"})
    }
    assert {model["status"] for model in listed["data"]} == {"available"}
    assert [{name: model[name] for name in model if name in fields} for model in listed["data"]] == [
        {
            "slug": "gemini-3.1-flash-live",
            "provider": "google",
            "display_name": "Gemini 3.1 Flash Live",
            "price_per_minute": "0.040000",
        },
        {
            "slug": "gpt-realtime-1.5",
            "provider": "openai",
            "display_name": "GPT Realtime 1.5",
            "price_per_minute": "0.120000",
        },
        {
            "slug": "gpt-realtime-mini",
            "provider": "openai",
            "display_name": "GPT Realtime Mini",
            "price_per_minute": "0.040000",
        },
        {
            "slug": "gemini-3.8-live",
            "provider": "google",
            "display_name": "Gemini 3.8 Live",
            "price_per_minute": "0.040000",
        },
        {
            "slug": "gemini-3.8-live-extended-thinking",
            "provider": "google",
            "display_name": "Gemini 3.8 Live Extended Thinking",
            "price_per_minute": "0.080000",
        },
        {
            "slug": "gpt-realtime-2.1",
            "provider": "openai",
            "display_name": "GPT Realtime 2.1",
            "price_per_minute": "0.150000",
        },
        {
            "slug": "gpt-realtime-2.1-mini",
            "provider": "openai",
            "display_name": "GPT Realtime 2.1 Mini",
            "price_per_minute": "0.050000",
        },
        {
            "slug": "local-offline",
            "provider": "local",
            "display_name": "Local Offline (scripted demo agent)",
            "price_per_minute": "0.000000",
        },
    ]


def test_the_catalog_lists_each_model_s_capabilities(api):
    models = {model["slug"]: model for model in api("GET", "models")["data"]}
    gemini, mini, local = (models[slug] for slug in ("gemini-3.1-flash-live", "gpt-realtime-mini", "local-offline"))
    assert gemini["capabilities"]["reasoning_efforts"] == ["minimal", "low", "medium", "high"]
    assert (len(gemini["capabilities"]["voices"]), gemini["capabilities"]["voices"][0]) == (30, "Kore")
    assert (gemini["capabilities"]["async_tools"], mini["capabilities"]["async_tools"]) == (False, True)
    assert mini["capabilities"]["noise_reduction"] == ["near_field", "far_field"]
    assert (mini["capabilities"]["semantic_turns"], mini["capabilities"]["voices"][:2]) == (True, ["marin", "cedar"])
    assert (mini["retires_on"], mini["successor"], gemini["retires_on"]) == (
        "2027-01-20",
        "gpt-realtime-2.1-mini",
        None,
    )
    live, thinking, newest = (
        models[slug]["capabilities"] for slug in ("gemini-3.8-live", GEMINI_THINKING, "gpt-realtime-2.1")
    )
    newer = {"reasoning_efforts": [], "async_tools": True, "content_updates": True}
    assert live == thinking == {**gemini["capabilities"], **newer}
    assert newest == {**mini["capabilities"], "reasoning_efforts": ["minimal", "low", "medium", "high", "xhigh"]}
    assert (gemini["capabilities"]["content_updates"], mini["capabilities"]["content_updates"]) == (False, True)
    assert local["capabilities"] == {
        "reasoning_efforts": [],
        "noise_reduction": [],
        "semantic_turns": False,
        "async_tools": True,
        "content_updates": True,
        "languages": ["en"],
        "voices": ["Joe"],
        "custom_voices": False,
    }


@pytest.mark.usefixtures("without_keys")
def test_an_unavailable_model_says_why(api):
    AIModel.objects.filter(slug="gpt-realtime-mini").update(is_enabled=False)
    AIModel.objects.filter(slug="local-offline").update(retires_on="2026-01-01")
    assert {model["slug"]: (model["status"], model["reason"]) for model in api("GET", "models")["data"]} == {
        "gemini-3.1-flash-live": ("unavailable", NO_KEY.format("Google")),
        "gpt-realtime-1.5": ("unavailable", NO_KEY.format("OpenAI")),
        "gpt-realtime-mini": ("unavailable", "This model is disabled on this server."),
        "gemini-3.8-live": ("unavailable", NO_KEY.format("Google")),
        "gemini-3.8-live-extended-thinking": ("unavailable", NO_KEY.format("Google")),
        "gpt-realtime-2.1": ("unavailable", NO_KEY.format("OpenAI")),
        "gpt-realtime-2.1-mini": ("unavailable", NO_KEY.format("OpenAI")),
        "local-offline": ("unavailable", "This model has been retired."),
    }


def test_both_spellings_name_the_same_model():
    short, long = find_model("gemini-3.1-flash-live"), find_model(PREVIEW)
    assert short == long
    assert short is not None
    assert short.upstream_id == PREVIEW
    assert find_model("gemini") is None


def test_without_an_api_key_nothing_is_shown(client):
    for path in ("models", "model-keys", "agents", "agents/1"):
        response = client.get(f"/api/v1/{path}")
        assert (response.status_code, response.json()) == (401, {"message": "Unauthenticated."})


def test_a_model_key_is_encrypted_and_never_shown_again(api):
    body = {"provider": "openai", "api_key": "sk-proj-abc123r4nk", "label": "Production OpenAI"}
    created = api("POST", "model-keys", body, 201)["data"]
    assert created.pop("created_at").endswith("Z")
    key = ModelKey.objects.get()
    assert created == {"id": key.pk, "provider": "openai", "label": "Production OpenAI", "last_four": "...r4nk"}
    assert "sk-proj" not in key.encrypted
    assert crypto.decrypt(key.encrypted) == "sk-proj-abc123r4nk"
    listed = api("GET", "model-keys")
    assert [entry["last_four"] for entry in listed["data"]] == ["...r4nk"]
    assert listed.keys() == {"data", "meta", "links"}
    assert "sk-proj" not in str(listed)
    assert api("DELETE", f"model-keys/{key.pk}", status=204) is None
    assert api("DELETE", f"model-keys/{key.pk}", status=404) == {"message": "Not found."}


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, {"provider": ["This field is required."], "api_key": ["This field is required."]}),
        (
            {"provider": "google", "api_key": "123456789"},
            {"api_key": ["Ensure this field has at least 10 characters."]},
        ),
        ({"provider": "local", "api_key": "1234567890"}, {"provider": ['"local" is not a valid choice.']}),
        (
            {"provider": "google", "api_key": "12345\r\n67890"},
            {"api_key": ["Must not contain spaces or special characters."]},
        ),
        ({"provider": "google", "api_key": "1234567890", "lable": "x"}, {"lable": ["Unknown field."]}),
    ],
)
def test_invalid_model_keys_are_refused(api, body, errors):
    assert api("POST", "model-keys", body, 422) == refusal(**errors)
    assert not ModelKey.objects.exists()


def test_a_model_key_in_use_cannot_be_deleted(api):
    key = api("POST", "model-keys", {"provider": "openai", "api_key": "sk-1234567890"}, 201)["data"]["id"]
    agent = api("POST", "agents", {"name": "Support", "model_key_id": key}, 201)["data"]["id"]
    number = make_phone_number(developer=api.developer, e164="+14155550177", model_key_id=key)
    assert api("DELETE", f"model-keys/{key}", status=409) == {
        "message": "This model key is used by +14155550177, Support. Choose another key there first."
    }
    api("PATCH", f"agents/{agent}", {"model_key_id": None})
    number.model_key = None
    number.save()
    api("DELETE", f"model-keys/{key}", status=204)


def test_another_developer_s_rows_are_not_found(api):
    key = ModelKey.objects.create(developer=make_developer(), provider="openai", encrypted="x", last_four="abcd")
    agent = make_agent()
    missing = {"message": "Not found."}
    assert api("DELETE", f"model-keys/{key.pk}", status=404) == missing
    assert api("GET", f"agents/{agent.pk}", status=404) == missing
    assert api("PATCH", f"agents/{agent.pk}", {"name": "Mine"}, 404) == missing
    assert api("DELETE", f"agents/{agent.pk}", status=404) == missing
    assert api("GET", f"agents/{agent.pk + 1000}", status=404) == missing
    assert api("POST", "agents", {"name": "A", "model_key_id": key.pk}, 422) == refusal(
        model_key_id=["This model key does not exist."]
    )
    assert api("GET", "model-keys")["data"] == []
    assert api("GET", "agents")["data"] == []
