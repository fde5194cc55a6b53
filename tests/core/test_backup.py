"""`manage.py backup` and `restore` between two installations on a real PostgreSQL. Damaged or incompatible backups change nothing."""

import json
import os
import re
import subprocess
import sys
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from bubblyphone.version import VERSION
from tests import databases

PROJECT = Path(__file__).resolve().parents[2]
OLD_KEY, NEW_KEY = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def run(part: str, folder: Path, data_dir: Path, keys: str) -> dict[str, Any]:
    """Run a part of backup_script.py in a new installation with a migrated, empty database."""
    data_dir.mkdir()
    environment = {
        **os.environ,
        **databases.SETTINGS,
        "DATABASE_URL": databases.make_copy(databases.template()),
        "DATA_DIR": str(data_dir),
        "ENCRYPTION_KEYS": keys,
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.core.backup_script", part, str(folder)],
        cwd=PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def altered(path: Path, at: int, name: str) -> None:
    """Write a copy with one bit flipped."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.with_name(name).write_bytes(data)


def with_manifest(path: Path, name: str, **changes: Any) -> None:
    """Write an intact copy with a changed manifest."""
    with tarfile.open(path) as old, tarfile.open(path.with_name(name), "w") as new:
        for member in old:
            file = old.extractfile(member)
            assert file is not None
            if member.name != "manifest.json":
                new.addfile(member, file)
                continue
            manifest = {**json.loads(file.read()), **changes}
            manifest.pop("manifest_sha256")
            manifest["manifest_sha256"] = sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
            beside = path.with_name("manifest.json")
            beside.write_text(json.dumps(manifest))
            new.add(beside, "manifest.json")
            beside.unlink()


@pytest.mark.slow
def test_an_installation_is_restored_byte_for_byte(tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    source = run("source", folder, tmp_path / "source", f"{NEW_KEY},{OLD_KEY}")
    whole = folder / "whole.tar"
    assert source["left"] == ["whole.tar"]
    assert whole.stat().st_mode & 0o777 == 0o600
    fingerprints = [sha256(key.encode()).hexdigest()[:16] for key in (NEW_KEY, OLD_KEY)]
    assert source["said"][0] == "done"
    assert re.search(
        rf"^Version {re.escape(VERSION)}, .+\nRows: 1 Developer, .*3 Call.*\n"
        rf"Files: 2 \([\d,]+ bytes\), 1 missing\nEncryption keys: {', '.join(fingerprints)}$",
        source["said"][1],
        re.MULTILINE,
    )
    content = whole.read_bytes()
    assert not any(secret.encode() in content for secret in (OLD_KEY, NEW_KEY, os.environ["DATABASE_URL"], "sk-secret"))
    subprocess.run(["tar", "-xf", whole, "-C", tmp_path], check=True)
    subprocess.run(["sha256sum", "--quiet", "-c", "checksums.sha256"], cwd=tmp_path, check=True)

    with tarfile.open(whole) as tar:
        places = {member.name: (member.offset, member.offset_data) for member in tar}
    for name in ("database/000001.sql.gz", "recordings/calls/1.wav", "checksums.sha256", "manifest.json"):
        altered(whole, places[name][1] + 20, f"altered {name.replace('/', ' ')}.tar")
    altered(whole, places["recordings/calls/1.wav"][0] + 3, "altered header.tar")
    (folder / "cut.tar").write_bytes(content[:-12_000])
    (folder / "cut between.tar").write_bytes(content[: places["manifest.json"][0]])
    (folder / "empty.tar").write_bytes(b"")
    with_manifest(whole, "newer.tar", migrations={"calls": "9999_later"}, version="99.0")
    with_manifest(whole, "format.tar", format=2)

    target = run("target", folder, tmp_path / "target", f"{NEW_KEY},{OLD_KEY}")
    for name, (outcome, reason, is_unchanged) in target["refused"].items():
        assert (outcome, is_unchanged) == ("refused", True), name
        assert reason.startswith("Nothing was changed. "), name
    reasons = {name: reason for name, (_, reason, _) in target["refused"].items()}
    assert len(reasons) == 11
    assert {name: "is damaged" in reason for name, reason in reasons.items() if name.startswith("altered")} == {
        "altered database 000001.sql.gz.tar": True,
        "altered recordings calls 1.wav.tar": True,
        "altered checksums.sha256.tar": True,
        "altered manifest.json.tar": True,
        "altered header.tar": False,  # to tar, this looks like the end of the archive
    }
    assert "incomplete" in reasons["altered header.tar"]
    assert "incomplete" in reasons["cut.tar"]
    assert "incomplete: it has no manifest" in reasons["cut between.tar"]
    assert "does not know calls.9999_later. Install the backup's version" in reasons["newer.tar"]
    assert "has format 2" in reasons["format.tar"]
    assert fingerprints[1] in reasons["key"]
    assert fingerprints[0] not in reasons["key"]
    assert (target["checked"][0], target["checked"][2]) == ("done", True)

    assert target["said"][0] == "done", target["said"]
    assert target["said"][1].endswith("Restored. Start the services.\n")
    assert target["state"] == source["state"]
    assert source["state"]["balances"].popitem()[1] == "12.340001"
    assert len(source["state"]["files"]) == 2
    assert target["key"] == "sk-secret-of-the-account"
    assert target["ledger"] == []
    assert (target["again"][0], target["again"][2]) == ("refused", True)
    assert "repeat with --force" in target["again"][1]
    assert target["forced"][0] == "done", target["forced"]
    assert target["forced_state"] == target["state"]


@pytest.mark.django_db
def test_a_failed_backup_leaves_no_files(tmp_path: Path) -> None:
    from django.core.management import CommandError, call_command

    with pytest.raises(CommandError, match="No backup was made"):
        call_command("backup", str(tmp_path / "nowhere" / "backup.tar"))
    assert list(tmp_path.iterdir()) == []
