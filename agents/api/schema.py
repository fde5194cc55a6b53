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
        "semantic_turns": flag("Whether the model detects the end of a turn from the words, not only from silence."),
        "async_tools": flag("Whether the model can speak while it waits for a tool."),
        "languages": listing(text("en-US"), example=["en-US", "de-DE"]),
        "voices": listing(text("Kore"), example=["Kore", "Aoede"]),
        "custom_voices": flag("Whether the model accepts IDs of your own voices at the provider (`voice_…`)."),
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
        "price_per_minute": text(
            "0.040000", "Price per minute in USD, with six decimals.", pattern=r"^[0-9]+\.[0-9]{6}$"
        ),
        "status": choice(["available", "unavailable"], "available", "If `unavailable`, `reason` says why."),
        "reason": nullable(
            text("This server has no OpenAI key. Add your own OpenAI model key.", "Why it is unavailable."),
            example=None,
        ),
        "capabilities": CAPABILITIES,
        "successor": nullable(text("gpt-realtime-1.5", "The model that replaces this one when it is retired.")),
        "retires_on": nullable(
            text(
                "2027-01-20",
                "Retirement date (UTC). The provider no longer serves the model from this day.",
                format="date",
            ),
            example=None,
        ),
    },
)
MODEL_KEY = shape(
    "ModelKey",
    {
        "id": whole(3),
        "provider": choice(["openai", "google"], "openai"),
        "label": text("Production OpenAI"),
        "last_four": text("...r4nk", "Last four characters of the key. The key itself is never returned."),
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
    "max_call_duration": nullable(whole(3600, "In seconds.")),
    "silence_timeout": nullable(whole(30, "In seconds.")),
    "first_speaker": nullable(choice(FirstSpeaker.values, "agent")),
    "interruptible": nullable(flag(example=True)),
    "interruption_sensitivity": nullable(choice(InterruptionSensitivity.values, "medium")),
    "fallback_model": nullable(text("gpt-realtime-mini")),
    "max_cost_per_call": nullable(money("0.50", "In USD.")),
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
        "daily_cap": nullable(money("10.00", "Daily limit in USD (UTC days) for all calls of the agent.")),
        "analysis_schema": nullable(free_object(ANALYSIS_EXAMPLE)),
        "phone_numbers_count": whole(0),
        "created_at": moment(),
        "updated_at": moment(),
    },
    "A reusable agent configuration. Null means that the phone number's setting or the default applies.",
)
_RULES = "The request is invalid, or settings conflict (for example, tools without `tool_webhook_url`)."

OPERATIONS = {
    "Models": {
        "GET /models": Operation(
            "List models", "All models with their prices. Not paginated.", answer=data_of(listing(MODEL))
        ),
    },
    "Model keys": {
        "POST /model-keys": Operation(
            "Store a model key",
            "Bring your own key. The model cost of calls that use it is $0. Stored encrypted.",
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
            "Check the key with its provider. If the provider rejects the key, the response is 200 with `ok: false`. Limited to two "
            "concurrent tests per account. Above that, the response is 429 with `Retry-After`.",
            answer=data_of(record({"ok": flag(example=True), "message": text("The provider accepts this key.")})),
            errors={502: "The provider could not be reached."},
        ),
    },
    "Agents": {
        "POST /agents": Operation(
            "Create an agent",
            "Define model, prompt, voice, and tools once, and use them for many phone numbers.",
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
        "GET /agents/{id}": Operation("Get an agent", answer=data_of(AGENT)),
        "PATCH /agents/{id}": Operation(
            "Update an agent",
            "Omitted fields stay unchanged. Null clears a field. Changes apply to all linked phone numbers from the next call.",
            answer=data_with_warnings(AGENT),
            body=AgentSerializer,
            example={"system_prompt": "You are a friendly support agent..."},
            errors={**CAP_ERRORS, 422: _RULES},
        ),
        "DELETE /agents/{id}": Operation(
            "Delete an agent", status=204, errors={422: "Phone numbers still use this agent. Unlink them first."}
        ),
    },
}
FIELDS = {
    "AgentSerializer.name": "Name of the agent.",
    "description": "Description of the agent's purpose.",
    "model_slug": "Slug of a model from `GET /models`. Null: the number's model, or the first available one.",
    "model_key_id": "ID of one of your model keys for the model's provider. Without it, the platform's key is used.",
    "system_prompt": "Instructions for the model. Can contain `{{variables}}`.",
    "greeting_message": "Instruction for the model's first words. Can contain `{{variables}}`.",
    "voice": "One of the model's voices, like Kore, from `GET /models`. Not case-sensitive. Null: the model's first voice.",
    "language": "BCP-47 language code, like en-US. Mapped to the closest language that the provider supports, or omitted.",
    "tools": "Functions that the model can call, sent to `tool_webhook_url`. The agent says a tool's `speak_while_waiting` "
    "if the response takes a moment.",
    "tool_webhook_url": 'URL that receives `call.tool_call`. Respond within 10 seconds with `{"result": …}`. Any 2xx is a success. An '
    "empty body is an empty result. Any other JSON or text is passed to the model unchanged.",
    "default_variables": "Values for `{{name}}` in prompt, greeting, and `transfer_number` if a call has none. Built-in variables: "
    "`current_date`, `current_time`, `current_weekday`, `timezone`, `caller_number`, `agent_number`, `direction`, and `call_id`. "
    "`{{name|there}}` sets a default inline.",
    "transfer_number": "Destination of the built-in `transfer_call` tool: an E.164 number, or text with variables that becomes one.",
    "auto_transfer_tool": "Whether the agent has the built-in `transfer_call` tool. Default: true.",
    "recording_enabled": "Record the call. Default: false.",
    "transcription_enabled": "Transcribe the recording with Whisper. Requires `recording_enabled`. Default: false.",
    "realtime_transcript": "Send `call.transcript.segment` webhooks during the call. Default: false.",
    "voicemail_action": "When an outbound call reaches voicemail: hang up (default), or let the agent leave a message.",
    "max_call_duration": "Maximum duration of a call in seconds. Default: 3600.",
    "silence_timeout": "End the call after this many seconds of silence. Default: 30.",
    "first_speaker": "Who speaks first when the call is answered. Default: agent.",
    "interruptible": "Whether the caller can interrupt the agent. Default: true.",
    "interruption_sensitivity": "How easily a sound from the caller counts as an interruption. Default: medium.",
    "fallback_model": "Slug of a backup model that takes over if the call's model fails or stops responding mid-call. "
    "The price per minute stays the same. Default: none.",
    "max_cost_per_call": "Maximum cost of a call in USD. We end the call before it costs more. Default: no limit.",
    "analysis_schema": "Fields to extract from the transcript after each call. Null or {} turns analysis off.",
    "provider": "Provider that issued the key.",
    "api_key": "The provider's API key. It is never returned.",
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
                    "description": "Required for selectors, not allowed for other types.",
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
