"""The files in deploy/ and next to it are consistent with each other and with the code. Building the image takes too long for a test."""

import configparser
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bubblyphone import env
from bubblyphone.server.request_handler import MONITORED_PATHS

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
ROLES = {"web", "media", "clock", "worker", "exchange", "prepare"}
COMPOSE = {name: yaml.safe_load((ROOT / name).read_text()) for name in ("compose.yaml", "compose.demo.yaml")}
OURS = [
    pytest.param(service, id=f"{file}:{name}")
    for file, compose in COMPOSE.items()
    for name, service in compose["services"].items()
    if "build" in service
]
# Default variables of our containers. deploy/production.env overrides them, and a service's own variables override both.
DEFAULTS = dict(
    line.split("=", 1)
    for line in (DEPLOY / "compose/defaults.env").read_text().splitlines()
    if line and not line.startswith("#")
)
NAMES = {variable.name: variable for section in env.DECLARED.values() for variable in section}
# Variables in these files that are not settings of an installation.
OTHERS = {"PATH", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "DJANGO_SETTINGS_MODULE", "WEB_URL"}


def is_known(name: str) -> bool:
    secret = NAMES.get(name.removesuffix("_FILE"))
    return name in NAMES or name in OTHERS or (name.endswith("_FILE") and secret is not None and secret.is_secret)


def entrypoint_roles() -> set[str]:
    cases = re.findall(r"^    ([a-z |]+)\) exec", (DEPLOY / "entrypoint").read_text(), re.M)
    return {role for case in cases for role in case.split(" | ")}


def test_the_image_has_every_role_and_compose_runs_all_but_the_exchange() -> None:
    assert entrypoint_roles() == ROLES | {"demo"}
    run = {
        name: service["command"] for name, service in COMPOSE["compose.yaml"]["services"].items() if "build" in service
    }
    assert run == {role: [role] for role in ROLES - {"exchange"}}
    assert [each["command"] for each in COMPOSE["compose.demo.yaml"]["services"].values()] == [["demo"]]


@pytest.mark.parametrize("service", OURS)
def test_a_container_is_sandboxed_and_has_a_health_check(service: dict[str, Any]) -> None:
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["security_opt"] == ["no-new-privileges:true"]
    role = service["command"][0]
    if role != "prepare":
        assert service["healthcheck"]["test"] == ["CMD", "/app/deploy/healthcheck", role]
        assert {"memory", "pids"} <= service["deploy"]["resources"]["limits"].keys()
    assert [name for name in service["environment"] if not is_known(name)] == []


def test_secrets_come_from_generated_files_and_are_never_committed(tmp_path: Path) -> None:
    compose = COMPOSE["compose.yaml"]
    script = tmp_path / "deploy/make-secrets"
    script.parent.mkdir()
    script.write_text((DEPLOY / "make-secrets").read_text())
    subprocess.run(["sh", script], check=True, capture_output=True)
    folder = tmp_path / "deploy/secrets"
    made = {f"deploy/secrets/{path.name}": path.read_text() for path in folder.iterdir()}
    assert {secret["file"] for secret in compose["secrets"].values()} == made.keys()
    assert folder.stat().st_mode & 0o077 == 0
    assert made["deploy/secrets/postgres_password"] in made["deploy/secrets/database_url"]
    assert made["deploy/secrets/valkey_password"] in made["deploy/secrets/redis_url"]
    assert re.fullmatch(r"[\w-]{43}=", made["deploy/secrets/encryption_keys"])
    subprocess.run(["sh", script], check=True, capture_output=True)
    assert {f"deploy/secrets/{path.name}": path.read_text() for path in folder.iterdir()} == made

    for name, service in compose["services"].items():
        for secret in service.get("secrets", []):
            assert secret in compose["secrets"], name
        for variable, value in (service.get("environment", {}) | (DEFAULTS if "build" in service else {})).items():
            if variable.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"], variable
            elif variable in NAMES:
                assert not NAMES[variable].is_secret, variable
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {".git", ".env", ".env.*", "var", "deploy/secrets", "deploy/production.env"} <= {*ignored}
    assert {".env", "deploy/secrets/", "deploy/production.env"} <= {*(ROOT / ".gitignore").read_text().splitlines()}


def test_an_operator_s_settings_reach_every_role() -> None:
    """All except the variables that containers and units set themselves, which production.md lists."""
    files = ["deploy/compose/defaults.env", {"path": "deploy/production.env", "required": False}]
    of_containers = {"PUBLIC_URL", "HOST", "PORT", "DATA_DIR"}
    for service in COMPOSE["compose.yaml"]["services"].values():
        if "build" in service:
            assert (service["env_file"], {*service["environment"]}) == (files, of_containers)
    assert [name for name in DEFAULTS if not is_known(name)] == []

    common = (DEPLOY / "systemd/bubblyphone-.service.d/common.conf").read_text()
    assert re.findall(r"^EnvironmentFile=(.*)", common, re.M) == ["/etc/bubblyphone/environment"]
    of_units = set()
    for path in (DEPLOY / "systemd").glob("*.service"):
        assert path.name.startswith("bubblyphone-")  # so that common.conf applies to it
        of_units |= {*re.findall(r"(\w+)=", unit(path.name).get("Environment", ""))}
    containers, units = re.findall(r"^Leave out (.*?)[:.]", (ROOT / "docs/production.md").read_text(), re.M)
    assert {*re.findall(r"`(\w+)`", containers)} == of_containers | {"MEDIA_NODE", "MEDIA_STREAM_URL"}
    assert {*re.findall(r"`(\w+)`", units)} == of_units | {"DATA_DIR", "MEDIA_STREAM_URL"}


def unit(name: str) -> configparser.SectionProxy:
    return parsed(DEPLOY / "systemd" / name)["Service"]


def parsed(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.read_string(path.read_text())
    return parser


def test_the_units_run_the_same_commands_as_the_image() -> None:
    entrypoint = (DEPLOY / "entrypoint").read_text()
    for path in (DEPLOY / "systemd").glob("*.service"):
        role = re.sub(r"bubblyphone-|@|\.service", "", path.name)
        command = unit(path.name)["ExecStart"].removeprefix("/opt/bubblyphone/.venv/bin/python ")
        assert role in ROLES
        assert (
            f"exec python {command}".replace(f" {role}", ' "$1"') in entrypoint
            or f"exec python {command} ;;" in entrypoint
        )
    roles = re.findall(r"bubblyphone-(\w+)(?:@\d+)?\.service", (DEPLOY / "systemd/bubblyphone.target").read_text())
    assert {*roles} == ROLES - {"exchange", "prepare"}
    common = (DEPLOY / "systemd/bubblyphone-.service.d/common.conf").read_text()
    names = re.findall(r"([A-Z_]+)=", " ".join(re.findall(r"^Environment=(.*)", common, re.M)))
    assert [name for name in names if not is_known(name)] == []


def test_calls_go_before_all_other_work() -> None:
    weights = {path.name: unit(path.name).get("CPUWeight") for path in (DEPLOY / "systemd").glob("*.service")}
    assert {name: weight for name, weight in weights.items() if weight} == {"bubblyphone-media@.service": "1000"}
    shares = {name: service.get("cpu_shares") for name, service in COMPOSE["compose.yaml"]["services"].items()}
    assert {name: share for name, share in shares.items() if share} == {"media": 8192}


def test_only_media_processes_may_have_a_real_time_priority() -> None:
    """Services without a limit have one of 0, so only root could take such a priority."""
    limits = {path.name: unit(path.name).get("LimitRTPRIO") for path in (DEPLOY / "systemd").glob("*.service")}
    assert {name: limit for name, limit in limits.items() if limit} == {"bubblyphone-media@.service": "1"}
    # In the file that all units share, it would forbid what the media unit's limit allows.
    assert "RestrictRealtime" not in (DEPLOY / "systemd/bubblyphone-.service.d/common.conf").read_text()
    assert {name: unit(name).get("RestrictRealtime") for name in limits} == {
        "bubblyphone-clock.service": "yes",
        "bubblyphone-media@.service": None,
        "bubblyphone-prepare.service": "yes",
        "bubblyphone-web@.service": "yes",
        "bubblyphone-worker.service": "yes",
    }
    services = COMPOSE["compose.yaml"]["services"]
    assert {name: service["ulimits"] for name, service in services.items() if "ulimits" in service} == {
        "media": {"rtprio": 1}
    }


def test_a_management_command_has_the_environment_of_the_units(tmp_path: Path) -> None:
    """Even values that a shell would interpret."""
    file = tmp_path / "environment"
    file.write_text(
        "# DATABASE_URL=no\n\nDATABASE_URL=postgresql://u:p$1@h/d?sslmode=require&connect_timeout=5\n"
        "STORAGE_URL=\"s3://k:s@h/b c;#d\"\nMAIL='`id` $(id)'\nLAST=a=b"
    )
    script = tmp_path / "deploy/manage"
    python, runuser = tmp_path / ".venv/bin/python", tmp_path / "bin/runuser"
    for path, text in (
        (script, (DEPLOY / "manage").read_text().replace("/etc/bubblyphone/environment", str(file))),
        (python, '#!/bin/sh\nprintf "%s|" "$DATABASE_URL" "$STORAGE_URL" "$MAIL" "$LAST" "$DATA_DIR" "$*"\n'),
        (runuser, '#!/bin/sh\nshift 3\nexec "$@"\n'),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    result = subprocess.run(
        ["sh", script, "backup", "a b"], check=True, capture_output=True, text=True,
        env={"PATH": f"{runuser.parent}:/usr/bin:/bin"},
    ).stdout  # fmt: skip
    assert result.split("|") == [
        "postgresql://u:p$1@h/d?sslmode=require&connect_timeout=5", "s3://k:s@h/b c;#d", "`id` $(id)", "a=b",
        "/var/lib/bubblyphone", "manage.py backup a b", "",
    ]  # fmt: skip


def test_the_proxies_route_to_media_processes_by_name() -> None:
    host = (DEPLOY / "Caddyfile").read_text()
    pattern = re.search(r"path_regexp node (\S+)", host)
    assert pattern is not None
    name = "/media/" + re.findall(r"MEDIA_NODE=(\S+)", unit("bubblyphone-media@.service")["Environment"])[0]
    match = re.match(pattern[1], f"{name.replace('%i', '8101')}/{'0a' * 32}")
    assert match is not None
    assert match[1] == "8101"
    assert (
        re.match(pattern[1], f"/media/media-8001/{'0a' * 32}") is None
    )  # other ports of this machine must stay unreachable

    container = re.search(r"path_regexp node (\S+)", (DEPLOY / "compose/Caddyfile").read_text())
    assert container is not None
    assert re.match(container[1], f"/media/0123456789ab/{'0a' * 32}") is not None
    assert re.match(container[1], f"/media/postgres/{'0a' * 32}") is None


def test_haproxy_routes_to_each_media_process_by_name() -> None:
    config = (DEPLOY / "haproxy.cfg").read_text()
    servers = re.findall(r"^\tserver (media-\S+)", config, re.M)
    rules = re.findall(r"use-server (\S+) if { path_beg /media/(\S+)/ }", config)
    assert rules == [(name, name) for name in servers]
    web, media = re.findall(r"^backend .*\n(?:\t.*\n)*", config, re.M)
    assert re.findall(r"^\tserver (web-.*)$", media, re.M) == [
        f"{server} backup" for server in re.findall(r"^\tserver (web-.*)$", web, re.M)
    ]
    assert {"/sandbox/ws/", "/phone/ws"} <= {*re.search(r"use_backend media if (.*)", config)[1].split()}  # type: ignore[index]


def test_the_health_check_reports_an_unreachable_role() -> None:
    source = (DEPLOY / "healthcheck").read_text()
    assert re.findall(r'"(/\w+z)"', source)
    assert {*re.findall(r'"(/\w+z)"', source)} == MONITORED_PATHS & {"/healthz", "/readyz"}
    for role in ("web", "clock", "exchange"):
        result = subprocess.run(
            [sys.executable, DEPLOY / "healthcheck", role],
            env={"PORT": "1", "WEB_URL": "http://127.0.0.1:1", "EXCHANGE_URL": "http://127.0.0.1:1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (result.returncode, result.stderr.partition(":")[0]) == (1, "ConnectionRefusedError")
