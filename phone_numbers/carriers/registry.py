"""The carriers of this installation.

`settings.CARRIERS` has a row for each adapter. Rows reference their carrier by a key: its slug there, or `<slug>:<id>` for a developer's
own account (`CarrierAccount`), so that reports of different accounts cannot be confused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, TypeVar

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import import_string

from bubblyphone.core.backends import load_backend
from bubblyphone.core.crypto import decrypt
from bubblyphone.core.json.documents import parse_stored_json
from phone_numbers.carriers.base import Carrier, CarrierError
from phone_numbers.carriers.capabilities import CAPABILITIES, CallControl, OwnAccounts
from phone_numbers.carriers.media_protocol import MediaProtocol

C = TypeVar("C")
OWN = "own"  # in the webhook URLs of developers' own accounts
MAX_ID_DIGITS = 19  # of a 64-bit id


class AtCarrier(Protocol):
    """A row that references its carrier: a number, a call, a purchase, a verification."""

    @property
    def carrier(self) -> str: ...


class CarrierCall(AtCarrier, Protocol):
    """A call as its carrier knows it; a sandbox call has no carrier id."""

    @property
    def carrier_call_id(self) -> str | None: ...


def get_carrier(owner: AtCarrier, capability: type[C]) -> C:
    """A capability of the carrier of a number or call. Raises CarrierError if the carrier lacks it, or no longer exists."""
    return able(owner.carrier, capability)


def able(slug: str, capability: type[C]) -> C:
    """A capability of a carrier, by key. Raises CarrierError."""
    carrier = carrier_named(slug)
    if not isinstance(carrier, capability):
        name = next((name for name, kind in CAPABILITIES.items() if kind is capability), capability.__name__)
        raise CarrierError(
            f"{settings_of(slug)['NAME']} does not offer {name.replace('_', ' ')}.", reason="unsupported"
        )
    return carrier


def carrier_named(key: str) -> Carrier:
    """One instance per process, thread-safe.

    Raises CarrierError if it is not configured. Queries the database for a developer's own account, whose credentials another process may
    have replaced.
    """
    account_id = account_id_of(key)
    if account_id is None or not settings_of(key):
        return _of_installation(key)
    accounts = apps.get_model("numbers", "CarrierAccount").objects.filter(pk=account_id, provider=slug_of(key))
    encrypted = accounts.values_list("encrypted", flat=True).first()
    if encrypted is None:
        raise CarrierError("The carrier account of this number was deleted.", reason="not_configured")
    return carrier_with(key, encrypted)


@lru_cache(maxsize=20)
def _of_installation(key: str) -> Carrier:
    row = settings_of(key)
    if not row or not row["IS_CONFIGURED"]:
        raise CarrierError(f"The carrier {key or 'of this call'} is not configured.", reason="not_configured")
    carrier: Carrier = load_backend(row)
    return carrier


@lru_cache(maxsize=1000)
def carrier_with(key: str, encrypted: str) -> Carrier:
    """The carrier for a developer's own account with these credentials (`CarrierAccount.encrypted`), which change with every update."""
    credentials: dict[str, str] = parse_stored_json(decrypt(encrypted))
    return carrier_of(slug_of(key), credentials, account_id_of(key) or 0)


def forget_carriers() -> None:
    """For tests: settings.CARRIERS has changed."""
    _of_installation.cache_clear()
    carrier_with.cache_clear()


def carrier_of(slug: str, credentials: Mapping[str, str], account_id: int = 0) -> Carrier:
    """The carrier for another account. It uses this installation's base URL and none of our credentials."""
    adapter: Any = own_accounts_at(slug)
    names = (*adapter.required_credentials, *adapter.optional_credentials)
    options = {**settings_of(slug)["OPTIONS"], **dict.fromkeys(names, ""), **credentials}
    if account_id:
        options["webhook_path"] = own_webhook_path(slug, account_id)
    carrier: Carrier = adapter(**options)
    return carrier


def own_accounts_at(slug: str) -> type[OwnAccounts]:
    """The adapter of a carrier that supports developers' own accounts. Raises CarrierError for others."""
    row = settings_of(slug)
    adapter = import_string(row["BACKEND"]) if row else None
    if not (isinstance(adapter, type) and issubclass(adapter, OwnAccounts)):
        raise CarrierError(f"The carrier {slug} does not support developers' own accounts.", reason="unsupported")
    return adapter


def media_protocol_of(key: str) -> type[MediaProtocol]:
    """The protocol of the carrier's media stream; never queries the database, even for a developer's own account."""
    adapter: type[Carrier] = import_string(settings_of(key)["BACKEND"])
    return adapter.media_protocol


def slug_of(key: str) -> str:
    """The carrier's slug in a key."""
    return key.partition(":")[0]


def account_id_of(key: str) -> int | None:
    """The id of the developer's own account in a key; None for the installation's account."""
    account_id = key.partition(":")[2]
    return int(account_id) if account_id.isdecimal() else None


def own_webhook_path(slug: str, account_id: int) -> str:
    """The webhook path of a developer's own account, below /webhooks/."""
    return f"{settings_of(slug).get('WEBHOOKS', slug)}/{OWN}/{account_id}"


def settings_of(key: str) -> Mapping[str, Any]:
    """NAME, BACKEND, OPTIONS and IS_CONFIGURED; empty for an unknown carrier."""
    rows: Mapping[str, Mapping[str, Any]] = settings.CARRIERS
    return rows.get(slug_of(key), {})


def default_carrier() -> str:
    """The slug of the carrier for number purchases by default."""
    slug: str = settings.DEFAULT_CARRIER
    return slug


def configured_carriers() -> list[str]:
    """The slugs of the usable carriers, in the order of the settings."""
    return [slug for slug, row in settings.CARRIERS.items() if row["IS_CONFIGURED"]]


def offers(slug: str, capability: type) -> bool:
    """Whether a carrier has a capability."""
    row = settings_of(slug)
    return bool(row) and issubclass(import_string(row["BACKEND"]), capability)


def takes_keys_as_sound(key: str) -> bool:
    """Whether keys are played into a call's stream; never queries the database, even for a developer's own account."""
    adapter = import_string(settings_of(key)["BACKEND"])
    return issubclass(adapter, CallControl) and adapter.takes_keys_as_sound


def detects_voicemail(key: str) -> bool:
    """Whether the carrier reports who or what has answered."""
    adapter = import_string(settings_of(key)["BACKEND"])
    return issubclass(adapter, CallControl) and adapter.detects_voicemail


def detects_screening(key: str) -> bool:
    """Whether the carrier reports a phone that asks who is calling, which sounds like a machine at first."""
    adapter = import_string(settings_of(key)["BACKEND"])
    return issubclass(adapter, CallControl) and adapter.detects_screening


def reporting_at(path: str, rest: str = "") -> str:
    """The key of the carrier whose webhooks arrive at /webhooks/<path>/<rest>; empty if there is none."""
    own, _, account = rest.partition("/")
    account_id = account.partition("/")[0]
    if own == OWN:
        slugs = [slug for slug, row in settings.CARRIERS.items() if row.get("WEBHOOKS", slug) == path]
        is_id = account_id.isdecimal() and len(account_id) < MAX_ID_DIGITS
        return f"{slugs[0]}:{int(account_id)}" if slugs and is_id else ""
    return next((slug for slug in configured_carriers() if settings_of(slug).get("WEBHOOKS", slug) == path), "")


@dataclass(frozen=True, slots=True)
class CarrierRow:
    """A carrier as shown by GET /carriers, with its `capabilities` by name."""

    slug: str
    display_name: str
    status: str
    is_default: bool
    capabilities: Mapping[str, bool]


def carrier_rows() -> list[CarrierRow]:
    """All carriers with an adapter, configured or not."""
    return [
        CarrierRow(
            slug=slug,
            display_name=row["NAME"],
            status="available" if row["IS_CONFIGURED"] else "not_configured",
            is_default=row["IS_CONFIGURED"] and slug == default_carrier(),
            capabilities=_capabilities(import_string(row["BACKEND"])),
        )
        for slug, row in settings.CARRIERS.items()
    ]


def _capabilities(carrier: type) -> dict[str, bool]:
    return {
        **{name: issubclass(carrier, kind) for name, kind in CAPABILITIES.items()},
        "voicemail_detection": issubclass(carrier, CallControl) and carrier.detects_voicemail,
        # If the carrier does not report it, the words on the line are analyzed (calls.session.screening).
        "call_screening": issubclass(carrier, CallControl) and carrier.detects_voicemail,
    }
