"""Writing agents and model keys."""

from collections.abc import Mapping
from copy import copy
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import transaction
from django.db.models import Case, F, ProtectedError, When
from django.utils import timezone

from accounts.models import ApiKey, Developer
from agents import secrets, versions
from agents.agent_settings import resolution
from agents.agent_settings.call_config import FIELDS
from agents.model_catalog import model_rules
from agents.models import Agent, AgentSettings, AgentVersion, ModelKey
from billing import destinations
from bubblyphone.core import crypto
from bubblyphone.core.errors import Conflict, InvalidRequest
from bubblyphone.core.json.ordered_field import is_same

CAP_FIELDS = frozenset({"daily_cap"})
AGENT_FIELDS = frozenset({"name", "description", "analysis_schema", *CAP_FIELDS, *FIELDS})
# The columns that a publication writes: not the draft, which may be saved meanwhile.
PUBLISHED = sorted(name.removesuffix("_id") for name in AGENT_FIELDS)
NAME_LENGTH = 100
MAX_DRAFT = 400_000  # characters, URL-encoded
DRAFT_TOO_LARGE = "The draft is too large to be saved. Publish your changes, or shorten the texts."


def create_model_key(*, developer: Developer, provider: str, api_key: str, label: str = "") -> ModelKey:
    """Keep a developer's key, encrypted."""
    return ModelKey.objects.create(
        developer=developer, provider=provider, label=label, encrypted=crypto.encrypt(api_key), last_four=api_key[-4:]
    )


def delete_model_key(*, key: ModelKey) -> None:
    """Remove a key for good. Raises Conflict while an agent or a number is set to use it."""
    try:
        with transaction.atomic():
            # Against a PATCH that is just now choosing this key; see `set_fields`.
            ModelKey.objects.select_for_update().filter(pk=key.pk).first()
            if pinned := _pinned_with(key):
                raise Conflict(f"This model key is used by {', '.join(pinned)}. Choose another version there first.")
            key.delete()
    except ProtectedError as error:
        users = ", ".join(sorted(str(user) for user in error.protected_objects))
        raise Conflict(f"This model key is used by {users}. Choose another key there first.") from error


def _pinned_with(key: ModelKey) -> list[str]:
    """The numbers that are set to a version of an agent which uses a key, each with that version."""
    pinned = AgentVersion.objects.filter(phone_numbers__developer_id=key.developer_id).select_related("agent")
    return sorted({str(version) for version in pinned if version.values.get("model_key_id") == key.pk})


def replace_model_key(*, key: ModelKey, api_key: str) -> ModelKey:
    """Replace a key's secret for everything that uses it, from the next call."""
    key.encrypted, key.last_four = crypto.encrypt(api_key), api_key[-4:]
    key.save(update_fields=["encrypted", "last_four"])
    return key


def create_agent(*, developer: Developer, changes: Mapping[str, Any], api_key: ApiKey | None = None) -> Agent:
    """Its first version is live. `api_key` is the one that asked for it.

    Raises InvalidRequest, also for a model that no call could use.
    """
    agent = Agent(developer=developer)
    with transaction.atomic():
        set_fields(agent, changes, allowed=AGENT_FIELDS, developer_id=developer.pk)
        if found := model_rules.settings_problems(agent, changes.keys()):
            raise InvalidRequest(found)
        agent.save()
        versions.record(agent, api_key=api_key)
    return agent


def publish(*, agent: Agent, changes: Mapping[str, Any]) -> Agent:
    """Make the editor's changes live and let go of its draft. Raises InvalidRequest, as `update_agent` does."""
    with transaction.atomic():
        published = update_agent(agent=agent, changes=changes)
        save_draft(agent=agent, form="")
    return published


def update_agent(
    *, agent: Agent, changes: Mapping[str, Any], api_key: ApiKey | None = None, restored: int | None = None
) -> Agent:
    """Publish a version with what `changes` names, for all linked numbers at once; none where nothing differs.

    `api_key` is the one that asked for it, `restored` the number of the version that the changes are taken from.

    Raises InvalidRequest, also when a linked number could not go on with the result; then nothing is changed.
    """
    with transaction.atomic():
        # The same lock as in linking a number (phone_numbers.configuration): neither sees the other's half.
        locked = Agent.objects.select_for_update(of=("self",)).get(pk=agent.pk)
        before = versions.snapshot(locked)
        set_fields(locked, changes, allowed=AGENT_FIELDS, developer_id=locked.developer_id)
        if found := model_rules.settings_problems(locked, changes.keys()):
            raise InvalidRequest(found)
        _refuse_breaking_numbers(locked)
        if not is_same(versions.snapshot(locked), before):
            locked.version += 1
            versions.record(locked, api_key=api_key, restored=restored)
        locked.save(update_fields=[*PUBLISHED, "version", "updated_at"])
    return locked


def preview(*, agent: Agent, changes: Mapping[str, Any]) -> Agent:
    """An agent as it would be with these changes; not saved. Raises InvalidRequest, as `update_agent` does for the agent itself."""
    changed = copy(agent)
    with transaction.atomic():
        set_fields(changed, changes, allowed=AGENT_FIELDS, developer_id=agent.developer_id)
        if found := model_rules.settings_problems(changed, changes.keys()):
            raise InvalidRequest(found)
    return changed


def save_draft(*, agent: Agent, form: str) -> datetime | None:
    """Keep the editor's form as it is, not published. `form` is URL-encoded; "" discards the draft.

    Returns when it was first saved like this, and None where there is no draft. Raises InvalidRequest for one that is too large: the
    draft then stays as it was.
    """
    if len(form) > MAX_DRAFT:
        raise InvalidRequest({"draft": [DRAFT_TOO_LARGE]}, DRAFT_TOO_LARGE)
    draft: dict[str, Any] = {"draft": form, "draft_saved_at": timezone.now() if form else None}
    began = Case(When(draft="", then=F("version")), default=F("draft_version"))
    Agent.objects.filter(pk=agent.pk).exclude(draft=form).update(**draft, draft_version=began if form else None)
    return Agent.objects.values_list("draft_saved_at", flat=True).filter(pk=agent.pk).first()


def hold_draft(*, agent: Agent, seen: str) -> Agent:
    """The agent as it is, locked until the end of the transaction. Raises Conflict unless `seen` marks its draft and what is live.

    What someone reviewed is what they publish or discard, whatever was typed or published elsewhere meanwhile.
    """
    locked = Agent.objects.select_for_update(of=("self",)).get(pk=agent.pk)
    if locked.draft_mark != seen:
        raise Conflict(
            "The draft or the live version has changed since you opened this page. Review the changes again."
        )
    return locked


def restore_version(*, version: AgentVersion) -> Agent:
    """Publish an earlier version once more. Raises InvalidRequest where it can no longer be used, as `update_agent` does."""
    return update_agent(agent=version.agent, changes=versions.changes_to(version), restored=version.number)


def duplicate_agent(*, agent: Agent) -> Agent:
    """A copy that no number is linked to."""
    values = {field: getattr(agent, field) for field in AGENT_FIELDS}
    values["name"] = f"Copy of {agent.name}"[:NAME_LENGTH]
    with transaction.atomic():
        duplicate = Agent.objects.create(developer=agent.developer, **values)
        versions.record(duplicate)
    return duplicate


def linked_numbers(agent: Agent) -> list[Any]:
    """The numbers (phone_numbers.models.PhoneNumber) that an agent answers, by their digits."""
    return sorted(agent.phone_numbers.unreleased(), key=str)


def other_numbers(agent: Agent) -> list[Any]:
    """The numbers of its developer that an agent does not answer, by their digits."""
    return sorted(agent.developer.phone_numbers.unreleased().exclude(agent=agent), key=str)


def variable_warnings(agent: Agent) -> list[str]:
    """What callers of the agent's numbers would not hear."""
    return resolution.variable_warnings(number for number in linked_numbers(agent) if number.mode == "streaming")


def delete_agent(*, agent: Agent) -> None:
    """Raises InvalidRequest while numbers are linked to it. Past calls keep their configuration and lose the link to the agent."""
    with transaction.atomic():
        locked = Agent.objects.select_for_update(of=("self",)).get(pk=agent.pk)
        linked = [str(number) for number in linked_numbers(locked)]
        if linked:
            text = f"This agent is still linked to {', '.join(linked)}. Unlink it there first."
            raise InvalidRequest({"agent": [text]}, message=text)
        locked.phone_numbers.update(agent=None, agent_version=None)
        locked.delete()


def set_fields(
    target: AgentSettings, changes: Mapping[str, Any], *, allowed: frozenset[str], developer_id: int
) -> None:
    """Set checked values on a row, without saving it.

    Raises InvalidRequest for a model key of someone else's, a transfer number that can never be called, a fallback number that is not the
    developer's, and an unknown secret.

    Call it in a transaction: the chosen key stays locked until the end of it, so that it cannot be deleted meanwhile.
    """
    if unknown := changes.keys() - allowed:
        raise TypeError(f"no such settings: {', '.join(sorted(unknown))}")
    key_id = changes.get("model_key_id")
    own_keys = ModelKey.objects.select_for_update().filter(developer_id=developer_id)
    # Not exists(): that takes no lock.
    if key_id is not None and own_keys.filter(pk=key_id).first() is None:
        raise InvalidRequest({"model_key_id": ["This model key does not exist."]})
    destinations.check_field("transfer_number", changes.get("transfer_number"), developer_id=developer_id)
    check_fallback_number(changes.get("fallback_number"), developer_id=developer_id)
    secrets.check_tools(changes.get("tools"), developer_id=developer_id)
    for name, value in changes.items():
        setattr(target, name, value)


def check_fallback_number(e164: str | None, *, developer_id: int) -> None:
    """Raises InvalidRequest for a number that the developer cannot call from; null and "" pass."""
    numbers = apps.get_model("numbers", "PhoneNumber").objects.filter(developer_id=developer_id, status="active")
    if e164 and not numbers.filter(e164=e164).exists():
        raise InvalidRequest({"fallback_number": ["Must be one of your active phone numbers."]})


def _refuse_breaking_numbers(agent: Agent) -> None:
    """Raises InvalidRequest for what is wrong with a linked number now and was not with the agent as it is stored."""
    before = Agent.objects.get(pk=agent.pk)
    for number in agent.phone_numbers.unreleased().order_by("pk"):
        new = _number_problems(number)
        number.agent = before
        old = _number_problems(number)
        broken = {
            name: [f"{number.e164} is linked to this agent. {text}" for text in texts]
            for name, texts in new.items()
            if name not in old
        }
        if broken:
            raise InvalidRequest(broken)


def _number_problems(number: Any) -> dict[str, list[str]]:
    config = resolution.resolve(request={}, request_agent=None, number=number)
    streaming = number.mode == "streaming"
    found = resolution.problems(config, streaming=streaming)
    return found | (model_rules.number_problems(number, frozenset(FIELDS)) if streaming else {})
