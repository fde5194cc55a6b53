"""Run by test_backup.py in separate installations, each with its own database and DATA_DIR. The last line of output is JSON."""

import json
import sys
from collections.abc import Callable
from decimal import Decimal
from hashlib import sha256
from io import StringIO
from pathlib import Path
from typing import Any

import django

django.setup()

from django.apps import apps  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.files.base import ContentFile  # noqa: E402
from django.core.files.storage import storages  # noqa: E402
from django.core.management import CommandError, call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.utils import timezone  # noqa: E402

from agents.services import create_model_key  # noqa: E402
from billing import ledger, ledger_verification  # noqa: E402
from bubblyphone.core.crypto import decrypt  # noqa: E402
from calls.models import Recording  # noqa: E402
from tests.calls.rows import make_account, make_call, make_streaming_number  # noqa: E402
from tests.factories import make_developer  # noqa: E402

SOUND = bytes(range(256)) * 9000  # longer than a piece of either kind


def fill() -> None:
    """An account with a balance, a model key, and calls: one with a recording, one still being recorded, and one whose file is missing."""
    developer = make_account("12.34")
    create_model_key(developer=developer, provider="openai", label="Ours", api_key="sk-secret-of-the-account")
    number = make_streaming_number(developer)
    for name in ("calls/1.wav", "", "calls/3.wav"):
        call = make_call(number, timezone.now(), status="completed", ended_at=timezone.now(), settled_at=timezone.now())
        Recording.objects.create(call=call, maker="platform", name=name, status="ready" if name else "pending")
    storages["recordings"].save("calls/1.wav", ContentFile(SOUND))
    call.events.create(event_type="call.ended", source="system", metadata={"text": "é\\ \t\n'\"\u2028"})
    drafts = settings.DATA_DIR / "recordings-in-progress"
    drafts.mkdir()
    in_progress = Recording.objects.get(status="pending").call_id
    (drafts / f"{in_progress}.wav").write_bytes(b"RIFF, so far")
    ledger.test_credit(developer_id=developer.pk, amount=Decimal("0.000001"), key="test:small")


def state() -> dict[str, Any]:
    """A checksum of all rows per table, balances, and checksums of all files."""
    tables = {}
    with connection.cursor() as cursor:
        for name in sorted(connection.introspection.table_names()):
            cursor.execute(f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {name} t")  # noqa: S608
            tables[name] = cursor.fetchone()[0]
    accounts = apps.get_model("accounts", "Developer").objects.order_by("pk")
    kept = [
        path for folder in ("recordings", "recordings-in-progress") for path in (settings.DATA_DIR / folder).rglob("*")
    ]
    return {
        "tables": tables,
        "balances": {account.email: str(ledger.balance(account.pk)) for account in accounts},
        "files": {
            str(path.relative_to(settings.DATA_DIR)): sha256(path.read_bytes()).hexdigest()
            for path in kept
            if path.is_file()
        },
    }


def tried(*command: Any, **options: Any) -> list[str]:
    """What a command printed, or why it refused."""
    output = StringIO()
    try:
        call_command(*command, stderr=output, **options)
    except CommandError as error:
        return ["refused", str(error)]
    return ["done", output.getvalue()]


def source(folder: Path) -> dict[str, Any]:
    fill()
    message = tried("backup", str(folder / "whole.tar"))
    return {"said": message, "state": state(), "left": sorted(path.name for path in folder.iterdir())}


def target(folder: Path) -> dict[str, Any]:
    """Try every backup that must be refused, with what changed. Then restore."""
    empty = state()
    refused = {}
    for path in sorted(folder.glob("*.tar")):
        if path.name != "whole.tar":
            refused[path.name] = [*tried("restore", path), state() == empty]
    keys, settings.ENCRYPTION_KEYS = settings.ENCRYPTION_KEYS, settings.ENCRYPTION_KEYS[:1]
    refused["key"] = [*tried("restore", folder / "whole.tar"), state() == empty]
    settings.ENCRYPTION_KEYS = keys
    checked = [*tried("restore", folder / "whole.tar", check=True), state() == empty]
    message = tried("restore", folder / "whole.tar")
    restored = state()
    again = [*tried("restore", folder / "whole.tar"), state() == restored]
    (settings.DATA_DIR / "recordings" / "calls" / "1.wav").write_bytes(b"altered")
    make_developer(email="registered-since@example.com")
    forced = tried("restore", folder / "whole.tar", force=True)
    return {
        "refused": refused,
        "checked": checked,
        "said": message,
        "state": restored,
        "again": again,
        "forced": forced,
        "forced_state": state(),
        "key": decrypt(apps.get_model("agents", "ModelKey").objects.get().encrypted),
        "ledger": ledger_verification.find_problems(),
    }


if __name__ == "__main__":
    parts: dict[str, Callable[[Path], dict[str, Any]]] = {"source": source, "target": target}
    print(json.dumps(parts[sys.argv[1]](Path(sys.argv[2]))))  # noqa: T201
