"""What the API's description says about accounts."""

from accounts import admin_keys
from accounts.api.serializers import (
    ApiKeySerializer,
    ForgotPasswordSerializer,
    LoginSerializer,
    NewApiKeySerializer,
    RegisterSerializer,
    ResetPasswordSerializer,
)
from bubblyphone.core.schema import Operation
from bubblyphone.core.shapes import (
    data_of,
    flag,
    moment,
    money,
    nullable,
    page_of,
    record,
    shape,
    text,
    whole,
)

_DEVELOPER = {"id": whole(1), "name": text("Jane"), "email": text("jane@example.com")}
DEVELOPER = shape("Developer", _DEVELOPER)
PROFILE = shape(
    "Profile",
    {
        **_DEVELOPER,
        "email_verified": flag("Whether the link that we mailed to the address was followed.", example=True),
        "company_name": nullable(text("Acme Corp")),
        "created_at": moment(),
    },
)
SIGNED_IN = record({"data": DEVELOPER, "token": text("1|Zk3Pq9…", "The session token, a Bearer like an API key.")})
_KEY = {"id": whole(1), "label": text("Production")}
_ADMIN = flag("Whether it may change API keys, caps and sessions.", example=False)
API_KEY = shape(
    "ApiKey",
    {
        **_KEY,
        "admin": _ADMIN,
        "hint": text("bp_live_sk_…x7Qd", "What the key looks like, without being it."),
        "daily_cap": nullable(money("5.00", "USD a day (UTC), for calls placed with the key.")),
        "created_at": moment(),
        "last_used_at": nullable(moment("To the minute; null: never.")),
    },
)
NEW_API_KEY = shape(
    "NewApiKey",
    {**_KEY, "admin": _ADMIN, "key": text("bp_live_sk_abc123…", "Shown this once."), "created_at": moment()},
)
OPERATIONS = {
    "Authentication": {
        "POST /auth/register": Operation(
            "Register",
            "Create a developer account and a session. One client address opens at most 20 an hour, here and on the sign-up page.",
            answer=SIGNED_IN,
            status=201,
            body=RegisterSerializer,
            example={
                "name": "Jane",
                "email": "jane@example.com",
                "password": "secret123",
                "password_confirmation": "secret123",
            },
        ),
        "POST /auth/login": Operation(
            "Log in",
            "Open a session. 20 wrong passwords an hour for one account from one address, or 300 from one address, are followed by 429.",
            answer=SIGNED_IN,
            body=LoginSerializer,
            example={"email": "jane@example.com", "password": "secret123"},
            errors={401: "The e-mail address or the password is wrong."},
        ),
        "GET /auth/me": Operation("Show your profile", answer=data_of(PROFILE)),
        "POST /auth/logout": Operation(
            "Log out", "End the session whose token is sent.", status=204, errors={403: "An API key cannot log out."}
        ),
        "POST /auth/logout-all": Operation(
            "Log out everywhere",
            "End every session, in programs and browsers. API keys stay.",
            status=204,
            errors=admin_keys.ERRORS,
        ),
        "POST /auth/password/forgot": Operation(
            "Ask for a new password",
            "A link goes to the address by e-mail, if there is such an account; the answer is the same if there is none.",
            answer=data_of(
                record({"message": text("If there is an account with this address, a link is on its way.")})
            ),
            body=ForgotPasswordSerializer,
            example={"email": "jane@example.com"},
        ),
        "POST /auth/password/reset": Operation(
            "Set a new password",
            "With the token of the link, which works once. All sessions end.",
            answer=data_of(DEVELOPER),
            body=ResetPasswordSerializer,
            example={"token": "1-c2x9f1-…", "password": "secret456", "password_confirmation": "secret456"},
        ),
    },
    "API keys": {
        "POST /api-keys": Operation(
            "Create an API key",
            "The key itself is shown in this answer only. An ordinary key cannot change API keys, caps or sessions; an admin key can.",
            answer=data_of(NEW_API_KEY),
            status=201,
            body=NewApiKeySerializer,
            example={"label": "Production"},
            errors={
                403: "Needs a session token, or an admin key to create an ordinary key (`reason`: `admin_key_required`)."
            },
        ),
        "GET /api-keys": Operation(
            "List your API keys", "Newest first; never their plaintext.", answer=page_of(API_KEY)
        ),
        "PATCH /api-keys/{id}": Operation(
            "Change an API key",
            "What is not named stays.",
            answer=data_of(API_KEY),
            body=ApiKeySerializer,
            example={"daily_cap": "5.00"},
            errors=admin_keys.ERRORS,
        ),
        "DELETE /api-keys/{id}": Operation(
            "Revoke an API key", "It is refused from then on.", status=204, errors=admin_keys.ERRORS
        ),
    },
}
FIELDS = {
    "RegisterSerializer.name": "Your name.",
    "email": "E-mail address.",
    "RegisterSerializer.password": "8 to 128 characters of any kind.",
    "ResetPasswordSerializer.password": "The new one, 8 to 128 characters of any kind.",
    "token": "From the link in the e-mail.",
    "LoginSerializer.password": "The account's password.",
    "password_confirmation": "The password once more.",
    "company_name": "Your company.",
    "ApiKeySerializer.label": "A name for the key.",
    "NewApiKeySerializer.label": "A name for the key.",
    "admin": "Create an admin key, which may change API keys, caps and sessions. Only a session token can.",
}
