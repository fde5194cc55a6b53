"""The export: all data of an account in one file, and none of another account."""

import io
import json
import zipfile
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connections
from django.test import AsyncClient
from django.utils import timezone

from accounts import account_export
from accounts.extension_points import EXPORT_TABLES
from accounts.models import Developer
from agents.secrets import create_secret
from agents.services import create_model_key, save_draft
from billing import caps
from billing.models import AllowedPrefix
from bubblyphone.core.files.streamed_zip import PIECE_BYTES, StreamedArchive
from calls.control import scheduled_calls
from calls.models import CallEvent, Recording, TranscriptEntry, Transfer
from calls.policy import services as policies
from phone_numbers.models import Verification, VerificationDocument
from tests.calls.conftest import recordings_folder
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import make_agent, make_api_key, make_carrier_account, make_endpoint
from tests.phone_numbers.conftest import documents
from webhooks.outbox import Address, publish

__all__ = ["documents", "recordings_folder"]
pytestmark = pytest.mark.usefixtures("empty_redis", "recordings_folder", "documents")
SOUND = b"RIFF" + bytes(range(256)) * 2_000


def make_full_account(mark: str) -> tuple[Developer, str]:
    """An account with one of everything, with the marker in all its texts, and its API key."""
    developer = make_account()
    Developer.objects.filter(pk=developer.pk).update(name=mark)
    agent = make_agent(developer=developer, name=f"Agent {mark}")
    number = make_streaming_number(developer, agent=agent, label=mark)
    began = timezone.now() - timedelta(hours=1)
    call = make_call(number, began, status="completed", ended_at=timezone.now(), settled_at=timezone.now())
    TranscriptEntry.objects.create(call=call, role="user", text=f"I am {mark}.", spoken_at=began)
    CallEvent.objects.create(call=call, event_type="call.ended", source="system", metadata={"by": mark})
    name = storages["recordings"].save(f"calls/{call.pk}.wav", ContentFile(SOUND + mark.encode()))
    Recording.objects.create(call=call, status="ready", maker="platform", name=name, finished_at=timezone.now())
    publish(
        developer_id=developer.pk,
        subject=f"call:{call.pk}",
        event_type="call.hangup",
        payload={"event": "call.hangup", "who": mark},
        to=[Address("https://example.com/hook", number.signing_secret_id)],
    )
    verification = Verification.objects.create(developer=developer, country_code="GB", number_type="local")
    document = VerificationDocument(
        verification=verification, requirement_id="1", name=mark, content_type="application/pdf"
    )
    document.file.save("proof.pdf", ContentFile(b"%PDF-1" + mark.encode()))
    create_model_key(developer=developer, provider="openai", api_key=f"sk-proj-secret-{mark}", label=mark)
    create_secret(developer=developer, name=f"KEY_{mark}", value=f"secret-value-{mark}")
    save_draft(agent=agent, form=f"name=Draft+{mark}")
    policies.set_policy(developer=developer, changes={"allowed_countries": ["US"]})
    policies.add(developer_id=developer.pk, phone_number="+12025550123", source="api", reason=f"Asked {mark}.")
    caps.set_limits(developer=developer, changes={"daily_cap": Decimal(12)})
    AllowedPrefix.objects.bulk_create(AllowedPrefix(developer=developer, prefix=prefix) for prefix in ("1900", "1976"))
    Transfer.objects.create(
        call=call, key=f"transfer:{call.pk}", to_number="+12025550123", rate=0, briefing=f"This is {mark}."
    )
    scheduled_calls.schedule(
        developer=developer, number=number, to="+12025550199", agent=agent, variables={"who": mark},
        due_at=began + timedelta(days=1), time_zone="UTC",
    )  # fmt: skip
    developer.saved_views.create(name=mark, query="status=failed")
    make_endpoint(developer, f"https://example.com/{mark}", "call.report")
    make_carrier_account(developer, api_key=f"carrier-secret-{mark}")
    return Developer.objects.get(pk=developer.pk), make_api_key(developer, label=mark)[1]


def files_of(archive: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


@pytest.mark.django_db
def test_an_export_has_all_data_of_the_account_but_no_other_account_s_and_no_secrets() -> None:
    (developer, key), (_, other_key) = make_full_account("ADA"), make_full_account("EVE")
    files = files_of(b"".join(account_export.export(developer)))
    tables = {
        name: [json.loads(line) for line in content.splitlines()] for name, content in files.items() if "jsonl" in name
    }
    assert set(tables) == {f"{table.name}.jsonl" for table in EXPORT_TABLES} | {"missing.jsonl"}
    counts = {name.removesuffix(".jsonl"): len(rows) for name, rows in tables.items()}
    assert {name: count for name, count in counts.items() if count != 1} == {
        "allowed_prefixes": 2, "metered_costs": 0, "missing": 0, "recording_transcriptions": 0, "turns": 0,
    }  # fmt: skip
    call_id = tables["calls.jsonl"][0]["id"]
    assert tables["transcripts.jsonl"][0]["text"] == "I am ADA."
    assert tables["transcripts.jsonl"][0]["call_id"] == call_id
    assert files[f"recordings/{call_id}.wav"] == SOUND + b"ADA"
    assert files[tables["verifications.jsonl"][0]["documents"][0]["file"]] == b"%PDF-1ADA"
    assert tables["webhook_logs.jsonl"][0]["request_payload"] == {"event": "call.hangup", "who": "ADA"}
    (agent,), (version,) = tables["agents.jsonl"], tables["agent_versions.jsonl"]
    assert (agent["draft"], version["agent_id"], version["values"]["name"]) == (
        "name=Draft+ADA", agent["id"], "Agent ADA",
    )  # fmt: skip
    assert (version["version"], version["restored_version"]) == (1, None)
    assert {key: value for key, value in tables["secrets.jsonl"][0].items() if key not in {"id", "created_at"}} == {
        "name": "KEY_ADA"
    }
    assert tables["policy.jsonl"] == [
        {"allowed_countries": ["US"], "calling_hours": None, "max_calls_per_number_per_day": None}
    ]
    assert tables["do_not_call.jsonl"][0]["reason"] == "Asked ADA."
    assert tables["caps.jsonl"][0]["daily_cap"] == "12.00"
    assert [allowed["prefix"] for allowed in tables["allowed_prefixes.jsonl"]] == ["+1900", "+1976"]
    assert tables["transfers.jsonl"][0]["briefing"] == "This is ADA."
    assert tables["scheduled_calls.jsonl"][0]["dynamic_variables"] == {"who": "ADA"}
    assert tables["webhook_endpoints.jsonl"][0].keys() == {
        "id", "url", "events", "description", "enabled", "created_at", "deleted_at",
    }  # fmt: skip
    assert tables["webhook_endpoints.jsonl"][0]["url"] == "https://example.com/ADA"
    assert tables["carrier_accounts.jsonl"][0]["last_four"] == "eign"
    everything = b"".join(files.values())
    assert b"EVE" not in everything
    assert not [
        secret
        for secret in (key, other_key, "sk-proj-secret", "secret-value", "carrier-secret", "whsec_", developer.password)
        if secret.encode() in everything
    ]


@pytest.mark.django_db
def test_a_missing_file_is_listed(recordings_folder: Path) -> None:
    developer, _ = make_full_account("ADA")
    for path in (recordings_folder / "calls").iterdir():
        path.unlink()
    files = files_of(b"".join(account_export.export(developer)))
    call_id = json.loads(files["calls.jsonl"])["id"]
    assert json.loads(files["missing.jsonl"]) == {"file": f"recordings/{call_id}.wav"}


def test_an_archive_is_streamed_in_pieces() -> None:
    archive = StreamedArchive()
    pieces = [*archive.add_file("big.wav", io.BytesIO(bytes(20 * PIECE_BYTES))), *archive.end()]
    assert max(map(len, pieces)) < 2 * PIECE_BYTES
    assert files_of(b"".join(pieces)) == {"big.wav": bytes(20 * PIECE_BYTES)}


@pytest.mark.django_db(transaction=True)
async def test_the_link_on_the_page_downloads_it() -> None:
    developer, _ = await sync_to_async(make_full_account)("ADA")
    client = AsyncClient()
    assert (await client.get("/account/data/export"))["Location"].startswith("/login")  # type: ignore[index]
    await client.aforce_login(developer)
    answer: Any = await client.get("/account/data/export")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert answer["Content-Disposition"] == f'attachment; filename="bubblyphone-{timezone.now():%Y-%m-%d}.zip"'
    archive = b"".join([piece async for piece in answer.streaming_content])
    assert json.loads(files_of(archive)["account.jsonl"])["name"] == "ADA"
    await sync_to_async(connections.close_all)()
