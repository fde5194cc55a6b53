"""The notifications that the product sends to accounts: one declaration per kind, and each account's choices.

`accounts.emails` checks here before it sends an email, `webhooks.outbox` before it sends an event to webhooks. An event that is not sent
is still stored: `GET /events` returns it, and it can be resent.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings
from django.db import transaction

from accounts.models import Developer, MutedNotification


class Channel(StrEnum):
    EMAIL = "email"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class NotificationKind:
    """`templates` are names in templates/emails, `events` webhook events. A `security` kind cannot be turned off."""

    name: str
    title: str
    text: str
    templates: tuple[str, ...]
    events: tuple[str, ...] = ()
    is_security: bool = False
    needs_billing: bool = False

    @property
    def channels(self) -> list[Channel]:
        return [Channel.EMAIL, *([Channel.WEBHOOK] if self.events else [])]


KINDS = (
    NotificationKind(
        "auto_topup_failed",
        "Automatic top-up failed",
        "We could not charge your card and turned automatic top-ups off.",
        ("auto_topup_failed",),
        ("billing.auto_topup.failed",),
        needs_billing=True,
    ),
    NotificationKind(
        "daily_limit",
        "Daily limit",
        "Calls have used 50%, 80%, or 100% of a daily limit.",
        ("cap_reached",),
        ("billing.cap.reached",),
    ),
    NotificationKind(
        "number_status",
        "Number status",
        "Your balance is too low to renew a number, or the number was suspended, reactivated, or released.",
        ("number_renewal",),
        ("number.renewal.reminder", "number.suspended", "number.reactivated", "number.released"),
        needs_billing=True,
    ),
    NotificationKind(
        "country_verification",
        "Verification result",
        "Your documents for a country were approved or rejected.",
        ("country_verification",),
        ("country.verification.updated",),
    ),
    NotificationKind(
        "carrier_account",
        "Carrier credentials",
        "A carrier no longer accepts the credentials of your own account. At most once a day per account.",
        ("carrier_account_failing",),
        ("carrier_account.failing",),
    ),
    NotificationKind(
        "webhook_endpoint",
        "Webhook endpoint failing",
        "Several attempts to send an event to an endpoint failed. At most once a day.",
        ("webhook_endpoint_failing",),
        ("webhook_endpoint.failing",),
    ),
    NotificationKind(
        "security",
        "Security",
        "Your password or email address changed, or someone asked for a link to confirm the address or reset the password.",
        ("password_changed", "email_changed", "reset_password", "verify_address"),
        is_security=True,
    ),
)
BY_NAME = {kind.name: kind for kind in KINDS}
_BY_TEMPLATE = {template: kind for kind in KINDS for template in kind.templates}
_BY_EVENT = {event: kind for kind in KINDS for event in kind.events}


def shown_kinds() -> list[NotificationKind]:
    """The kinds that this installation sends: with billing off, there are no renewals or top-ups."""
    return [kind for kind in KINDS if settings.BILLING or not kind.needs_billing]


def optional_kinds() -> list[NotificationKind]:
    """All kinds that an account can turn off."""
    return [kind for kind in KINDS if not kind.is_security]


def choices_of(developer: Developer) -> dict[str, dict[str, bool]]:
    """Whether the account gets each optional kind on each of its channels, by the kind's name."""
    muted = set(MutedNotification.objects.filter(developer=developer).values_list("kind", "channel"))
    return {
        kind.name: {channel.value: (kind.name, channel.value) not in muted for channel in kind.channels}
        for kind in optional_kinds()
    }


@transaction.atomic
def choose(developer: Developer, choices: Mapping[str, Mapping[str, bool]]) -> None:
    """Turn the named channels of the named kinds on or off. KeyError for a kind that is not optional or does not use the channel."""
    for name, kind, channel, is_on in _named(choices):
        if kind.is_security or channel not in kind.channels:
            raise KeyError(name)
        if is_on:
            MutedNotification.objects.filter(developer=developer, kind=name, channel=channel.value).delete()
        else:
            MutedNotification.objects.get_or_create(developer=developer, kind=name, channel=channel.value)


def _named(choices: Mapping[str, Mapping[str, bool]]) -> Iterator[tuple[str, NotificationKind, Channel, bool]]:
    for name, channels in choices.items():
        for channel, is_on in channels.items():
            yield name, BY_NAME[name], Channel(channel), is_on


def is_optional(template: str) -> bool:
    """Whether an account can turn this email off. KeyError for a template of no kind."""
    return not _BY_TEMPLATE[template].is_security


def wants_email(developer: Developer, template: str) -> bool:
    """Whether the account gets this email. KeyError for a template of no kind.

    An account that staff deactivated cannot sign in to act on it, and gets those about its security alone.
    """
    if not developer.is_active and is_optional(template):
        return False
    return not _is_muted(developer.pk, _BY_TEMPLATE[template], Channel.EMAIL)


def wants_webhook(developer_id: int, event_type: str) -> bool:
    """Whether the account's webhooks receive these events. Events without a kind, such as call events, always go to subscribers."""
    kind = _BY_EVENT.get(event_type)
    return kind is None or not _is_muted(developer_id, kind, Channel.WEBHOOK)


def _is_muted(developer_id: int, kind: NotificationKind, channel: Channel) -> bool:
    if kind.is_security:
        return False
    return MutedNotification.objects.filter(developer_id=developer_id, kind=kind.name, channel=channel.value).exists()
