"""The demo account: created once, reused at every start. Its secrets are stored only in DATA_DIR/demo.json."""

import json
import logging
import secrets
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts import services as accounts
from accounts.models import ApiKey, Developer
from billing import billing_switch, ledger
from bubblyphone.core.crypto import hash_secret
from bubblyphone.core.errors import ApplicationError, Conflict, UpstreamFailed
from bubblyphone.core.json.documents import parse_stored_json
from phone_numbers.charging.purchases import reconcile_purchases
from phone_numbers.configuration import update_number
from phone_numbers.models import NumberPurchase, PhoneNumber
from phone_numbers.services import buy_number, search_available
from sandbox import demo_agents

logger = logging.getLogger(__name__)

EMAIL = "demo@bubblyphone.test"
STAFF_EMAIL = "staff@bubblyphone.test"
TEST_CREDIT = Decimal("25")
KEY_LABEL = "Demo"
EXCHANGE_WAIT_SECONDS = 120.0
PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class DemoAccess:
    """The logins: the content of demo.json."""

    url: str
    email: str
    password: str
    staff_email: str
    staff_password: str
    api_key: str
    numbers: list[str]


def load(path: Path) -> DemoAccess:
    """Create what is missing and write `path`.

    A repeat does not change anything that users have changed. Raises ApplicationError if the exchange does not sell the numbers.
    """
    stored = _read(path)
    password = stored.get("password") or secrets.token_urlsafe(9)
    staff_password = stored.get("staff_password") or secrets.token_urlsafe(12)
    developer = _account(EMAIL, "Demo", password, is_new_password="password" not in stored)
    _account(STAFF_EMAIL, "Staff", staff_password, is_new_password="staff_password" not in stored, is_staff=True)
    if billing_switch.is_on():
        ledger.test_credit(developer_id=developer.pk, amount=TEST_CREDIT, key=f"demo:{developer.pk}:credit")
    api_key = _api_key(developer, str(stored.get("api_key", "")))
    access = DemoAccess(settings.PUBLIC_URL, EMAIL, password, STAFF_EMAIL, staff_password, api_key, [])
    # Written before the numbers are bought, so that an interrupted run does not lose the passwords.
    _write(path, access)
    if settings.EXCHANGE_URL:
        _buy_missing_numbers(developer)
    numbers = PhoneNumber.objects.unreleased().filter(developer=developer)
    access.numbers.extend(numbers.order_by("pk").values_list("e164", flat=True))
    _write(path, access)
    return access


def _account(email: str, name: str, password: str, *, is_new_password: bool, is_staff: bool = False) -> Developer:
    developer = Developer.objects.filter(email=email).first()
    if developer is None:
        create = Developer.objects.create_superuser if is_staff else Developer.objects.create_user
        return create(email, password, name=name, email_verified_at=timezone.now())
    if is_new_password:
        # The file was lost, so nobody knows the old password.
        developer.set_password(password)
        developer.save(update_fields=["password"])
    return developer


def _api_key(developer: Developer, stored: str) -> str:
    """The key of the last run if it is valid, otherwise a new one."""
    keys = ApiKey.objects.filter(developer=developer, label=KEY_LABEL, revoked_at=None)
    if stored and keys.filter(secret_hash=hash_secret(stored)).exists():
        return stored
    keys.update(revoked_at=timezone.now())
    return accounts.issue_api_key(developer=developer, label=KEY_LABEL, is_admin=True)[1]


# --- numbers ----------------------------------------------------------------------------------------------------------
def _buy_missing_numbers(developer: Developer) -> None:
    """Buy a number for each demo agent, the first time only. Numbers that the user has released stay released."""
    for area_code, agent in demo_agents.NUMBERS:
        number = _owned(developer, area_code) or _buy(developer, area_code, str(agent["label"]))
        # A number that was never configured: bought just now, or by a run that was interrupted here.
        if number.status == PhoneNumber.Status.ACTIVE and number.system_prompt is None and number.agent_id is None:
            _configure(number, agent)


def _owned(developer: Developer, area_code: str) -> PhoneNumber | None:
    return PhoneNumber.objects.filter(developer=developer, e164__startswith=f"+1{area_code}").order_by("-pk").first()


def _buy(developer: Developer, area_code: str, label: str) -> PhoneNumber:
    """Buy a number in an area code, after the exchange has started. Waits for pending orders, also those of an interrupted run."""
    deadline = time.monotonic() + EXCHANGE_WAIT_SECONDS
    ordered = NumberPurchase.objects.filter(
        developer=developer, e164__startswith=f"+1{area_code}", status=NumberPurchase.Status.PENDING
    )
    while (number := _owned(developer, area_code)) is None:
        try:
            if not ordered.exists():
                return _order(developer, area_code, label)
            reconcile_purchases()
            is_late = UpstreamFailed("The exchange does not confirm the order of a number.")
        except UpstreamFailed as error:
            is_late = error
        if time.monotonic() > deadline:
            raise is_late
        time.sleep(PAUSE_SECONDS)
    return number


def _order(developer: Developer, area_code: str, label: str) -> PhoneNumber:
    offered, _ = search_available(country="US", number_type="local", area_code=area_code, limit=5)
    for offer in offered:
        try:
            return buy_number(developer=developer, phone_number=offer.phone_number, label=label)
        except Conflict:
            continue
    raise Conflict(f"No number with area code {area_code} is available.")


def _configure(number: PhoneNumber, agent: Mapping[str, Any]) -> None:
    changes = {
        **agent,
        "mode": "streaming",
        "model_slug": demo_agents.MODEL,
        "tool_webhook_url": f"{settings.PUBLIC_URL}/sandbox/demo-tool",
    }
    try:
        update_number(number=number, changes=changes)
    except ApplicationError as error:
        logger.warning("Configuring a demo number failed: %s", error.message)


# --- the file ---------------------------------------------------------------------------------------------------------
def _read(path: Path) -> dict[str, Any]:
    try:
        stored = parse_stored_json(path.read_text())
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}


def _write(path: Path, access: DemoAccess) -> None:
    """Write atomically. The file is only ever readable by its owner."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(asdict(access), indent=2) + "\n")
    fresh.replace(path)
