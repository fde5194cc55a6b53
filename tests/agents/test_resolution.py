"""Which layer each value of a call's configuration comes from."""

import pytest

from agents.agent_settings.call_config import CallConfig
from agents.agent_settings.resolution import resolve
from agents.models import Agent, AIModel
from agents.providers.registry import get_model
from agents.selectors import is_available, list_models
from agents.services import create_agent, create_model_key
from tests.factories import make_developer, make_phone_number

pytestmark = pytest.mark.django_db

TOOL = {"name": "book", "description": "Book a table", "parameters": {"date": "string"}}
SCHEMA = {"summary": {"type": "text", "description": "What it was about"}}
# field → a value per layer, highest priority first, and the default last
LAYERS = {
    "model_slug": ("gpt-realtime-mini", "gpt-realtime-1.5", "gemini-3.1-flash-live", "local-offline", None),
    "system_prompt": ("by request", "by agent", "by linked agent", "by number", ""),
    "greeting_message": ("g1", "g2", "g3", "g4", "Greet the person and ask how you can help."),
    "voice": ("Kore", "Aoede", "Charon", "Puck", ""),
    "language": ("en-US", "en-GB", "de-DE", "fr-FR", ""),
    "tools": ([TOOL], [], [{"name": "a"}], [{"name": "b"}], []),
    "tool_webhook_url": ("https://a.example", "https://b.example", "https://c.example", "https://d.example", ""),
    "lookup_url": ("https://a.example", "https://b.example", "https://c.example", "https://d.example", ""),
    "default_variables": ({"a": "1"}, {"a": "2"}, {"b": "3"}, {"a": "4"}, {}),
    "transfer_number": ("+14155550101", "+14155550102", "+14155550103", "+14155550104", ""),
    "auto_transfer_tool": (False, True, False, True, True),
    "hang_up_tool": (False, True, False, True, True),
    "keypad_tool": (False, True, False, True, True),
    "opt_out_tool": (True, False, True, False, False),
    "recording_enabled": (True, False, True, False, False),
    "transcription_enabled": (True, False, True, False, False),
    "realtime_transcript": (True, False, True, False, False),
    "voicemail_action": ("ai_message", "hangup", "ai_message", "hangup", "hangup"),
    "screening_message": ("s1", "s2", "s3", "s4", ""),
    "fallback_number": ("+14155550101", "+14155550102", "+14155550103", "+14155550104", ""),
    "max_call_duration": (60, 120, 180, 240, 3600),
    "silence_timeout": (10, 20, 40, 50, 30),
    "silence_prompt": (False, True, False, True, True),
    "first_speaker": ("caller", "agent", "caller", "agent", "agent"),
    "interruptible": (False, True, False, True, True),
    "interruption_sensitivity": ("low", "high", "low", "high", "medium"),
    "fallback_model": ("gpt-realtime-mini", "local-offline", "gpt-realtime-1.5", "local-offline", ""),
    "reasoning_effort": ("low", "high", "minimal", "xhigh", ""),
    "noise_reduction": ("near_field", "far_field", "near_field", "far_field", ""),
    "max_cost_per_call": ("0.50", "1.00", "2.00", "0.125", None),
}
SOURCES = ("request", "agent", "number_agent", "number")


@pytest.fixture
def providers(settings):
    """Sets the platform's own provider keys."""

    def configure(**keys: str) -> None:
        for provider, key in keys.items():
            entry = settings.MODEL_PROVIDERS[provider]
            entry = {**entry, "OPTIONS": {**entry["OPTIONS"], "api_key": key}}
            settings.MODEL_PROVIDERS = {**settings.MODEL_PROVIDERS, provider: entry}
        get_model.cache_clear()

    yield configure
    get_model.cache_clear()


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("first", range(5))
def test_the_first_layer_with_a_value_wins(name, first):
    values = LAYERS[name]
    layers = [{name: values[layer]} if layer >= first else {} for layer in range(4)]
    developer = make_developer()
    linked = Agent.objects.create(developer=developer, name="linked", **layers[2])
    number = make_phone_number(developer=developer, agent=linked, **layers[3])
    config = resolve(
        request=layers[0], request_agent=Agent(developer=developer, name="named", **layers[1]), number=number
    )
    stored = config.to_json()[name]
    if first == 4 and name == "model_slug":
        assert stored["source"] == "default"
    else:
        assert stored == {"value": values[first], "source": (*SOURCES, "default")[first]}


def test_each_field_is_resolved_separately():
    developer = make_developer()
    linked = Agent.objects.create(developer=developer, name="linked", voice="Charon", analysis_schema=SCHEMA)
    number = make_phone_number(
        developer=developer, agent=linked, voice="Puck", system_prompt="Be brief.", silence_timeout=20
    )
    config = resolve(
        request={"model": "gpt-realtime-mini", "from": "+1", "voice": None}, request_agent=None, number=number
    )
    assert config.to_json() == {
        "model_slug": {"value": "gpt-realtime-mini", "source": "request"},
        "model_key_id": {"value": None, "source": "default"},
        "system_prompt": {"value": "Be brief.", "source": "number"},
        "greeting_message": {"value": "Greet the person and ask how you can help.", "source": "default"},
        "voice": {"value": "Charon", "source": "number_agent"},
        "language": {"value": "", "source": "default"},
        "tools": {"value": [], "source": "default"},
        "tool_webhook_url": {"value": "", "source": "default"},
        "lookup_url": {"value": "", "source": "default"},
        "default_variables": {"value": {}, "source": "default"},
        "transfer_number": {"value": "", "source": "default"},
        "auto_transfer_tool": {"value": True, "source": "default"},
        "hang_up_tool": {"value": True, "source": "default"},
        "keypad_tool": {"value": True, "source": "default"},
        "opt_out_tool": {"value": False, "source": "default"},
        "recording_enabled": {"value": False, "source": "default"},
        "transcription_enabled": {"value": False, "source": "default"},
        "realtime_transcript": {"value": False, "source": "default"},
        "voicemail_action": {"value": "hangup", "source": "default"},
        "screening_message": {"value": "", "source": "default"},
        "fallback_number": {"value": "", "source": "default"},
        "max_call_duration": {"value": 3600, "source": "default"},
        "silence_timeout": {"value": 20, "source": "number"},
        "silence_prompt": {"value": True, "source": "default"},
        "first_speaker": {"value": "agent", "source": "default"},
        "interruptible": {"value": True, "source": "default"},
        "interruption_sensitivity": {"value": "medium", "source": "default"},
        "fallback_model": {"value": "", "source": "default"},
        "reasoning_effort": {"value": "", "source": "default"},
        "noise_reduction": {"value": "", "source": "default"},
        "max_cost_per_call": {"value": None, "source": "default"},
        "analysis_schema": {"value": SCHEMA, "source": "number_agent"},
    }
    assert CallConfig.from_json(config.to_json()) == config


def test_a_configuration_from_another_version_can_be_read():
    stored = {"voice": {"value": "Kore", "source": "request"}, "gone": {"value": 1, "source": "number"}}
    assert CallConfig.from_json(stored) == CallConfig(voice="Kore", sources={"voice": "request"})


def test_a_sandbox_call_without_a_number_only_uses_the_request():
    config = resolve(request={"system_prompt": "Hello."}, request_agent=None, number=None)
    assert (config.system_prompt, config.sources["system_prompt"]) == ("Hello.", "request")


def test_the_key_of_the_first_layer_is_used_even_for_another_provider():
    developer = make_developer()
    google = create_model_key(developer=developer, provider="google", api_key="AIza-0123456789")
    openai = create_model_key(developer=developer, provider="openai", api_key="sk-0123456789")
    linked = Agent.objects.create(developer=developer, name="linked", model_slug="gpt-realtime-1.5", model_key=openai)
    number = make_phone_number(developer=developer, agent=linked, model_key=google)

    def key_for(**request: object) -> tuple[int | None, str]:
        config = resolve(request=request, request_agent=None, number=number)
        return config.model_key_id, config.sources["model_key_id"]

    assert key_for() == (openai.pk, "number_agent")
    assert key_for(model="gpt-realtime-mini") == (openai.pk, "number_agent")
    assert key_for(model="gemini-3.1-flash-live-preview") == (openai.pk, "number_agent")
    assert key_for(model="gemini-3.1-flash-live", model_key_id=google.pk) == (google.pk, "request")
    # The offline model takes no key, so a key that another layer set for another model is ignored.
    assert key_for(model="local-offline") == (None, "default")
    assert key_for(model="local-offline", model_key_id=google.pk) == (google.pk, "request")


def test_without_a_model_the_key_determines_the_provider(providers):
    providers(google="AIza", openai="")
    developer = make_developer()
    key = create_model_key(developer=developer, provider="openai", api_key="sk-0123456789")
    number = make_phone_number(developer=developer, model_key=key)
    config = resolve(request={}, request_agent=None, number=number)
    assert (config.model_slug, config.model_key_id) == ("gpt-realtime-1.5", key.pk)


@pytest.mark.parametrize(
    ("google_key", "openai_key", "slug"),
    [
        ("AIza", "sk", "gemini-3.1-flash-live"),
        ("", "sk", "gpt-realtime-1.5"),
    ],
)
def test_the_default_model_is_the_first_available_one(providers, google_key, openai_key, slug):
    providers(google=google_key, openai=openai_key)
    config = resolve(request={}, request_agent=None, number=None)
    assert config.to_json()["model_slug"] == {"value": slug, "source": "default"}
    AIModel.objects.filter(slug=slug).update(is_enabled=False)
    assert resolve(request={}, request_agent=None, number=None).model_slug != slug


def test_availability_depends_on_the_platform_s_keys(providers):
    providers(google="", openai="sk")
    assert {model.slug: is_available(model) for model in list_models() if model.provider != "local"} == {
        "gemini-3.1-flash-live": False,
        "gpt-realtime-1.5": True,
        "gpt-realtime-mini": True,
        "gemini-3.8-live": False,
        "gemini-3.8-live-extended-thinking": False,
        "gpt-realtime-2.1": True,
        "gpt-realtime-2.1-mini": True,
    }


def test_secrets_are_never_stored():
    developer = make_developer()
    key = create_model_key(developer=developer, provider="openai", api_key="sk-verysecretkey")
    agent = create_agent(
        developer=developer, changes={"name": "a", "model_slug": "gpt-realtime-mini", "model_key_id": key.pk}
    )
    stored = resolve(request={}, request_agent=agent, number=None).to_json()
    assert stored["model_key_id"] == {"value": key.pk, "source": "agent"}
    assert "secret" not in str(stored)
