"""The configuration of one call, resolved field by field when the call starts and kept with it: later edits change later calls.

For each field the first of these that is set (not null) applies: the request's own, the agent named in the
request, the number's linked agent, the number's inline fields, the default.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from agents import variables, versions
from agents.agent_settings.call_config import FIELDS, CallConfig, Source
from agents.models import AgentSettings, AIModel, ModelKey
from agents.selectors import default_model, find_model
from agents.tools.http_tools import saved_names
from agents.tools.secret_tokens import mask
from agents.versions import LinkedSettings
from bubblyphone.core.errors import InvalidRequest


def resolve(
    *, request: Mapping[str, Any], request_agent: AgentSettings | None, number: LinkedSettings | None
) -> CallConfig:
    """The configuration of a call.

    `request` holds checked values by field name (`model_slug` or `model`, `model_key_id`, …); null and absent both mean
    "not said", and keys that are no fields are ignored. A model key that does not fit the model stays: `agents.model_catalog.model_rules`
    refuses it.
    """
    layers: list[tuple[Source, object]] = [(Source.REQUEST, {"model_slug": request.get("model"), **request})]
    if request_agent is not None:
        layers.append((Source.AGENT, request_agent))
    if number is not None and number.agent is not None:
        pinned = number.agent_version
        layers.append((Source.NUMBER_AGENT, number.agent if pinned is None else versions.settings_of(pinned)))
    if number is not None:
        layers.append((Source.NUMBER, number))
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name in FIELDS:
        source, value = next(_said(layers, name), (Source.DEFAULT, None))
        sources[name] = source.value
        if value is not None:
            values[name] = value
    _settle_model_and_key(values, sources)
    values["tools"] = tuple(values.get("tools", ()))
    return CallConfig(**values, sources=sources)


def answering(config: CallConfig) -> CallConfig:
    """The configuration of a call that the agent answers. Only outbound calls can be screened, so the screening message is dropped."""
    return replace(config, screening_message="")


def fill_in(config: CallConfig, values: Mapping[str, str]) -> CallConfig:
    """The configuration with its dynamic variables filled in. Raises InvalidRequest, naming missing ones."""
    if lacking := variables.missing(_texts(config), values):
        raise InvalidRequest(
            {"dynamic_variables": [f"Missing variables: {', '.join(lacking)}"]}, "Missing required dynamic variables."
        )
    return replace(
        config,
        system_prompt=mask(variables.expand(config.system_prompt, values)),
        greeting_message=mask(variables.expand(config.greeting_message, values)),
        screening_message=mask(variables.expand(config.screening_message, values)),
        transfer_number=variables.expand(config.transfer_number, values),
    )


def missing_variables(config: CallConfig, given: Mapping[str, str]) -> list[str]:
    """The variables in the configuration that have no value: not in the request, no default, not built in, not set by tools."""
    others = dict.fromkeys((*variables.BUILT_IN, *saved_names(config.tools)), "")
    return variables.missing(_texts(config), {**config.default_variables, **others, **given})


def variables_of(config: CallConfig) -> dict[str, str]:
    """The variables that a call has to provide, in order of appearance, each with the default from the text or ""."""
    return variables.defaults_in(_texts(config))


def variable_warnings(numbers: Iterable[LinkedSettings]) -> list[str]:
    """Warnings about variables without a value on these numbers' inbound calls, as sentences."""
    warnings = []
    for number in numbers:
        config = answering(resolve(request={}, request_agent=None, number=number))
        if lacking := missing_variables(config, {}):
            names = ", ".join(f"{{{{{name}}}}}" for name in lacking)
            condition = " if the lookup fails" if config.lookup_url else ""
            warnings.append(
                f"Inbound calls to {number} have no value for {names}{condition}. Set default_variables, or a default in the text:"
                f" {{{{{lacking[0]}|…}}}}."
            )
    return warnings


def _texts(config: CallConfig) -> tuple[str, ...]:
    return config.system_prompt, config.greeting_message, config.transfer_number, config.screening_message


def problems(config: CallConfig, *, streaming: bool) -> dict[str, list[str]]:
    """Contradictions within a configuration, `{field: [text]}`. Limits of the model are in `agents.model_catalog.model_rules`."""
    found: dict[str, list[str]] = {}
    if any(not tool.get("url") for tool in config.tools) and not config.tool_webhook_url:
        found["tool_webhook_url"] = ["A tool webhook URL is required when tools are set."]
    if config.transcription_enabled and not config.recording_enabled:
        found["transcription_enabled"] = ["Transcription requires recording_enabled to be true."]
    if streaming and not config.system_prompt:
        found["system_prompt"] = ["A system prompt is required in streaming mode, here or on the linked agent."]
    return found


def _said(layers: list[tuple[Source, object]], name: str) -> Iterator[tuple[Source, Any]]:
    """The values of a field by layer, nearest first."""
    for source, layer in layers:
        value = layer.get(name) if isinstance(layer, Mapping) else getattr(layer, name, None)
        if value is not None:
            yield source, value


def _settle_model_and_key(values: dict[str, Any], sources: dict[str, str]) -> None:
    """If no model is named, the key determines the provider. A local model ignores a key that was set for another model."""
    key = ModelKey.objects.filter(pk=values["model_key_id"]).first() if "model_key_id" in values else None
    if "model_slug" not in values:
        model = default_model(key.provider if key else "")
        values["model_slug"] = model.slug if model is not None else ""
        return
    order = [source.value for source in Source]
    is_inherited = order.index(sources["model_key_id"]) > order.index(sources["model_slug"])
    if key is not None and is_inherited:
        model = find_model(values["model_slug"])
        if model is not None and model.provider == AIModel.Provider.LOCAL:
            del values["model_key_id"]
            sources["model_key_id"] = Source.DEFAULT.value
