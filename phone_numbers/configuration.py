"""How a number's calls are handled: the one way to change it, for the API and the dashboard's form."""

from collections.abc import Mapping, Set
from typing import Any

from django.db import transaction

from accounts.models import Developer
from agents.agent_settings import resolution
from agents.agent_settings.call_config import FIELDS
from agents.model_catalog import model_rules
from agents.models import Agent, AgentVersion
from agents.services import set_fields
from bubblyphone.core.database.lookup import get_row
from bubblyphone.core.errors import InvalidRequest
from phone_numbers import abilities
from phone_numbers.models import CallMode, PhoneNumber

CAP_FIELDS = frozenset({"daily_cap", "max_concurrent_calls"})
NUMBER_FIELDS = frozenset({"label", "webhook_url", "mode", "agent_id", "agent_version_id", *CAP_FIELDS, *FIELDS}) - {
    "analysis_schema"
}
# Fields that no rule of `agents.agent_settings.resolution` checks, so that a number that violates one can still be renamed.
FREE_FIELDS = CAP_FIELDS | {
    "label", "webhook_url", "voice", "language", "greeting_message", "default_variables", "transfer_number", "max_cost_per_call",
}  # fmt: skip
# Settings that not every carrier supports.
CARRIER_FIELDS = frozenset(
    {"mode", "webhook_url", "recording_enabled", "screening_message", "agent_id", "agent_version_id"}
)
PUBLIC_NAMES = {"model_slug": "model"}  # different names in the API of numbers


def update_number(*, number: PhoneNumber, changes: Mapping[str, Any]) -> PhoneNumber:
    """Change only what `changes` names (NUMBER_FIELDS; values as `NumberUpdateSerializer` gives them). All or nothing.

    `agent_version` is the number of a version of the agent, or None for the live one, as it is for another agent.
    Linking an agent without giving a mode makes it answer, if the number has no webhook URL.
    Raises InvalidRequest, with the names that the API has, and NotFound for a number that has been released meanwhile.
    """
    with transaction.atomic():
        numbers = PhoneNumber.objects.unreleased().select_for_update(of=("self",))
        locked = get_row(numbers, pk=number.pk)
        agent_id = changes.get("agent_id", locked.agent_id)
        changes = _with_version(locked, changes, agent_id)
        if agent_id is not None:
            locked.agent = _lock_agent(locked, agent_id)
        set_fields(locked, changes, allowed=NUMBER_FIELDS, developer_id=locked.developer_id)
        if changes.get("agent_id") and "mode" not in changes and _only_the_agent_can_answer(locked):
            locked.mode = CallMode.STREAMING
            changes = {**changes, "mode": locked.mode}
        if found := _problems(locked, changes.keys()):
            raise InvalidRequest({PUBLIC_NAMES.get(name, name): texts for name, texts in found.items()})
        locked.save(update_fields=sorted(name.removesuffix("_id") for name in changes))
    return locked


def _with_version(number: PhoneNumber, changes: Mapping[str, Any], agent_id: int | None) -> dict[str, Any]:
    """The changes with the id of the version instead of its number. Raises InvalidRequest if the agent has no such version."""
    found = dict(changes)
    wanted = found.pop("agent_version", None)
    if wanted is not None:
        if agent_id is None:
            raise InvalidRequest({"agent_version": ["Choose an agent before you choose a version."]})
        version = AgentVersion.objects.filter(agent_id=agent_id, number=wanted).first()
        if version is None:
            raise InvalidRequest({"agent_version": [f"The agent has no version {wanted}."]})
        found["agent_version_id"] = version.pk
    elif "agent_version" in changes or agent_id != number.agent_id:
        found["agent_version_id"] = None
    return found


def variable_warnings(number: PhoneNumber) -> list[str]:
    """Warnings about variables that callers of a number would miss."""
    return resolution.variable_warnings([number] if number.mode == CallMode.STREAMING else [])


def answering_agent(*, developer: Developer, agent_id: int) -> Agent:
    """The agent chosen to answer a number that is still to be bought. Raises InvalidRequest if it cannot."""
    agent = Agent.objects.filter(pk=agent_id, developer=developer).first()
    if agent is None:
        raise InvalidRequest({"agent_id": ["This agent does not exist."]})
    number = PhoneNumber(developer=developer, agent=agent, mode=CallMode.STREAMING)
    if found := _problems(number, frozenset({"agent_id", "mode"})):
        raise InvalidRequest({"agent_id": [text for texts in found.values() for text in texts]})
    return agent


def carrier_problems(number: PhoneNumber, changed: Set[str] = frozenset()) -> dict[str, list[str]]:
    """Features of the number's configuration that its carrier lacks."""
    config = resolution.resolve(request={}, request_agent=None, number=number)
    said = {name for name in ("screening_message",) if name in changed and getattr(number, name)}
    return abilities.call_problems(number.carrier, mode=number.mode, is_recorded=config.recording_enabled, said=said)


def _only_the_agent_can_answer(number: PhoneNumber) -> bool:
    """Whether callers hear a busy signal unless the linked agent answers: the number has no server, and the agent has a prompt."""
    if number.mode != CallMode.WEBHOOK or number.webhook_url:
        return False
    return bool(resolution.resolve(request={}, request_agent=None, number=number).system_prompt)


def _lock_agent(number: PhoneNumber, agent_id: int) -> Agent:
    """Lock the agent until the end of the transaction, so that the checked rules remain true.

    Agents are always locked before model keys, so that no two changes deadlock.
    """
    agent = Agent.objects.select_for_update(of=("self",)).filter(pk=agent_id, developer_id=number.developer_id).first()
    if agent is None:
        raise InvalidRequest({"agent_id": ["This agent does not exist."]})
    return agent


def _problems(number: PhoneNumber, changed: Set[str]) -> dict[str, list[str]]:
    streaming = number.mode == CallMode.STREAMING
    found: dict[str, list[str]] = {}
    if changed - FREE_FIELDS:
        config = resolution.resolve(request={}, request_agent=None, number=number)
        found = resolution.problems(config, streaming=streaming)
    if changed & CARRIER_FIELDS:
        found |= carrier_problems(number, changed)
    if streaming:
        found |= model_rules.number_problems(number, changed)
    # The number's own settings must also be valid where an agent overrides them, or no model is used.
    return model_rules.settings_problems(number, changed, may_name_carrier_voice=not streaming) | found
