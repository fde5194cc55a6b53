"""All settings, in one file. `bubblyphone.environment_variables` reads them from the environment; `make run` fills in what is absent."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured

from bubblyphone import environment_variables as env
from bubblyphone.core.monitoring.logs import logging_settings
from bubblyphone.storage import private_storage

# Lets Django's generic classes take their type argument at run time too: ModelAdmin[PhoneNumber].
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(env.DATA_DIR or BASE_DIR / "var").resolve()

# --- where we are reached ---------------------------------------------------------------------------------------------
PORT = env.PORT
DRAIN_SECONDS = env.DRAIN_SECONDS
PUBLIC_URL = env.PUBLIC_URL.rstrip("/")
_public = urlsplit(PUBLIC_URL)
if _public.scheme not in {"http", "https"} or not _public.hostname:
    raise ImproperlyConfigured(f"PUBLIC_URL={PUBLIC_URL!r} must be like https://agents.example.com")
PUBLIC_WS_URL = PUBLIC_URL.replace("http", "ws", 1)
# For a media process (calls/control/media_nodes.py). The name is part of a path.
MEDIA_NODE = env.MEDIA_NODE
if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", MEDIA_NODE):
    raise ImproperlyConfigured(f"MEDIA_NODE={MEDIA_NODE!r} must be like media-1: letters, digits, dots and hyphens.")
MEDIA_STREAM_URL = (env.MEDIA_STREAM_URL or f"{PUBLIC_WS_URL}/media/{MEDIA_NODE}").rstrip("/")
IS_HTTPS = _public.scheme == "https"
IS_LOCAL = _public.hostname in {"localhost", "127.0.0.1", "::1"}
HOST = env.HOST or ("127.0.0.1" if IS_LOCAL else "0.0.0.0")  # noqa: S104

DEMO = env.DEMO
DEBUG = env.DEBUG
SECRET_KEY = env.SECRET_KEY
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "SECRET_KEY is not set. `make run` generates one. In production, set it in the environment."
    )
ENCRYPTION_KEYS = [key for key in env.ENCRYPTION_KEYS.split(",") if key]
# Columns under these keys, for `manage.py rotate_encryption`.
ENCRYPTED_FIELDS = {
    "accounts.IdempotentAnswer": ["encrypted_body"],
    "webhooks.SigningSecret": ["encrypted", "previous_encrypted"],
    "agents.ModelKey": ["encrypted"],
    "agents.Secret": ["encrypted"],
    "numbers.CarrierAccount": ["encrypted"],
    "staff.Authenticator": ["encrypted"],
}
ALLOWED_HOSTS = ["*"] if IS_LOCAL else [_public.hostname, "localhost", "127.0.0.1"]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
TRUSTED_PROXIES = env.TRUSTED_PROXIES
# Limits of bubblyphone/server/connections.py.
CONNECTIONS_PER_ADDRESS = env.CONNECTIONS_PER_ADDRESS
REQUEST_HEADER_SECONDS = env.REQUEST_HEADER_SECONDS
REQUEST_SECONDS = env.REQUEST_SECONDS
KEEP_ALIVE_SECONDS = env.KEEP_ALIVE_SECONDS

# --- what we are made of ----------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "staff.apps.StaffAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "channels",
    "corsheaders",
    "django_htmx",
    "csp",
    "djstripe",
    "django_otp",
    "bubblyphone.core",
    "django_q",  # after us: its command `qcluster` is ours
    "accounts",
    "webhooks",
    "billing",
    "agents",
    "phone_numbers",
    "calls",
    "sandbox",
    "staff",
    "bubblyphone.docs",
]
MIDDLEWARE = [
    "bubblyphone.core.monitoring.scrape.MetricsMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "bubblyphone.core.middleware.ApiMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "accounts.middleware.RateLimitMiddleware",
    "accounts.middleware.IdempotencyMiddleware",
    "bubblyphone.core.middleware.CachesMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_otp.middleware.OTPMiddleware",
    "accounts.browser_sessions.BrowserSessionMiddleware",
    "accounts.middleware.PageRateLimitMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "bubblyphone.urls"
ASGI_APPLICATION = "bubblyphone.asgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "sandbox.context_processors.dashboard",
            ],
        },
    }
]
FORM_RENDERER = "bubblyphone.core.pages.form_renderer.FormRenderer"

# --- data -------------------------------------------------------------------------------------------------------------
DATABASE_URL = env.DATABASE_URL
if not DATABASE_URL:
    raise ImproperlyConfigured("DATABASE_URL is not set. `make run` starts an embedded PostgreSQL and sets it.")
DATABASES = {"default": dj_database_url.parse(DATABASE_URL)}
DATABASE_POOL_SIZE = env.DATABASE_POOL_SIZE  # of one web process (bubblyphone/serve.py)
# What waits on the network in a transaction is written to the log (bubblyphone/core/network/waiting.py); in tests it is an error.
FAIL_ON_WAIT_IN_TRANSACTION = False
if DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
    raise ImproperlyConfigured("DATABASE_URL must name a PostgreSQL database: postgresql://…")
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# In a new database the tables of these come from their models: dj-stripe's 600 steps of history take a minute.
TABLES_MADE_AT_ONCE = ["djstripe"]

REDIS_URL = env.REDIS_URL
if not REDIS_URL:
    raise ImproperlyConfigured("REDIS_URL is not set. `make run` starts an embedded Valkey and sets it.")
CHANNEL_LAYERS = {
    "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}},
}
CACHES = {
    "default": {"BACKEND": "bubblyphone.core.redis.client.OptionalCache", "LOCATION": REDIS_URL},
}

Q_CLUSTER = {
    "name": "bubblyphone",
    "orm": "default",
    "workers": env.WORKERS,
    "timeout": 60,
    "retry": 150,
    "poll": 1,
    "guard_cycle": 1,
    "bulk": 5,
    "max_attempts": 1,
    "ack_failures": True,
    # No limit: to keep one, django-q2 reads and locks that many rows for each job. `delete_old_logs` deletes them.
    "save_limit": 0,
    "catch_up": False,
    "label": "Background jobs",
}
JOB_LOG_DAYS = env.JOB_LOG_DAYS

# --- accounts, pages, security ----------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.Developer"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "accounts.common_passwords.CommonPasswordValidator"},
]
LOGIN_URL = LOGOUT_REDIRECT_URL = "login"
LOGIN_REDIRECT_URL = "overview"
CSRF_FAILURE_VIEW = "bubblyphone.core.pages.views.csrf_failure"
PASSWORD_RESET_TIMEOUT = 3600
STAFF_SECOND_FACTOR = env.STAFF_SECOND_FACTOR
REGISTRATIONS_PER_HOUR = env.REGISTRATIONS_PER_HOUR
NEW_ACCOUNT_DAILY_CAP = env.NEW_ACCOUNT_DAILY_CAP
NEW_ACCOUNT_MAX_CALLS = env.NEW_ACCOUNT_MAX_CALLS
SESSION_TOKEN_DAYS = env.SESSION_TOKEN_DAYS
# Not in a cookie: where a form was sent twice, the browser throws away the first answer with its cookies.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = IS_HTTPS and not IS_LOCAL and env.SECURE_SSL_REDIRECT
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = False
# HSTS speaks for our own host; whether other names under the domain are https only is not ours to say.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "connect-src": ["'self'", PUBLIC_WS_URL],
        "img-src": ["'self'", "data:"],
        "media-src": ["'self'", "blob:"],
        "worker-src": ["'self'", "blob:"],
        "object-src": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGE_URL = env.STORAGE_URL
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": DATA_DIR / "media"}},
    # Documents of developers: no URL leads there; staff read them through the admin.
    "documents": private_storage("documents", DATA_DIR, STORAGE_URL),
    # Recordings of calls: downloaded from our own signed URLs.
    "recordings": private_storage("recordings", DATA_DIR, STORAGE_URL),
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG

# --- the API ----------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "bubblyphone.core.api.known_parameters.KnownParameters",
        "bubblyphone.core.api.readable_body.ReadableBody",
    ],
    "DEFAULT_RENDERER_CLASSES": ["bubblyphone.core.api.json_bodies.FastJSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["bubblyphone.core.api.json_bodies.AnyJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "bubblyphone.core.api.json_bodies.AlwaysJSON",
    "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%SZ",
    "DEFAULT_PAGINATION_CLASS": "bubblyphone.core.api.views.NewestFirstPagination",
    "EXCEPTION_HANDLER": "bubblyphone.core.api.error_responses.exception_handler",
    "COERCE_DECIMAL_TO_STRING": True,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "DEFAULT_SCHEMA_CLASS": "bubblyphone.core.api.openapi.OperationSchema",
}
# What the apps say about their operations.
SPECTACULAR_SETTINGS = {
    "TITLE": "BubblyPhone Agents",
    "VERSION": "1",
    "DESCRIPTION": "Phone numbers for AI agents: numbers, agents, calls.",
    "OAS_VERSION": "3.1.0",
    "SERVERS": [{"url": PUBLIC_URL}],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENFORCE_NON_BLANK_FIELDS": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "PREPROCESSING_HOOKS": ["billing.billing_switch.without_closed_routes", "bubblyphone.core.api.openapi.rename_ids"],
    "POSTPROCESSING_HOOKS": ["bubblyphone.core.api.openapi.add_components"],
}
RATE_LIMIT_PER_MINUTE = 100
# Of an account's pages. One that shows a running call asks for its parts some 150 times a minute.
PAGE_RATE_LIMIT_PER_MINUTE = 600
CORS_ALLOW_ALL_ORIGINS = "*" in env.CORS_ORIGINS
CORS_ALLOWED_ORIGINS = [origin for origin in env.CORS_ORIGINS if origin != "*"]
CORS_URLS_REGEX = r"^/api/"
CORS_ALLOW_HEADERS = ["authorization", "content-type", "idempotency-key", "x-request-id"]
CORS_EXPOSE_HEADERS = [
    "Idempotency-Replayed",
    "Retry-After",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-Request-Id",
]

# --- outside parties --------------------------------------------------------------------------------------------------
ALLOW_PRIVATE_WEBHOOKS = env.ALLOW_PRIVATE_WEBHOOKS
# Production takes https only; where private addresses are let in for development, http is too.
WEBHOOK_SCHEMES = ["https", "http"] if ALLOW_PRIVATE_WEBHOOKS else ["https"]

_telnyx = {
    "api_key": env.TELNYX_API_KEY,
    "public_key": env.TELNYX_PUBLIC_KEY,
    "base_url": env.TELNYX_BASE_URL,
    "connection_id": env.TELNYX_CONNECTION_ID,
}
# Every carrier there is an adapter for (phone_numbers/carriers/registry.py). Rows of numbers and calls name theirs by its key here.
# The built-in exchange speaks Telnyx's protocol and takes the place of its credentials: one of the two is configured.
CARRIERS: dict[str, dict[str, Any]] = {
    "telnyx": {
        "NAME": "Telnyx",
        "BACKEND": "phone_numbers.carriers.telnyx.TelnyxCarrier",
        "OPTIONS": _telnyx,
        "IS_CONFIGURED": bool(env.TELNYX_API_KEY and not env.EXCHANGE_URL),
    },
    "twilio": {
        "NAME": "Twilio",
        "BACKEND": "phone_numbers.carriers.twilio.TwilioCarrier",
        "OPTIONS": {
            "account_sid": env.TWILIO_ACCOUNT_SID,
            "auth_token": env.TWILIO_AUTH_TOKEN,
            "base_url": env.TWILIO_BASE_URL.rstrip("/"),
        },
        "IS_CONFIGURED": bool(env.TWILIO_ACCOUNT_SID and env.TWILIO_AUTH_TOKEN),
    },
    "exchange": {
        "NAME": "Built-in exchange",
        "WEBHOOKS": "telnyx",
        "BACKEND": "phone_numbers.carriers.telnyx.TelnyxCarrier",
        "OPTIONS": _telnyx,
        "IS_CONFIGURED": bool(env.EXCHANGE_URL),
    },
}
BILLING = env.BILLING  # asked through billing.billing_switch
_configured = [slug for slug, carrier in CARRIERS.items() if carrier["IS_CONFIGURED"]]
if env.CARRIER and env.CARRIER not in _configured:
    raise ImproperlyConfigured(
        f"CARRIER={env.CARRIER!r} is not configured. Configured: {', '.join(_configured) or 'none'}."
    )
DEFAULT_CARRIER = env.CARRIER or next(iter(_configured), "telnyx")
STRIPE = {
    "secret_key": env.STRIPE_SECRET_KEY,
    "webhook_secret": env.STRIPE_WEBHOOK_SECRET,
    "api_base": env.STRIPE_API_BASE.rstrip("/"),
}
# dj-stripe keeps what Stripe reports: the bytes, verified, and the event. What it means is ours (billing/payments).
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
EXCHANGE_URL = env.EXCHANGE_URL

_openai = {
    "api_key": env.OPENAI_API_KEY,
    "base_url": env.OPENAI_BASE_URL,
}
MODEL_PROVIDERS = {
    "openai": {"BACKEND": "agents.providers.openai.OpenAIRealtimeModel", "OPTIONS": _openai},
    "google": {
        "BACKEND": "agents.providers.gemini.GeminiLiveModel",
        "OPTIONS": {
            "api_key": env.GEMINI_API_KEY,
            "base_url": env.GOOGLE_GEMINI_BASE_URL,
            "api_version": env.GEMINI_API_VERSION,
        },
    },
    "local": {
        "BACKEND": "agents.providers.local.LocalModel",
        "OPTIONS": {
            "llm_base_url": env.LOCAL_LLM_BASE_URL,
            "llm_model": env.LOCAL_LLM_MODEL,
            "llm_api_key": env.LOCAL_LLM_API_KEY,
        },
    },
}
VOICE_VARIATION = env.VOICE_VARIATION
# Who writes recordings down, and who reads transcripts: a model where there is a key, else what is built in.
_groq = {
    "api_key": env.GROQ_API_KEY,
    "base_url": env.GROQ_BASE_URL,
    "model": env.WHISPER_MODEL,
}
_reader = {**_openai, "model": env.ANALYSIS_MODEL}
TRANSCRIBER = {"BACKEND": "agents.transcription.whisper.WhisperTranscriber", "OPTIONS": _groq}
ANALYZER = {"BACKEND": "agents.analysis.openai.OpenAIAnalyzer", "OPTIONS": _reader}
if not _groq["api_key"]:
    TRANSCRIBER = {"BACKEND": "agents.transcription.offline.OfflineTranscriber", "OPTIONS": {}}
if not _openai["api_key"]:
    ANALYZER = {"BACKEND": "agents.analysis.rules.RuleAnalyzer", "OPTIONS": {}}
# Mails go to an SMTP server, else into files, else into the worker's log.
EMAIL_HOST = env.EMAIL_HOST
EMAIL_FILE_PATH = env.EMAIL_FILE_PATH or None
EMAIL_BACKEND = "django.core.mail.backends." + (
    "smtp.EmailBackend" if EMAIL_HOST else "filebased.EmailBackend" if EMAIL_FILE_PATH else "console.EmailBackend"
)
EMAIL_PORT = env.EMAIL_PORT
EMAIL_USE_SSL = EMAIL_PORT == 465  # encrypted from the first byte, by the port's definition
EMAIL_USE_TLS = not EMAIL_USE_SSL and env.EMAIL_USE_TLS
EMAIL_HOST_USER = env.EMAIL_HOST_USER
EMAIL_HOST_PASSWORD = env.EMAIL_HOST_PASSWORD
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.DEFAULT_FROM_EMAIL or f"BubblyPhone Agents <noreply@{_public.hostname}>"
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- logs and metrics -------------------------------------------------------------------------------------------------
METRICS_TOKEN = env.METRICS_TOKEN
LOGGING = logging_settings(env.LOG_LEVEL, env.LOG_FORMAT)
