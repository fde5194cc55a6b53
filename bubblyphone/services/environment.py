"""The environment of the platform's processes: the user's variables, and generated values for missing ones."""

import base64
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bubblyphone.core.json.documents import parse_stored_json
from bubblyphone.services.errors import ServiceError
from bubblyphone.services.ports import keep_port
from bubblyphone.services.secrets_store import SecretsStore

PROJECT = Path(__file__).resolve().parents[2]
ENVIRONMENT_FILE = "environment.json"
KEPT_NAMES = {
    "ALLOW_PRIVATE_WEBHOOKS",
    "DATABASE_URL",
    "DATA_DIR",
    "DEMO",
    "ENCRYPTION_KEYS",
    "PORT",
    "PUBLIC_URL",
    "REDIS_URL",
    "SECRET_KEY",
}
KEPT_PREFIXES = ("CARRIER", "EXCHANGE_", "TELNYX_", "TWILIO_")
LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}


def read_env_file(path: Path) -> dict[str, str]:
    """The NAME=value lines of a .env file, without blank lines, comments and quotes around a value."""
    if not path.exists():
        return {}
    pairs = (
        line.split("=", 1)
        for line in path.read_text().splitlines()
        if "=" in line and not line.lstrip().startswith("#")
    )
    return {name.removeprefix("export ").strip(): value.strip().strip("'\"") for name, value in pairs}


def add_env_file(environment: Mapping[str, str], path: Path) -> dict[str, str]:
    """The environment, and the variables of a .env file that it does not set, neither as NAME nor by a NAME_FILE."""
    from_file = {
        name: value for name, value in read_env_file(path).items() if not environment.get(f"{name}_FILE", "").strip()
    }
    return from_file | dict(environment)


def is_given(given: Mapping[str, str], name: str) -> bool:
    """Whether the user set the variable, or NAME_FILE for a secret in a file."""
    return bool(given.get(name, "").strip() or given.get(f"{name}_FILE", "").strip())


def read_port(given: Mapping[str, str]) -> int:
    """PORT, by default 8000. Raises ServiceError for an invalid port number."""
    text = given.get("PORT", "").strip() or "8000"
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise ServiceError(f"PORT={text!r} must be a whole number between 1 and 65535.")
    return int(text)


def base_environment(given: Mapping[str, str], data_dir: Path, secrets_store: SecretsStore) -> dict[str, str]:
    """Everything except the addresses of the services. The user's values take precedence."""
    port = read_port(given)
    public_url = given.get("PUBLIC_URL", "").strip() or f"http://localhost:{port}"
    is_local = urlsplit(public_url).hostname in LOCAL_HOSTS
    made = {
        "PORT": str(port),
        "PUBLIC_URL": public_url,
        # Reachable from other machines only if the user configures it.
        "HOST": "127.0.0.1" if is_local else "0.0.0.0",  # noqa: S104
        "DEMO": "1",
        "ALLOW_PRIVATE_WEBHOOKS": "1",
    }
    environment = {**made, **{name: value for name, value in given.items() if value.strip() or name not in made}}
    if not is_given(given, "SECRET_KEY"):
        environment["SECRET_KEY"] = secrets_store.get_or_make("SECRET_KEY", lambda: secrets.token_urlsafe(48))
    if not is_given(given, "ENCRYPTION_KEYS"):
        key = secrets_store.get_or_make("ENCRYPTION_KEYS", lambda: Fernet.generate_key().decode())
        environment["ENCRYPTION_KEYS"] = key
    environment |= {
        "DATA_DIR": str(data_dir),
        "DJANGO_SETTINGS_MODULE": "bubblyphone.settings",
        "PYTHONUNBUFFERED": "1",
    }
    return environment


def exchange_environment(port: int, secrets_store: SecretsStore, carrier: str = "") -> dict[str, str]:
    """Credentials and addresses of the built-in exchange, under the names of the carriers whose protocols it speaks.

    Keys are raw Ed25519 bytes in base64, as Telnyx shows its public key. `port` is the platform's. With `carrier`
    "twilio", its account for Twilio's protocol is the installation's; otherwise developers can add it as their own.
    """
    url = f"http://127.0.0.1:{keep_port(secrets_store, 'EXCHANGE_PORT')}"
    private_key = secrets_store.get_or_make(
        "EXCHANGE_PRIVATE_KEY", lambda: base64.b64encode(secrets.token_bytes(32)).decode()
    )
    public_key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(private_key)).public_key()
    account_sid = secrets_store.get_or_make("EXCHANGE_TWILIO_ACCOUNT_SID", lambda: f"AC{secrets.token_hex(16)}")
    auth_token = secrets_store.get_or_make("EXCHANGE_TWILIO_AUTH_TOKEN", lambda: secrets.token_hex(16))
    is_twilio = carrier.strip().lower() == "twilio"
    return {
        "EXCHANGE_TWILIO_ACCOUNT_SID": account_sid,
        "EXCHANGE_TWILIO_AUTH_TOKEN": auth_token,
        "TWILIO_ACCOUNT_SID": account_sid if is_twilio else "",
        "TWILIO_AUTH_TOKEN": auth_token if is_twilio else "",
        "TWILIO_BASE_URL": url,
        "EXCHANGE_URL": url,
        "EXCHANGE_PRIVATE_KEY": private_key,
        "EXCHANGE_WEBHOOK_URL": f"http://127.0.0.1:{port}/webhooks/telnyx",
        "TELNYX_API_KEY": secrets_store.get_or_make("EXCHANGE_API_KEY", lambda: f"KEY{secrets.token_hex(24)}"),
        "TELNYX_PUBLIC_KEY": base64.b64encode(public_key.public_bytes_raw()).decode(),
        "TELNYX_BASE_URL": f"{url}/v2",
        "TELNYX_CONNECTION_ID": "exchange",
    }


def store_environment(data_dir: Path, environment: Mapping[str, str]) -> None:
    """Store the processes' environment for `manage.py` commands, with mode 600."""
    names = [name for name in environment if name in KEPT_NAMES or name.startswith(KEPT_PREFIXES)]
    path = data_dir / ENVIRONMENT_FILE
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump({name: environment[name] for name in sorted(names)}, file, indent=2)


def adopt_environment() -> None:
    """Use the environment of the `make run` in DATA_DIR, and its .env file, for variables that are not set.

    Only without a SECRET_KEY: an installation configured by its environment stays unchanged.
    """
    if is_given(os.environ, "SECRET_KEY"):
        return
    given = add_env_file(os.environ, PROJECT / ".env")
    data_dir = Path(given.get("DATA_DIR", "").strip() or PROJECT / "var").resolve()
    try:
        stored = parse_stored_json((data_dir / ENVIRONMENT_FILE).read_text())
    except (OSError, ValueError):
        return  # nothing is running there; the settings report what is missing
    os.environ.update({**given, **stored} | os.environ)
