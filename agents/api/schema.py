"""The API description of the model catalog, model keys and agents."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema

from accounts.admin_keys import CAP_ERRORS
from agents import analysis_schema, tools
from agents.models import AIModel, FirstSpeaker, InterruptionSensitivity, VoicemailAction
from agents.serializers import AgentSerializer, ModelKeySerializer
from bubblyphone.core.json_schema import (
    Schema,
    choice,
    data_of,
    data_with_warnings,
    flag,
    free_object,
    listing,
    moment,
    money,
    nullable,
    page_of,
    record,
    shape,
    text,
    whole,
)
from bubblyphone.core.schema import Operation

CAPABILITIES = shape(
    "ModelCapabilities",
    {
        "reasoning_efforts": listing(text("minimal"), example=["minimal", "low", "medium", "high"]),
        "noise_reduction": listing(choice(["near_field", "far_field"], "near_field"), example=["near_field"]),
        "semantic_turns": flag("Detects the end of a turn by what was said."),
        "async_tools": flag("Can speak while it waits for a tool."),
        "languages": listing(text("en-US"), example=["en-US", "de-DE"]),
        "voices": listing(text("Kore"), example=["Kore", "Aoede"]),
        "custom_voices": flag("Also takes the vendor's ids of your own voices (`voice_…`)."),
    },
    "What the model can do. The first voice is the default. `language` is mapped to the nearest of `languages`; one that the model "
    "does not list is left to the model.",
)
MODEL = shape(
    "Model",
    {
        "slug": text("gemini-3.1-flash-live"),
        "provider": choice(AIModel.Provider.values, "google"),
        "display_name": text("Gemini 3.1 Flash Live"),
        "price_per_minute": text("0.040000", "USD, to six decimals.", pattern=r"^[0-9]+\.[0-9]{6}$"),
        "status": choice(["available", "unavailable"], "available", "Unavailable: `reason` says why."),
        "reason": nullable(
            text("This server has no OpenAI key. Use a model key of your own for OpenAI.", "Why it is unavailable."),
            example=None,
        ),
        "capabilities": CAPABILITIES,
        "successor": nullable(text("gpt-realtime-1.5", "The model that takes its calls once it is retired.")),
        "retires_on": nullable(
            text("2027-01-20", "From this day on (UTC) its vendor no longer serves it.", format="date"), example=None
        ),
    },
)
MODEL_KEY = shape(
    "ModelKey",
    {
        "id": whole(3),
        "provider": choice(["openai", "google"], "openai"),
        "label": text("Production OpenAI"),
        "last_four": text("...r4nk", "The end of the key. The key itself is never shown."),
        "created_at": moment(),
    },
)
TOOL_EXAMPLE = {
    "name": "check_availability",
    "description": "Check calendar availability",
    "parameters": {"date": "string"},
}
ANALYSIS_EXAMPLE = {
    "qualified_lead": {"type": "boolean", "description": "Did the caller want to buy?"},
    "disposition": {
        "type": "selector",
        "description": "How the call ended",
        "options": ["interested", "not_interested"],
    },
}
# Settings that agents and numbers share. Null: not set here.
SETTINGS: dict[str, Schema] = {
    "model_key_id": nullable(whole(3), example=None),
    "system_prompt": nullable(text("You are a helpful customer support agent...")),
    "greeting_message": nullable(text("Greet the caller by name.")),
    "voice": nullable(text("Kore")),
    "language": nullable(text("en-US")),
    "tools": nullable(listing({"type": "object"}, example=[TOOL_EXAMPLE])),
    "tool_webhook_url": nullable(text("https://yourapp.com/tools")),
    "default_variables": nullable(free_object({"company": "Example Ltd."})),
    "transfer_number": nullable(text("+14155550100")),
    "auto_transfer_tool": nullable(flag(example=True)),
    "recording_enabled": nullable(flag(example=True)),
    "transcription_enabled": nullable(flag()),
    "realtime_transcript": nullable(flag()),
    "voicemail_action": nullable(choice(VoicemailAction.values, "hangup")),
    "max_call_duration": nullable(whole(3600, "Seconds.")),
    "silence_timeout": nullable(whole(30, "Seconds.")),
    "first_speaker": nullable(choice(FirstSpeaker.values, "agent")),
    "interruptible": nullable(flag(example=True)),
    "interruption_sensitivity": nullable(choice(InterruptionSensitivity.values, "medium")),
    "fallback_model": nullable(text("gpt-realtime-mini")),
    "max_cost_per_call": nullable(money("0.50", "USD.")),
}
AGENT = shape(
    "Agent",
    {
        "id": whole(1),
        "developer_id": whole(1),
        "name": text("Support Agent v1"),
        "description": nullable(text("Handles customer support calls")),
        "model_slug": nullable(text("gemini-3.1-flash-live-preview")),
        **SETTINGS,
        "recording_enabled": flag(example=True),
        "daily_cap": nullable(money("10.00", "USD a day (UTC), for all calls of the agent.")),
        "analysis_schema": nullable(free_object(ANALYSIS_EXAMPLE)),
        "phone_numbers_count": whole(0),
        "created_at": moment(),
        "updated_at": moment(),
    },
    "A reusable configuration. Null means that the agent does not say; then the number does, or the default.",
)
_RULES = "A setting breaks a rule, like tools without `tool_webhook_url`, or the request is not as described here."

OPERATIONS = {
    "Models": {
        "GET /models": Operation(
            "List models", "All models with their prices. A whole list, not paged.", answer=data_of(listing(MODEL))
        ),
    },
    "Model keys": {
        "POST /model-keys": Operation(
            "Store a model key",
            "Bring your own key: calls that use it cost nothing for the model. It is kept encrypted.",
            answer=data_of(MODEL_KEY),
            status=201,
            body=ModelKeySerializer,
            example={"provider": "openai", "api_key": "sk-proj-abc123...", "label": "Production OpenAI"},
        ),
        "GET /model-keys": Operation("List model keys", "Newest first.", answer=page_of(MODEL_KEY)),
        "DELETE /model-keys/{id}": Operation(
            "Remove a model key", status=204, errors={409: "An agent or a phone number uses the key."}
        ),
        "POST /model-keys/{id}/test": Operation(
            "Test a model key",
            "Ask the provider whether it takes the key. A key that it refuses is an answer, not an error. At most two tests of an account "
            "run at once; others get 429 with `Retry-After`.",
            answer=data_of(record({"ok": flag(example=True), "message": text("The provider accepts this key.")})),
            errors={502: "The provider could not be reached."},
        ),
    },
    "Agents": {
        "POST /agents": Operation(
            "Create an agent",
            "Define model, prompt, voice and tools once, for any number of phone numbers.",
            answer=data_of(AGENT),
            status=201,
            body=AgentSerializer,
            example={
                "name": "Support Agent v1",
                "description": "Handles customer support calls",
                "model_slug": "gemini-3.1-flash-live-preview",
                "system_prompt": "You are a helpful customer support agent...",
                "voice": "Kore",
                "language": "en-US",
                "transfer_number": "+14155550100",
                "recording_enabled": True,
                "analysis_schema": ANALYSIS_EXAMPLE,
            },
            errors={**CAP_ERRORS, 422: _RULES},
        ),
        "GET /agents": Operation("List agents", "Newest first.", answer=page_of(AGENT)),
        "GET /agents/{id}": Operation("Show an agent", answer=data_of(AGENT)),
        "PATCH /agents/{id}": Operation(
            "Update an agent",
            "What is not named stays; null clears. It holds for all linked numbers from their next call on.",
            answer=data_with_warnings(AGENT),
            body=AgentSerializer,
            example={"system_prompt": "You are a friendly support agent..."},
            errors={**CAP_ERRORS, 422: _RULES},
        ),
        "DELETE /agents/{id}": Operation(
            "Delete an agent", status=204, errors={422: "Phone numbers still refer to this agent; unlink them first."}
        ),
    },
}
FIELDS = {
    "AgentSerializer.name": "A name for people.",
    "description": "What the agent is for.",
    "model_slug": "A model of `GET /models`; null: the number's or the first available one.",
    "model_key_id": "A model key of yours, for the model's provider; without one the platform's is used.",
    "system_prompt": "Instructions. May hold `{{variables}}`.",
    "greeting_message": "What leads to the model's first words. May hold `{{variables}}`.",
    "voice": "A voice of the model, in any case, like Kore. `GET /models` lists the voices; null: the model's first one.",
    "language": "BCP-47, like en-US. Each vendor gets the nearest code that it takes, or none.",
    "tools": "Function definitions that the model may call; they go to `tool_webhook_url`. `speak_while_waiting` of one is said "
    "to the caller when its answer takes a moment.",
    "tool_webhook_url": 'Where `call.tool_call` is sent. Respond within 10 seconds with `{"result": …}`. Any 2xx is a success: an '
    "empty body is an empty result; other JSON, or text, is given to the model as it is.",
    "default_variables": "Values for `{{name}}` in prompt, greeting and `transfer_number` where a call gives none. Built in are "
    "`current_date`, `current_time`, `current_weekday`, `timezone`, `caller_number`, `agent_number`, `direction` and `call_id`; "
    "`{{name|there}}` sets a default in the text.",
    "transfer_number": "Where the built-in tool `transfer_call` leads (E.164, or a text with variables that becomes one).",
    "auto_transfer_tool": "False takes the tool `transfer_call` away. Default: true.",
    "recording_enabled": "Record the call. Default: false.",
    "transcription_enabled": "Transcribe the recording with Whisper; needs `recording_enabled`. Default: false.",
    "realtime_transcript": "Send `call.transcript.segment` while people speak. Default: false.",
    "voicemail_action": "Outbound calls that reach a voicemail: hang up (the default), or let the model leave a message.",
    "max_call_duration": "Seconds; the call ends then. Default: 3600.",
    "silence_timeout": "Seconds without a sound after which the call ends. Default: 30.",
    "first_speaker": "Who begins once the call is answered. Default: agent.",
    "interruptible": "Whether the caller's voice stops ours. Default: true.",
    "interruption_sensitivity": "How readily a sound of the caller's counts as speech. Default: medium.",
    "fallback_model": "A model of `GET /models` that takes over in mid-call when the call's own fails or falls silent. "
    "The price stays that of the call's own model. Default: none.",
    "max_cost_per_call": "The most that a call may cost while it runs, in USD; it is ended before it costs more. Default: no limit.",
    "analysis_schema": "Fields that are read out of the transcript after each call; null and {} switch it off.",
    "provider": "Whose key it is.",
    "api_key": "The key. It is never shown again.",
    "ModelKeySerializer.label": "A name for the key.",
}


class PhoneNumberExtension(OpenApiSerializerFieldExtension):
    target_class = "agents.serializers.PhoneNumberField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Schema:
        return {"type": "string", "pattern": r"^\+[1-9][0-9]{6,14}$"}


class LanguageExtension(OpenApiSerializerFieldExtension):
    target_class = "agents.serializers.LanguageField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Schema:
        return {"type": "string", "maxLength": 20, "pattern": r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$"}


class ToolsExtension(OpenApiSerializerFieldExtension):
    target_class = "agents.serializers.ToolsField"
    _name = f"^{tools.NAME.pattern}$"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Schema:
        definition = {
            "type": "object",
            "properties": {
                "type": {"const": "function"},
                "name": {"type": "string", "pattern": self._name, "not": {"enum": sorted(tools.RESERVED_NAMES)}},
                "description": {"type": "string", "maxLength": tools.MAX_DESCRIPTION},
                "parameters": {
                    "type": ["object", "null"],
                    "description": 'JSON Schema, or the short form {"date": "string"}.',
                },
            },
            "required": ["name"],
            "additionalProperties": False,
        }
        return {"type": "array", "maxItems": tools.MAX_TOOLS, "items": definition, "examples": [[TOOL_EXAMPLE]]}


class AnalysisSchemaExtension(OpenApiSerializerFieldExtension):
    target_class = "agents.serializers.AnalysisSchemaField"

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Any) -> Schema:
        one = {
            "type": "object",
            "properties": {
                "type": {"type": "string", "enum": list(analysis_schema.FIELD_TYPES)},
                "description": {"type": "string", "minLength": 1, "maxLength": analysis_schema.MAX_DESCRIPTION},
                "options": {
                    "type": "array",
                    "items": {"type": "string", "minLength": 1, "maxLength": analysis_schema.MAX_OPTION},
                    "minItems": 1,
                    "maxItems": analysis_schema.MAX_OPTIONS,
                    "uniqueItems": True,
                    "description": "Of a selector, and of nothing else.",
                },
            },
            "required": ["type", "description"],
            "additionalProperties": False,
        }
        return {
            "type": "object",
            "propertyNames": {"pattern": f"^{analysis_schema.NAME.pattern}$"},
            "additionalProperties": one,
            "maxProperties": analysis_schema.MAX_FIELDS,
            "examples": [ANALYSIS_EXAMPLE],
        }
