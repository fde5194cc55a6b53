"""Developers' own accounts at carriers: adding them, and checking whether their credentials still work."""

import json
import logging
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts import emails
from accounts.models import Developer
from bubblyphone.core.background.jobs import enqueue
from bubblyphone.core.crypto import encrypt
from bubblyphone.core.database.lookup import get_row
from bubblyphone.core.errors import Conflict, InvalidRequest, NotFound, UpstreamFailed
from bubblyphone.core.redis.ratelimit import at_most
from phone_numbers.carriers.base import Carrier, CarrierError
from phone_numbers.carriers.capabilities import OwnAccounts
from phone_numbers.carriers.registry import (
    account_id_of,
    carrier_of,
    carrier_rows,
    carrier_with,
    configured_carriers,
    default_carrier,
    own_accounts_at,
    settings_of,
)
from phone_numbers.models import CarrierAccount, NumberPurchase, PhoneNumber
from phone_numbers.verification import verification_notices

logger = logging.getLogger(__name__)

AT_ONCE = 2  # concurrent verifications per account
LEASE_SECONDS = 60
QUIET = timedelta(days=1)
# Error reasons that concern the credentials, as opposed to the carrier.
VERDICTS = {"unauthorized", "incomplete"}
_SENDABLE = re.compile(r"[!-~]*")  # in a header


def providers() -> list[str]:
    """The carriers where developers can have their own accounts, by slug."""
    return [row.slug for row in carrier_rows() if row.capabilities["own_accounts"] and row.slug != "exchange"]


def accounts_of(developer: Developer) -> QuerySet[CarrierAccount]:
    """Newest first."""
    return CarrierAccount.objects.filter(developer=developer).order_by("-pk")


def get_account(*, developer: Developer, pk: int) -> CarrierAccount:
    """Raises NotFound, also for another developer's account."""
    return get_row(accounts_of(developer), pk=pk)


def carrier_key(*, developer: Developer, carrier: str = "", carrier_account_id: int | None = None) -> str:
    """The key under which numbers reference a carrier, or an account of the developer's.

    Raises NotFound, and InvalidRequest if the two contradict each other.
    """
    if carrier_account_id is None:
        if carrier and carrier not in (known := configured_carriers()):
            raise InvalidRequest(
                {"carrier": [f"Must be a configured carrier: {', '.join(known) or 'none is configured'}."]}
            )
        return carrier or default_carrier()
    account = get_account(developer=developer, pk=carrier_account_id)
    if carrier and carrier != account.provider:
        raise InvalidRequest({"carrier": [f"This carrier account is at {account.provider}."]})
    return account.key


def create_account(
    *, developer: Developer, provider: str, credentials: Mapping[str, str], label: str = ""
) -> CarrierAccount:
    """Verify credentials with the carrier and store them.

    Raises InvalidRequest, UpstreamFailed, TooManyRequests, without storing anything.
    """
    stored = _stored(developer.pk, provider, credentials)
    return CarrierAccount.objects.create(developer=developer, provider=provider, label=label, **stored)


def update_account(
    account: CarrierAccount, *, label: str | None = None, credentials: Mapping[str, str] | None = None
) -> CarrierAccount:
    """Change the label, or the named credentials; an empty value removes an optional one.

    They are verified with the carrier before they replace the old ones. Raises InvalidRequest, UpstreamFailed, TooManyRequests, NotFound,
    Conflict (changed by another request), without changing anything.
    """
    changes: dict[str, Any] = {} if label is None else {"label": label}
    if credentials:
        before = account.read_credentials()
        fixed = [
            f"{name} cannot change. Add another carrier account instead."
            for name in own_accounts_at(account.provider).fixed_credentials
            if credentials.get(name, before[name]) != before[name]
        ]
        if fixed:
            raise InvalidRequest({"credentials": fixed})
        changes |= _stored(account.developer_id, account.provider, {**before, **credentials})
        changes |= {"checked_at": timezone.now(), "failing_since": None, "told_at": None}
    with transaction.atomic():
        locked = get_row(CarrierAccount.objects.select_for_update(), pk=account.pk)
        if credentials and locked.encrypted != account.encrypted:
            raise Conflict("The credentials were changed by another request. Try again.")
        for name, value in changes.items():
            setattr(locked, name, value)
        locked.save(update_fields=list(changes))
    return locked


def _stored(developer_id: int, provider: str, credentials: Mapping[str, str]) -> dict[str, str]:
    """The columns of credentials that the carrier accepts. Raises InvalidRequest, UpstreamFailed, TooManyRequests."""
    _check_names(provider, credentials)
    given = {name: value for name, value in credentials.items() if value}
    with _place(developer_id):
        try:
            found = _verify(carrier_of(provider, given))
        except CarrierError as error:
            if error.reason in VERDICTS:
                raise InvalidRequest({"credentials": [_verdict(provider, error)]}) from error
            raise UpstreamFailed("The carrier could not be reached to verify the credentials. Try again.") from error
    complete = {**given, **{name: value for name, value in found.items() if value}}
    # The last required credential is the secret.
    secret = given[own_accounts_at(provider).required_credentials[-1]]
    return {"encrypted": encrypt(json.dumps(complete)), "last_four": secret[-4:]}


def hold(key: str) -> None:
    """Protect a developer's own account from deletion until the end of the transaction. Raises NotFound if it is gone."""
    account_id = account_id_of(key)
    if account_id is None:
        return
    if CarrierAccount.objects.select_for_update().filter(pk=account_id).first() is None:
        raise NotFound("This carrier account was deleted.")


def check_account(account: CarrierAccount) -> CarrierAccount:
    """Check with the carrier now, and store the result. Raises UpstreamFailed if there is no result, TooManyRequests."""
    with _place(account.developer_id):
        try:
            _note(account, _problem(account))
        except CarrierError as error:
            raise UpstreamFailed("The carrier could not be reached to verify the credentials. Try again.") from error
    return account


@transaction.atomic
def delete_account(account: CarrierAccount) -> None:
    """Raises Conflict while numbers use it, or a number is being bought with it."""
    hold(account.key)
    if NumberPurchase.objects.filter(carrier=account.key, status=NumberPurchase.Status.PENDING).exists():
        raise Conflict("A number is being bought with this carrier account. Try again in a minute.")
    if PhoneNumber.objects.unreleased().filter(carrier=account.key).exists():
        raise Conflict("Numbers use this carrier account. Release them first.")
    account.delete()


def check_accounts() -> None:
    """The hourly job: check the credentials of all accounts. The owner of a failing one is notified once (`_is_news`)."""
    for account in CarrierAccount.objects.order_by("checked_at"):  # no cursor: each check returns the connection
        try:
            _note(account, _problem(account))
        except CarrierError as error:
            logger.warning("A carrier account could not be checked", extra={"reason": error.reason})


def send_email(account_id: int) -> None:
    """The job that sends the email about failing credentials."""
    account = CarrierAccount.objects.select_related("developer").filter(pk=account_id).first()
    if account is None or account.failing_since is None:
        return
    numbers = PhoneNumber.objects.unreleased().filter(carrier=account.key)
    context = {
        "name": settings_of(account.provider)["NAME"],
        "label": account.label,
        "last_four": account.last_four,
        "numbers": list(numbers.values_list("e164", flat=True)),
        "link": f"{settings.PUBLIC_URL}/numbers/bring",
    }
    emails.send(account.developer, "carrier_account_failing", context)


def _check_names(provider: str, credentials: Mapping[str, str]) -> None:
    """Raises InvalidRequest for unknown or missing credential names, and for values that cannot be sent."""
    adapter = own_accounts_at(provider)
    known = {*adapter.required_credentials, *adapter.optional_credentials}
    problems = [f"{name} is required." for name in adapter.required_credentials if not credentials.get(name)]
    problems += [f"Unknown credential: {name}." for name in credentials if name not in known]
    problems += [
        f"{name} must be ASCII text without spaces."
        for name, value in credentials.items()
        if not _SENDABLE.fullmatch(value)
    ]
    problems += [
        f"{name} must be {words}."
        for name, (pattern, words) in adapter.credential_formats.items()
        if (value := credentials.get(name)) and not pattern.fullmatch(value)
    ]
    if problems:
        raise InvalidRequest({"credentials": problems})


def _place(developer_id: int) -> AbstractContextManager[None]:
    text = "Two carrier accounts are already being verified."
    return at_most(AT_ONCE, f"carrier-account:{developer_id}", lease_seconds=LEASE_SECONDS, message=text)


def _verify(carrier: Carrier) -> Mapping[str, str]:
    assert isinstance(carrier, OwnAccounts)
    return carrier.complete_credentials()


def _problem(account: CarrierAccount) -> str:
    """The problem with the credentials; empty if there is none. Raises CarrierError if the carrier gives no answer."""
    try:
        _verify(carrier_with(account.key, account.encrypted))
    except CarrierError as error:
        if error.reason not in VERDICTS:
            raise
        return _verdict(account.provider, error)
    return ""


def _verdict(provider: str, error: CarrierError) -> str:
    """In our words, because a carrier's may repeat parts of the credentials."""
    if error.reason == "incomplete":
        return str(error)
    return f"{settings_of(provider)['NAME']} does not accept these credentials."


@transaction.atomic
def _note(account: CarrierAccount, problem: str, now: datetime | None = None) -> None:
    now = now or timezone.now()
    locked = CarrierAccount.objects.select_for_update().filter(pk=account.pk).first()
    if locked is None or locked.encrypted != account.encrypted:
        return  # the result does not concern the current credentials
    account.checked_at = locked.checked_at = now
    account.failing_since = locked.failing_since = (locked.failing_since or now) if problem else None
    if _is_news(locked, now):
        locked.told_at = now
        enqueue(send_email, locked.pk)
        verification_notices.publish_failing_account(locked, now)
    locked.save(update_fields=["checked_at", "failing_since", "told_at"])


def _is_news(account: CarrierAccount, now: datetime) -> bool:
    """Whether the developer has not been notified of this failure yet. For credentials that fail intermittently, once per QUIET."""
    if account.failing_since is None:
        return False
    return account.told_at is None or (account.told_at < account.failing_since and account.told_at <= now - QUIET)
