"""The environment that the supervisor creates for the platform. Values from the user take precedence."""

import re
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from bubblyphone import write_environment_docs
from bubblyphone.env import DECLARED, env_secret
from bubblyphone.services import environment
from bubblyphone.services.environment import (
    PROJECT,
    add_env_file,
    base_environment,
    exchange_environment,
    read_env_file,
)
from bubblyphone.services.secrets_store import SecretsStore


@pytest.fixture
def secrets_store(tmp_path: Path) -> SecretsStore:
    return SecretsStore(tmp_path / "secrets.json")


def test_missing_values_are_generated_and_kept(tmp_path: Path, secrets_store: SecretsStore) -> None:
    made = base_environment({}, tmp_path, secrets_store)
    assert (made["PORT"], made["HOST"], made["PUBLIC_URL"]) == ("8000", "127.0.0.1", "http://localhost:8000")
    assert (made["DEMO"], made["ALLOW_PRIVATE_WEBHOOKS"], made["DATA_DIR"]) == ("1", "1", str(tmp_path))
    Fernet(made["ENCRYPTION_KEYS"])
    assert base_environment({}, tmp_path, SecretsStore(secrets_store.path)) == made


def test_a_value_overrides_a_secret_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").write_text("from the file\n")
    monkeypatch.setenv("GROQ_API_KEY_FILE", str(tmp_path / "key"))
    assert env_secret("GROQ_API_KEY") == "from the file"
    monkeypatch.setenv("GROQ_API_KEY", " ")
    assert env_secret("GROQ_API_KEY") == "from the file"
    monkeypatch.setenv("GROQ_API_KEY", "given")
    assert env_secret("GROQ_API_KEY") == "given"


def test_values_from_the_user_take_precedence(tmp_path: Path, secrets_store: SecretsStore) -> None:
    given = {
        "DEMO": "0",
        "ALLOW_PRIVATE_WEBHOOKS": "0",
        "SECRET_KEY": "mine",
        "PUBLIC_URL": "https://a.example",
        "PORT": "9",
    }
    made = base_environment(given, tmp_path, secrets_store)
    assert {name: made[name] for name in given} == given
    assert made["HOST"] == "0.0.0.0"  # noqa: S104
    assert secrets_store.get("SECRET_KEY") is None


def test_a_secret_in_a_file_is_not_generated(tmp_path: Path, secrets_store: SecretsStore) -> None:
    assert "SECRET_KEY" not in base_environment({"SECRET_KEY_FILE": "/run/secrets/key"}, tmp_path, secrets_store)


def test_the_exchange_keeps_its_credentials(secrets_store: SecretsStore) -> None:
    made = exchange_environment(8000, secrets_store)
    assert made == exchange_environment(8000, SecretsStore(secrets_store.path))
    assert made["TELNYX_BASE_URL"] == f"{made['EXCHANGE_URL']}/v2"
    assert made["EXCHANGE_WEBHOOK_URL"] == "http://127.0.0.1:8000/webhooks/telnyx"
    assert made["TWILIO_ACCOUNT_SID"] == ""
    over_twilio = exchange_environment(8000, secrets_store, "twilio")
    assert over_twilio["TWILIO_BASE_URL"] == made["EXCHANGE_URL"]
    assert over_twilio["TWILIO_ACCOUNT_SID"] == made["EXCHANGE_TWILIO_ACCOUNT_SID"]
    assert over_twilio["TWILIO_AUTH_TOKEN"] == made["EXCHANGE_TWILIO_AUTH_TOKEN"]


def test_an_env_file_is_parsed_like_in_a_shell(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("# a comment\n\nPORT=8001\nexport GEMINI_API_KEY='a=b'\nEMPTY=\n")
    assert read_env_file(path) == {"PORT": "8001", "GEMINI_API_KEY": "a=b", "EMPTY": ""}
    assert read_env_file(tmp_path / "absent") == {}


def test_the_environment_overrides_an_env_file(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("PORT=8001\nSECRET_KEY=of-the-file\nGEMINI_API_KEY=of-the-file\n")
    environment = {"PORT": "8002", "SECRET_KEY_FILE": "/run/secrets/key", "GEMINI_API_KEY_FILE": ""}
    assert add_env_file(environment, path) == environment | {"GEMINI_API_KEY": "of-the-file"}


def test_commands_use_the_environment_of_the_running_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "PROJECT", tmp_path)
    monkeypatch.setattr(environment.os, "environ", {"LOG_LEVEL": "DEBUG"})
    (tmp_path / ".env").write_text("DATA_DIR=elsewhere\nPORT=8002\nGROQ_API_KEY=gsk\nLOG_LEVEL=ERROR\n")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    environment.store_environment(tmp_path / "elsewhere", {"SECRET_KEY": "made", "PORT": "8001", "PATH": "/bin"})
    environment.adopt_environment()
    assert environment.os.environ == {
        "LOG_LEVEL": "DEBUG", "DATA_DIR": "elsewhere", "PORT": "8001", "GROQ_API_KEY": "gsk", "SECRET_KEY": "made",
    }  # fmt: skip


def test_every_variable_is_on_the_settings_page_and_in_the_example_file() -> None:
    names = [variable.name for variables in DECLARED.values() for variable in variables]
    read = re.findall(r'env_[a-z]+\(\s*"([A-Z_]+)"', (PROJECT / "bubblyphone/environment_variables.py").read_text())
    # The supervisor passes EXCHANGE_URL to the platform. Nobody else sets it.
    assert [name for name in read if name != "EXCHANGE_URL"] == names
    assert re.findall(r"^\| `([A-Z_]+)`", write_environment_docs.page(), re.MULTILINE) == names
    assert re.findall(r"^# ([A-Z_]+)=", write_environment_docs.example(), re.MULTILINE) == names
    assert all(variable.purpose.endswith((".", ")")) for variables in DECLARED.values() for variable in variables)


def test_an_outdated_settings_page_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(write_environment_docs, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    assert write_environment_docs.main(["--check"]) == 1
    assert capsys.readouterr().err == "docs/environment-variables.md is out of date: run `make docs`.\n"
    assert write_environment_docs.main([]) == 0
    assert write_environment_docs.main(["--check"]) == 0
    (tmp_path / ".env.example").write_text("# PORT=8000\n")
    assert write_environment_docs.main(["--check"]) == 1
