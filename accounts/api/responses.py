"""Response shapes of accounts and their keys."""

from accounts.notifications import Channel, optional_kinds
from accounts.retention import KINDS_IN_API, MAX_DAYS
from bubblyphone.core.api.json_schema import Read, Schema, flag, moment, money, nullable, record, shape, text, whole

_DEVELOPER = {"id": whole(1), "name": text("Jane"), "email": text("jane@example.com")}
DEVELOPER = shape("Developer", _DEVELOPER)
PROFILE = shape(
    "Profile",
    {
        **_DEVELOPER,
        "email_verified": Read(
            lambda developer: developer.email_verified_at is not None,
            flag("Whether the address has been confirmed with the link we emailed.", example=True),
        ),
        "company_name": nullable(text("Acme Corp")),
        "created_at": moment(),
    },
)
SIGNED_IN = record(
    {"data": DEVELOPER, "token": text("1|Zk3Pq9…", "The session token. Send it as a Bearer token, like an API key.")}
)
_KEY = {"id": whole(1), "label": text("Production")}
_ADMIN = Read(
    "is_admin",
    flag(
        "Whether the key can change API keys, caps, policy, sessions, carrier accounts, and webhook endpoints.",
        example=False,
    ),
)


def _days(what: str) -> Schema:
    return nullable(
        whole(90, f"Days to keep {what}. Null keeps them until you delete them.", minimum=1, maximum=MAX_DAYS)
    )


RETENTION = shape("Retention", {name: _days(what) for name, what in KINDS_IN_API.items()})
_CHANNELS = {
    Channel.EMAIL: flag("Whether we email you.", example=True),
    Channel.WEBHOOK: flag("Whether your webhooks receive it. Its event is stored in any case.", example=True),
}
NOTIFICATIONS = shape(
    "Notifications",
    {
        kind.name: record({channel.value: _CHANNELS[channel] for channel in kind.channels})
        | {"description": f"{kind.text} Events: {', '.join(f'`{event}`' for event in kind.events)}."}
        for kind in optional_kinds()
    },
)
API_KEY = shape(
    "ApiKey",
    {
        **_KEY,
        "admin": _ADMIN,
        "hint": text("bp_live_sk_…x7Qd", "The key's prefix and last four characters."),
        "daily_cap": nullable(money("5.00", "Daily cap in USD (UTC days) on calls placed with this key.")),
        "created_at": moment(),
        "last_used_at": nullable(moment("Rounded to the minute. Null if never used.")),
    },
)
NEW_API_KEY = shape(
    "NewApiKey",
    {
        **_KEY,
        "admin": _ADMIN,
        "key": text("bp_live_sk_abc123…", "The API key. Shown only once."),
        "created_at": moment(),
    },
)
