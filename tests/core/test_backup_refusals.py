"""Files that `manage.py restore` refuses although their checksums are correct, and two backups to one file. Uses no database."""

import fcntl
import io
import json
import tarfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

STATED = {
    "format": 1, "version": "1.0.0", "created_at": "2026-01-01T00:00:00+00:00", "migrations": {},
    "encryption_key_fingerprints": [], "rows": {}, "files": None,
}  # fmt: skip
DUMP = ("database/000001.sql.gz", b"x")


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def sparse(name: str) -> tarfile.TarInfo:
    """A terabyte in a tar member without content (GNU tar's PAX format 1.0)."""
    member = tarfile.TarInfo(name)
    member.size = 512
    member.pax_headers = {
        "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": name, "GNU.sparse.realsize": str(10**12),
    }  # fmt: skip
    return member


def make_backup(path: Path, *members: Any, manifest: Any = None) -> None:
    """A tar with correct checksums, and a manifest with them unless one is given."""
    lines = b""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:

        def add(name: str, content: bytes) -> None:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))

        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member, io.BytesIO(b"0\n".ljust(member.size)))
            else:
                add(*member)
                lines += f"{sha256(member[1]).hexdigest()}  {member[0]}\n".encode()
        add("checksums.sha256", lines)
        about = {**STATED, "checksums_sha256": sha256(lines).hexdigest()} if manifest is None else manifest
        if isinstance(about, dict):
            about = {**about, "manifest_sha256": sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()}
        add("manifest.json", json.dumps(about).encode())


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ((DUMP, ("recordings/../../escaped.wav", b"x")), "is not a valid file name"),
        ((DUMP, ("recordings//tmp/escaped.wav", b"x")), "is not a valid file name"),
        ((DUMP, ("recordings/", b"x")), "is not a valid file name"),
        ((DUMP, ("/recordings/escaped.wav", b"x")), "is not a file that this version can restore"),
        ((DUMP, ("secrets.json", b"x")), "is not a file that this version can restore"),
        ((DUMP, ("static/script.js", b"x")), "is not a file that this version can restore"),
        ((DUMP, link("recordings/1.wav", "/etc/passwd")), "not an ordinary file"),
        ((DUMP, ("recordings/1.wav", b"x"), link("recordings/2.wav", "recordings/1.wav", tarfile.LNKTYPE)), "not an ordinary file"),
        ((DUMP, link("recordings/1.wav", "", tarfile.FIFOTYPE)), "not an ordinary file"),
        ((DUMP, sparse("recordings/1.wav")), "not an ordinary file"),
        ((("recordings/1.wav", b"x"),), "has no database"),
        ((("database/000002.sql.gz", b"x"), DUMP), "is not a file that this version can restore"),
        ((DUMP, ("manifest.json", b"{}")), "follows the manifest"),
    ],
)  # fmt: skip
def test_an_invalid_member_is_refused_before_anything_changes(
    tmp_path: Path, settings: Any, members: Any, reason: str
) -> None:
    settings.DATA_DIR = tmp_path / "data"
    make_backup(tmp_path / "made.tar", *members)
    with pytest.raises(CommandError, match=rf"^Nothing was changed\. .*{reason}"):
        call_command("restore", tmp_path / "made.tar", force=True, without_keys=True)
    assert [path.name for path in tmp_path.iterdir()] == ["made.tar"]


@pytest.mark.parametrize("manifest", [[], "text", 7, {}, {"format": 1}, {**STATED, "format": 2}])
def test_an_invalid_manifest_is_refused(tmp_path: Path, manifest: Any) -> None:
    make_backup(tmp_path / "made.tar", DUMP, manifest=manifest)
    with pytest.raises(CommandError, match=r"^Nothing was changed\. "):
        call_command("restore", tmp_path / "made.tar", force=True, without_keys=True)


def test_two_backups_cannot_write_to_one_file(tmp_path: Path) -> None:
    whole, unfinished = tmp_path / "backup.tar", tmp_path / "backup.tar.unfinished"
    whole.write_bytes(b"yesterday's")
    with unfinished.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(b"half of today's")
        file.flush()
        with pytest.raises(CommandError, match="Another backup is being written"):
            call_command("backup", str(whole))
        assert (whole.read_bytes(), unfinished.read_bytes()) == (b"yesterday's", b"half of today's")
    unfinished.unlink()
    unfinished.symlink_to(whole)
    with pytest.raises(CommandError, match="No backup was made"):
        call_command("backup", str(whole))
    assert whole.read_bytes() == b"yesterday's"
