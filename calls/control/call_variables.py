"""A call's variables: their values, filled into its configuration when it starts."""

from collections.abc import Mapping
from dataclasses import replace

from agents import variables
from agents.agent_settings import resolution
from agents.agent_settings.call_config import CallConfig, Source
from agents.tools.http_tools import saved_names
from bubblyphone.core.errors import InvalidRequest
from bubblyphone.core.json.ordered_field import is_same
from bubblyphone.core.numbering.e164 import is_e164
from calls import timeline
from calls.models import Call, Direction


def check(config: CallConfig, given: Mapping[str, str]) -> None:
    """Raises InvalidRequest, naming the variables that have no value."""
    if lacking := resolution.missing_variables(config, given):
        raise InvalidRequest(
            {"dynamic_variables": [f"Missing variables: {', '.join(lacking)}"]}, "Missing required dynamic variables."
        )


def put_in(call: Call, config: CallConfig, given: Mapping[str, str]) -> None:
    """Fill in the configuration of a stored call, and save it if that changes anything.

    Variables without a value are omitted, and the timeline says so.
    """
    if call.direction == Direction.INBOUND:
        config = resolution.answering(config)
    values = variables.values_of(given, _built_in(call), config.default_variables)
    lacking = resolution.missing_variables(config, given)
    later = saved_names(config.tools) - values.keys()
    filled = resolution.fill_in(config, {**values, **dict.fromkeys((*lacking, *later), "")})
    if later.intersection(variables.names_in(config.transfer_number)):
        # The call's tools may set them; the number is resolved when it is needed.
        filled = replace(filled, transfer_number=variables.expand(config.transfer_number, values, keep=later))
    elif variables.has_variables(config.transfer_number) and not is_e164(filled.transfer_number):
        filled = _with_fixed_number(filled, call, config.transfer_number)
    values_before = call.config, call.dynamic_variables
    call.config, call.dynamic_variables = filled.to_json(), {**config.default_variables, **given}
    if not is_same(values_before, (call.config, call.dynamic_variables)):
        call.save(update_fields=["config", "dynamic_variables"])
    if lacking:
        timeline.add_event(call.pk, "variables.missing", "system", at=call.started_at, names=lacking)


def values_of(call: Call) -> dict[str, str]:
    """All variables of a call that has started, by name."""
    return variables.values_of(call.dynamic_variables, _built_in(call), {})


def _with_fixed_number(filled: CallConfig, call: Call, template: str) -> CallConfig:
    """If the variables do not yield a number, use the defaults, otherwise the number's own setting.

    A transfer then reports what was wrong.
    """
    source = filled.sources.get("transfer_number", Source.DEFAULT.value)
    own = (call.phone_number.transfer_number if call.phone_number else None) or ""
    others = [
        (variables.expand(template, filled.default_variables), source),
        (variables.expand(template, {}), source),
        (own, Source.NUMBER.value),
    ]
    number, source = next((other for other in others if is_e164(other[0])), ("", source))
    return replace(
        filled,
        transfer_number=number,
        unusable_transfer_number=filled.transfer_number.strip() or template,
        sources={**filled.sources, "transfer_number": source},
    )


def _built_in(call: Call) -> dict[str, str]:
    is_inbound = call.direction == Direction.INBOUND
    return variables.built_in_values(
        at=call.started_at,
        time_zone=call.developer.time_zone,
        remote_number=call.from_number if is_inbound else call.to_number,
        agent_number=call.to_number if is_inbound else call.from_number,
        direction=call.direction,
        call_id=str(call.pk),
    )
