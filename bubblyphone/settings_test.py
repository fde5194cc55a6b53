"""Settings of the test run: as in production, with a fast password hasher, fixed keys and no manifest for static files."""

import os

os.environ.setdefault("SECRET_KEY", "test-secret-key-that-is-long-enough-for-django-to-like-it")
os.environ.setdefault("ENCRYPTION_KEYS", "dGVzdC1rZXktdGVzdC1rZXktdGVzdC1rZXktMDEyMzQ=")
os.environ.setdefault("ALLOW_PRIVATE_WEBHOOKS", "1")
# With varying speech the recognizer sometimes misses a word. Platforms that tests start inherit this.
os.environ.setdefault("VOICE_VARIATION", "0")

from bubblyphone.settings import *

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True
REGISTRATIONS_PER_HOUR = 10_000
FAIL_ON_WAIT_IN_TRANSACTION = True
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
CARRIERS["telnyx"] = {**CARRIERS["telnyx"], "IS_CONFIGURED": True}
# As on an installation with keys of both vendors. Nothing listens at this address: no test reaches a vendor.
_vendor_options = {
    "api_key": "key-of-the-tests",
    "base_url": os.environ.get("VENDORS_OF_TESTS", "http://127.0.0.1:9/v1"),
}
MODEL_PROVIDERS["openai"] = {**MODEL_PROVIDERS["openai"], "OPTIONS": _vendor_options}
MODEL_PROVIDERS["google"] = {**MODEL_PROVIDERS["google"], "OPTIONS": {**_vendor_options, "api_version": "v1beta"}}
