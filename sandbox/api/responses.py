"""Response shapes of sandbox calls, as started by `sandbox.services`."""

from bubblyphone.core.api.json_schema import Read, Schema, record, text, whole

_CONNECTION: dict[str, Schema | Read] = {
    "ws_url": text(
        "wss://agents.example.com/sandbox/ws/sandbox_abc123?token=…", "WebSocket URL. Valid once, for 30 seconds."
    ),
    "model": Read("call.model_slug", text("gemini-3.1-flash-live")),
}
STARTED = record({"call_id": Read("call.public_id", text("sandbox_abc123")), **_CONNECTION, "expires_in": whole(30)})
DEMO = record({"call_id": Read("call.id", whole(5001)), **_CONNECTION, "demos_remaining": whole(2, minimum=0)})
