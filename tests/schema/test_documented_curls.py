"""Runs the documented curl commands. Only host, keys, IDs and numbers are replaced."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accounts.models import Developer
from billing.ledger import test_credit as give_credit
from tests.schema.conftest import World

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
Run = Callable[..., dict[str, Any]]

ACCOUNT_COMMANDS = [
    ("""curl {BASE}/auth/me -H "Authorization: Bearer {KEY}\"""", {"id", "name", "email"}),
    (
        """curl -X POST {BASE}/model-keys -H "Authorization: Bearer {KEY}" -H "Content-Type: application/json" \\
        -d '{"provider":"openai","api_key":"sk-proj-abc123...","label":"Production OpenAI"}'""",
        {"id", "provider", "label", "last_four", "created_at"},
    ),
    (
        """curl "{BASE}/number-pricing?country=GB" -H "Authorization: Bearer {KEY}\"""",
        {"country_code", "number_type", "setup_cost", "monthly_cost", "currency"},
    ),
    (
        """curl {BASE}/models -H "Authorization: Bearer {KEY}\"""",
        {"slug", "provider", "display_name", "price_per_minute", "status"},
    ),
    (
        """curl -X PUT {BASE}/billing/auto-topup -H "Authorization: Bearer {KEY}" -H "Content-Type: application/json" \\
        -d '{"enabled":true,"threshold":5,"amount":25}'""",
        {"enabled", "threshold", "amount", "has_payment_method"},
    ),
    (
        """curl {BASE}/countries -H "Authorization: Bearer {KEY}\"""",
        {"country_code", "country_name", "number_type", "status"},
    ),
    (
        """curl "{BASE}/countries/GB/requirements?number_type=local" -H "Authorization: Bearer {KEY}\"""",
        {"id", "name", "type", "description", "example", "time_limit"},
    ),
    (
        """curl -X POST {BASE}/agents -H "Authorization: Bearer {KEY}" -H "Content-Type: application/json" -d '{
        "name": "Support Agent v1", "description": "Handles customer support calls",
        "model_slug": "gemini-3.1-flash-live-preview",
        "system_prompt": "You are a helpful customer support agent...", "voice": "Kore", "language": "en-US",
        "transfer_number": "+14155550100", "recording_enabled": true}'""",
        {"id", "developer_id", "name", "model_slug", "voice", "language", "phone_numbers_count", "created_at"},
    ),
    (
        """curl -X POST {BASE}/agents -H "Authorization: Bearer {KEY}" -H "Content-Type: application/json" -d '{
        "name": "Sales Agent", "model_slug": "gemini-3.1-flash-live-preview",
        "system_prompt": "You are a friendly sales rep...",
        "analysis_schema": {
          "qualified_lead": {"type": "boolean", "description": "Did the caller express clear interest in purchasing?"},
          "budget": {"type": "number", "description": "What budget did the caller mention? Null if not mentioned."},
          "disposition": {"type": "selector", "description": "How the call ended",
                          "options": ["interested", "not_interested", "callback_requested", "wrong_number"]},
          "summary": {"type": "text", "description": "Brief 1-2 sentence summary of the call"}}}'""",
        {"id", "analysis_schema"},
    ),
    ("""curl {BASE}/agents -H "Authorization: Bearer {KEY}\"""", {"id", "name", "model_slug"}),
    ("""curl {BASE}/agents/{AGENT} -H "Authorization: Bearer {KEY}\"""", {"id", "name", "model_slug"}),
    (
        """curl -X PATCH {BASE}/agents/{AGENT} -H "Authorization: Bearer {KEY}" -H "Content-Type: application/json" \\
        -d '{"system_prompt": "You are a friendly support agent..."}'""",
        {"id", "system_prompt"},
    ),
    (
        """curl -X PATCH {BASE}/phone-numbers/{NUMBER} -H "Authorization: Bearer {KEY}" \\
        -H "Content-Type: application/json" -d '{
        "mode": "streaming", "model": "gemini-3.1-flash-live",
        "system_prompt": "You are a helpful receptionist for Acme Corp...", "voice": "Kore",
        "tools": [{"name": "check_availability", "description": "Check calendar availability",
                   "parameters": { "date": "string" }}],
        "tool_webhook_url": "https://yourapp.com/tools", "silence_timeout": 20}'""",
        {"id", "mode", "model", "tools", "silence_timeout"},
    ),
    (
        """curl -X PATCH {BASE}/phone-numbers/{NUMBER} -H "Authorization: Bearer {KEY}" -d '{"agent_id": {AGENT}}'""",
        {"id", "agent_id"},
    ),
    (
        """curl -X PATCH {BASE}/phone-numbers/{NUMBER} -H "Authorization: Bearer {KEY}" \\
        -H "Content-Type: application/json" -d '{
        "mode": "streaming", "model": "gemini-3.1-flash-live-preview",
        "system_prompt": "You are a friendly AI assistant. Greet callers and ask how you can help. Keep responses \
brief and conversational.",
        "voice": "Kore", "language": "en-US"}'""",
        {"id", "mode", "model", "system_prompt", "voice", "language"},
    ),
    (
        """curl -X PATCH {BASE}/phone-numbers/{NUMBER} -H "Authorization: Bearer {KEY}" \\
        -H "Content-Type: application/json" -d '{"voicemail_action": "ai_message"}'""",
        {"id", "voicemail_action"},
    ),
    (
        """curl -X POST {BASE}/calls -H "Authorization: Bearer {KEY}" -H "Content-Type: application/json" -d '{
        "from": "{FROM}", "to": "+12025551234", "mode": "streaming", "voicemail_action": "hangup",
        "system_prompt": "..."}'""",
        {"id", "from_number", "to_number", "mode", "model_slug", "started_at"},
    ),
    (
        """curl -X PATCH {BASE}/phone-numbers/{NUMBER} -H "Authorization: Bearer {KEY}" \\
        -d '{"transfer_number": "+12025559999"}'""",
        {"id", "transfer_number"},
    ),
    (
        """curl -X PATCH {BASE}/phone-numbers/{NUMBER} -H "Authorization: Bearer {KEY}" -d '{"realtime_transcript": true}'""",
        {"id", "realtime_transcript"},
    ),
    (
        """curl -X PATCH {BASE}/phone-numbers/{NUMBER} -H "Authorization: Bearer {KEY}" -d '{"recording_enabled": true}'""",
        {"id", "recording_enabled"},
    ),
    (
        """curl -X PATCH {BASE}/phone-numbers/{NUMBER} -H "Authorization: Bearer {KEY}" \\
        -d '{"transcription_enabled": true, "recording_enabled": true}'""",
        {"id", "transcription_enabled"},
    ),
    (
        """curl -X POST {BASE}/calls -H "Authorization: Bearer {KEY}" -d '{
        "from": "{FROM}", "to": "+12025551234", "mode": "streaming", "agent_id": {AGENT},
        "dynamic_variables": {"customer_name": "John"}}'""",
        {"id", "from", "to", "direction", "status"},
    ),
    (
        """curl -X POST {BASE}/calls -H "Authorization: Bearer {KEY}" -H "Content-Type: application/json" -d '{
        "from": "{FROM}", "to": "+12025551234", "mode": "streaming",
        "system_prompt": "You are calling {{customer_name}} to confirm their {{service}} appointment on {{date}} at {{time}}.",
        "greeting_message": "Start by greeting {{customer_name}} by name.",
        "dynamic_variables": {"customer_name": "John Smith", "service": "dental cleaning",
                              "date": "April 15", "time": "2pm"}}'""",
        {"id", "from_number", "to_number", "mode", "model_slug", "started_at"},
    ),
    (
        """curl -X POST {BASE}/sandbox/calls -H "Authorization: Bearer {KEY}" -H "Content-Type: application/json" \\
        -d '{"phone_number_id": {NUMBER}, "overrides": { "system_prompt": "You are a test assistant." }}'""",
        {"call_id", "ws_url", "model", "expires_in"},
    ),
    (
        """curl -X POST {BASE}/sandbox/demo -H "Authorization: Bearer {KEY}\"""",
        {"call_id", "ws_url", "model", "demos_remaining"},
    ),
]


@pytest.fixture
def run(world: World) -> Run:
    """Fill in the placeholders of a command and run it. Returns the response as JSON, which must not be an error."""

    def run(command: str, **places: Any) -> dict[str, Any]:
        places = {"BASE": f"{world.url}/api/v1", "KEY": world.key, "NUMBER": world.number.pk, **places}
        for name, value in places.items():
            command = command.replace(f"{{{name}}}", str(value))
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        done = subprocess.run(
            ["bash", "-c", command.replace("curl ", "curl -sS --fail-with-body ", 1)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        answer: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
        return answer

    return run


def first(answer: dict[str, Any]) -> dict[str, Any]:
    found = answer["data"]
    return found[0] if isinstance(found, list) else found


def test_commands_are_accepted_and_return_the_documented_keys(world: World, run: Run) -> None:
    places = {"AGENT": world.agent.pk, "FROM": world.number.e164}
    for command, keys in ACCOUNT_COMMANDS:
        answer = first(run(command, **places))
        assert keys <= answer.keys(), command
    run("""curl -X DELETE {BASE}/agents/{AGENT} -H "Authorization: Bearer {KEY}\"""", AGENT=world.spare_agent.pk)


def test_documents_can_be_uploaded_with_the_documented_command(run: Run, tmp_path: Path) -> None:
    requirements = run(
        """curl "{BASE}/countries/GB/requirements?number_type=local" -H "Authorization: Bearer {KEY}\""""
    )
    document = next(requirement for requirement in requirements["data"] if requirement["type"] == "document")
    (tmp_path / "utility-bill.pdf").write_bytes(b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n")
    answer = run(
        """curl -X POST {BASE}/countries/GB/verify -H "Authorization: Bearer {KEY}" -F "number_type=local" \\
        -F "documents[0][type]={TYPE}" -F "documents[0][file]=@{FILE}\"""",
        TYPE=document["id"],
        FILE=tmp_path / "utility-bill.pdf",
    )
    assert answer["data"].keys() == {"id", "country_code", "number_type", "status", "created_at"}
    assert answer["data"]["status"] == "pending"
    standing = run("""curl {BASE}/countries/GB/verification -H "Authorization: Bearer {KEY}\"""")
    assert standing["data"].keys() == {"country_code", "number_type", "status", "submitted_at", "reviewed_at"}


def test_the_documented_workflow_from_registration_to_a_call(run: Run) -> None:
    registered = run(
        """curl -X POST {BASE}/auth/register -H "Content-Type: application/json" \\
        -d '{"name":"Dev","email":"dev@example.com","password":"secret123","password_confirmation":"secret123"}'"""
    )
    assert (registered.keys(), registered["data"].keys()) == ({"data", "token"}, {"id", "name", "email"})
    session = registered["token"]
    made = run(
        """curl -X POST {BASE}/api-keys -H "Authorization: Bearer {SESSION_TOKEN}" -d '{"label":"Production"}'""",
        SESSION_TOKEN=session,
    )["data"]
    assert (made.keys(), made["key"][:11]) == ({"id", "label", "admin", "key", "created_at"}, "bp_live_sk_")
    developer = Developer.objects.get(email="dev@example.com")
    give_credit(developer_id=developer.pk, amount=10, key="workflow")  # type: ignore[arg-type]
    key = made["key"]
    offers = run(
        """curl "{BASE}/phone-numbers/available?country=US&area_code=415" -H "Authorization: Bearer {KEY}\"""", KEY=key
    )
    assert offers["pricing"] == {"setup_cost": "3.00", "monthly_cost": "3.00", "currency": "USD"}
    number = offers["data"][0]["phone_number"]
    bought = run(
        """curl -X POST {BASE}/phone-numbers -H "Authorization: Bearer {KEY}" \\
        -d '{"phone_number":"{PHONE}","webhook_url":"https://your-app.com/webhook"}'""",
        KEY=key,
        PHONE=number,
    )["data"]
    fields = {"id", "phone_number", "label", "webhook_url", "webhook_secret", "status", "monthly_cost"}
    assert fields <= bought.keys()
    balance = run("""curl {BASE}/billing/balance -H "Authorization: Bearer {KEY}\"""", KEY=key)
    assert (balance["data"]["balance"], balance["data"]["currency"]) == ("4.00", "USD")
    call = run(
        """curl -X POST {BASE}/calls -H "Authorization: Bearer {KEY}" -d '{"from":"{PHONE}","to":"+15559876543"}'""",
        KEY=key,
        PHONE=number,
    )["data"]
    assert (call["from"], call["to"], call["direction"]) == (number, "+15559876543", "outbound")
