"""Secrets that tools send to developers' servers: stored encrypted, used by name, never shown again."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from cryptography.fernet import InvalidToken
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from accounts.models import Developer
from agents.models import Agent, AgentVersion, Secret
from agents.tools.secret_tokens import SecretValues, names_in_tools
from bubblyphone.core import crypto
from bubblyphone.core.database.lookup import get_row
from bubblyphone.core.errors import Conflict, InvalidRequest

MAX_SECRETS = 200  # of an account


def secrets_of(developer: Developer) -> QuerySet[Secret]:
    """An account's secrets, newest first."""
    return Secret.objects.filter(developer=developer).order_by("-id")


def get_secret(*, developer: Developer, pk: int) -> Secret:
    """Raises NotFound, for another account's secret too."""
    return get_row(secrets_of(developer), pk=pk)


def create_secret(*, developer: Developer, name: str, value: str) -> Secret:
    """Raises InvalidRequest for a name that exists."""
    if secrets_of(developer).count() >= MAX_SECRETS:
        raise InvalidRequest({"name": [f"An account can have at most {MAX_SECRETS} secrets."]})
    try:
        with transaction.atomic():
            return Secret.objects.create(developer=developer, name=name, encrypted=crypto.encrypt(value))
    except IntegrityError as error:
        raise InvalidRequest({"name": ["A secret with this name already exists."]}) from error


def replace_secret(*, secret: Secret, value: str) -> Secret:
    """Another value for everything that uses it, from the next call."""
    secret.encrypted = crypto.encrypt(value)
    secret.save(update_fields=["encrypted"])
    return secret


def delete_secret(*, secret: Secret) -> None:
    """Raises Conflict while a tool of an agent, a number, or a number's version of an agent uses it."""
    with transaction.atomic():
        # Against a change that is just now referring to it; see `check_tools`.
        Secret.objects.select_for_update().filter(pk=secret.pk).first()
        if users := _users_of(secret):
            raise Conflict(f"This secret is used by {', '.join(users)}. Remove it from the tools there first.")
        secret.delete()


def _users_of(secret: Secret) -> list[str]:
    developer = secret.developer
    versions = AgentVersion.objects.filter(phone_numbers__developer=developer).select_related("agent")
    owners: list[tuple[Any, Any]] = [
        *((agent, agent.tools) for agent in Agent.objects.filter(developer=developer)),
        *((number, number.tools) for number in developer.phone_numbers.unreleased()),
        *((version, version.values.get("tools")) for version in versions),
    ]
    return sorted({str(owner) for owner, tools in owners if secret.name in names_in_tools(tools or ())})


def check_tools(tools: Iterable[Mapping[str, Any]] | None, *, developer_id: int) -> None:
    """Raises InvalidRequest where tools refer to a secret that does not exist. In a transaction: those that do stay locked."""
    names = names_in_tools(tools or ())
    own = Secret.objects.select_for_update().filter(developer_id=developer_id, name__in=names)
    if unknown := sorted(names - {secret.name for secret in own} if names else ()):
        raise InvalidRequest({"tools": [f"There is no secret {name}. Add it under Secrets." for name in unknown]})


def values_of(developer_id: int, names: Collection[str]) -> SecretValues:
    """Decrypt. One that was deleted, or whose key ENCRYPTION_KEYS has lost, is not among them."""
    values = {}
    for secret in Secret.objects.filter(developer_id=developer_id, name__in=names) if names else ():
        try:
            values[secret.name] = crypto.decrypt(secret.encrypted)
        except InvalidToken:
            continue
    return SecretValues(values)
