"""Creates rows for tests: plain functions with defaults for everything that a test does not care about."""

import json
from decimal import Decimal
from itertools import count
from typing import Any

from django.utils import timezone

from accounts.models import ApiKey, Developer
from accounts.services import issue_api_key
from agents import versions
from agents.models import Agent
from bubblyphone.core.crypto import encrypt
from phone_numbers.models import CarrierAccount, PhoneNumber
from webhooks import account_endpoints
from webhooks.models import SigningSecret, WebhookEndpoint
from webhooks.sending.signing import make_signing_secret

_numbers = count(1)
PASSWORD = "secret123"


def make_developer(*, name: str = "Jane", email: str = "", password: str = PASSWORD, **fields: Any) -> Developer:
    email = email or f"developer{next(_numbers)}@example.com"
    fields = {"email_verified_at": timezone.now(), **fields}
    return Developer.objects.create_user(email, password, name=name, **fields)


def make_api_key(
    developer: Developer | None = None, *, label: str = "Test", is_admin: bool = False
) -> tuple[ApiKey, str]:
    """Returns the key and its plaintext."""
    return issue_api_key(developer=developer or make_developer(), label=label, is_admin=is_admin)


def bearer(developer: Developer, *, is_admin: bool = False) -> dict[str, str]:
    """Headers for Django's test client with an API key: `client.get(url, headers=bearer(developer))`."""
    return {"Authorization": f"Bearer {make_api_key(developer, is_admin=is_admin)[1]}"}


def make_secret_for(developer: Developer | None = None) -> tuple[SigningSecret, str]:
    """Returns a signing secret and its plaintext."""
    return make_signing_secret(developer=developer or make_developer())


def make_endpoint(developer: Developer, url: str, *events: str, **fields: Any) -> tuple[WebhookEndpoint, str]:
    """Returns a webhook endpoint of the account, for all events unless some are given, and the plaintext of its secret."""
    return account_endpoints.create(developer=developer, url=url, event_types=list(events) or ["*"], **fields)


def make_carrier_account(developer: Developer, **credentials: str) -> CarrierAccount:
    """A Telnyx account."""
    return CarrierAccount.objects.create(
        developer=developer, provider="telnyx", encrypted=encrypt(json.dumps(credentials)), last_four="eign"
    )


def make_phone_number(*, developer: Developer | None = None, e164: str = "", **fields: Any) -> PhoneNumber:
    """A US number in webhook mode, without buying it from the carrier."""
    developer = developer or make_developer()
    defaults: dict[str, Any] = {
        "e164": e164 or f"+1628555{next(_numbers):04}",  # tests use no other numbers in area code 628
        "country_code": "US",
        "number_type": "local",
        "signing_secret": make_secret_for(developer)[0],
        "monthly_cost": Decimal("3"),
    }
    return PhoneNumber.objects.create(developer=developer, **{**defaults, **fields})


def make_agent(*, developer: Developer | None = None, name: str = "Support", **fields: Any) -> Agent:
    """A new agent with its first version."""
    agent = Agent.objects.create(developer=developer or make_developer(), name=name, **fields)
    versions.record(agent)
    return agent
