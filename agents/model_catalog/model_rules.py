"""Combinations that a model rules out: a model that is unavailable, a key of another provider, a voice it does not have.

Checked when something is configured and when a call starts. A running call never fails because of a voice or a language.
"""

from collections.abc import Set

from agents import selectors
from agents.agent_settings import resolution
from agents.agent_settings.call_config import CallConfig, Source
from agents.models import AgentSettings, AIModel, ModelKey
from agents.versions import LinkedSettings

Problems = dict[str, list[str]]
# The fields that each rule depends on.
MODEL_FIELDS = frozenset({"model_slug", "model_key_id"})
VOICE_FIELDS = frozenset({"voice", "model_slug", "model_key_id"})
OPTIONAL_FIELDS = frozenset({"reasoning_effort", "noise_reduction"})  # settings that only some models have
FALLBACK_FIELDS = frozenset({"fallback_model", "model_slug", "model_key_id"})
# Changes to these decide which layer a number's calls take the settings from.
LAYER_FIELDS = frozenset({"agent_id", "agent_version_id", "mode"})


def call_problems(config: CallConfig) -> Problems:
    """Why no call can start with this model and key, and errors in the request itself.

    An inherited voice or fallback model stops no call: the default voice speaks, and there is no fallback.
    """
    found = usability_problems(config)
    said = {name for name, source in config.sources.items() if source == Source.REQUEST}
    if not found and "voice" in said:
        found |= _voice_problems(config)
    if not found and "fallback_model" in said:
        found |= _fallback_problems(config)
    if "model_slug" not in found:
        found |= _optional_problems(config, said)
    return found


def settings_problems(settings: AgentSettings, changed: Set[str], *, may_name_carrier_voice: bool = False) -> Problems:
    """Errors in an agent's or a number's own settings that a change affects."""
    found: Problems = {}
    config = resolution.resolve(request={}, request_agent=settings, number=None)
    has_model = settings.model_slug is not None
    if has_model and changed & MODEL_FIELDS:
        found |= usability_problems(config)
    if (
        changed & VOICE_FIELDS
        and "model_slug" not in found
        and not (may_name_carrier_voice and _is_carriers(config.voice))
    ):
        found |= _voice_problems(config) if has_model else _unknown_voice_problems(config.voice)
    if changed & FALLBACK_FIELDS and not found:
        found |= _fallback_problems(config)
    if has_model and "model_slug" not in found:
        found |= _optional_problems(config, _touched(changed))
    return found


def number_problems(number: LinkedSettings, changed: Set[str]) -> Problems:
    """Errors with the model of a number's inbound streaming calls, if a change affects it."""
    config = resolution.resolve(request={}, request_agent=None, number=number)
    found: Problems = {}
    if changed & (MODEL_FIELDS | LAYER_FIELDS):
        found |= usability_problems(config)
    if changed & (VOICE_FIELDS | LAYER_FIELDS) and "model_slug" not in found:
        has_model = config.sources["model_slug"] != Source.DEFAULT
        found |= _voice_problems(config) if has_model else _unknown_voice_problems(config.voice)
    if changed & (FALLBACK_FIELDS | LAYER_FIELDS) and not found:
        found |= _fallback_problems(config)
    if config.sources["model_slug"] != Source.DEFAULT and "model_slug" not in found:
        found |= _optional_problems(config, _touched(changed))
    return found


def _touched(changed: Set[str]) -> Set[str]:
    """The optional settings that a change affects: all of them if it changes the model."""
    return OPTIONAL_FIELDS if changed & (MODEL_FIELDS | LAYER_FIELDS) else OPTIONAL_FIELDS & changed


def usability_problems(config: CallConfig) -> Problems:
    """Why no call can use the model with its key."""
    if not config.model_slug:
        text = "No AI model is available on this server. Choose one from GET /models and add your own model key."
        return {"model_slug": [text]}
    return problems_of_model(selectors.find_model(config.model_slug), config)


def problems_of_model(model: AIModel | None, config: CallConfig) -> Problems:
    """`usability_problems` of a configuration with a model, with what `find_model` returned for it."""
    if model is None:
        return {"model_slug": [f"The model {config.model_slug} does not exist. See GET /models."]}
    running = selectors.in_service(model)
    if running is None:
        return {"model_slug": [f"{selectors.unavailable_reason(model)} Choose another model from GET /models."]}
    if config.model_key_id is not None:
        return _key_problems(running, config.model_key_id, config.model_slug)
    if reason := selectors.unavailable_reason(running):
        return {"model_slug": [reason]}
    return {}


def _key_problems(model: AIModel, key_id: int, slug: str) -> Problems:
    key = ModelKey.objects.filter(pk=key_id).first()
    if key is None:
        return {"model_key_id": ["This model key does not exist."]}
    if key.provider == model.provider:
        return {}
    if model.provider == AIModel.Provider.LOCAL:
        return {"model_key_id": [f"The model {slug} does not use a key. Remove the model key or choose another model."]}
    names = key.get_provider_display(), model.get_provider_display()
    return {"model_key_id": [f"This key is for {names[0]}, but {slug} is a model from {names[1]}."]}


def _optional_problems(config: CallConfig, names: Set[str]) -> Problems:
    """Optional settings among `names` that the model does not support."""
    model = selectors.in_service(selectors.find_model(config.model_slug))
    if model is None:
        return {}
    found: Problems = {}
    for name in sorted(OPTIONAL_FIELDS & names):
        value = getattr(config, name)
        if model.can.lacks(name, value):
            taken = model.can.reasoning_efforts if name == "reasoning_effort" else model.can.noise_reduction
            choices = f"Its values: {', '.join(taken)}." if taken else "It has none."
            found[name] = [f"{model.display_name} has no {name} {value}. {choices}"]
    return found


def _voice_problems(config: CallConfig) -> Problems:
    model = selectors.in_service(selectors.find_model(config.model_slug))
    if not config.voice or model is None or model.can.find_voice(config.voice) is not None:
        return {}
    return {"voice": [f"{model.display_name} has no voice {config.voice}. Its voices: {', '.join(model.can.voices)}."]}


def _unknown_voice_problems(voice: str) -> Problems:
    """If no model is named, any model may answer, so a voice is valid if some model has it."""
    models = [model for model in selectors.list_models() if model.is_enabled]
    if not voice or _is_carriers(voice) or any(model.can.find_voice(voice) is not None for model in models):
        return {}
    voices = "; ".join(f"{model.display_name}: {', '.join(model.can.voices)}" for model in models if model.can.voices)
    return {"voice": [f"No model has a voice {voice}. Voices by model: {voices}."]}


def _is_carriers(voice: str) -> bool:
    """A carrier's own voice, for webhook mode: `<Provider>.<Model>.<Id>`."""
    return voice.count(".") >= 2


def _fallback_problems(config: CallConfig) -> Problems:
    if not config.fallback_model:
        return {}
    fallback = selectors.find_model(config.fallback_model)
    running = selectors.in_service(fallback)
    if fallback is None or running is None:
        reason = selectors.unavailable_reason(fallback) if fallback else "This model does not exist."
        return {"fallback_model": [f"{reason} Choose another model from GET /models."]}
    key = ModelKey.objects.filter(pk=config.model_key_id).first() if config.model_key_id else None
    if running.provider == AIModel.Provider.LOCAL or (key is not None and key.provider == running.provider):
        return {}
    if key is not None:
        name = key.get_provider_display()
        text = f"With a model key for {name}, the backup model must be from {name} or the offline model."
        return {"fallback_model": [text]}
    reason = selectors.unavailable_reason(running)
    return {"fallback_model": [reason]} if reason else {}
