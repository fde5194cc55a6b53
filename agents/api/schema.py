"""The API description of the model catalog, model keys and agents."""

from drf_spectacular.utils import extend_schema_field

from accounts.admin_keys import CAP_ERRORS
from agents.agent_settings.declarations import SETTINGS
from agents.analysis import analysis_schema
from agents.api.responses import (
    AGENT,
    AGENT_VERSION,
    ANALYSIS_EXAMPLE,
    KEY_CHECK,
    MODEL,
    MODEL_KEY,
    SECRET,
    SETTING_SCHEMAS,
)
from agents.serializers import (
    AgentSerializer,
    AnalysisSchemaField,
    ModelKeySerializer,
    SecretSerializer,
    SecretValueSerializer,
    ToolsField,
)
from agents.tools import definitions, http_tools
from bubblyphone.core.api.json_schema import Schema, data_of, data_with_warnings, listing, page_of
from bubblyphone.core.api.openapi import Operation

_RULES = "The request is invalid, or settings conflict (for example, tools without `url` and `tool_webhook_url`)."

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
            answer=data_of(KEY_CHECK),
            errors={502: "The provider could not be reached."},
        ),
    },
    "Secrets": {
        "POST /secrets": Operation(
            "Store a secret",
            "A value that tools send to other servers. Use `{{secret.NAME}}` in the `headers` and the `url` of a tool. Stored "
            "encrypted and never returned; logs show `•••` instead.",
            answer=data_of(SECRET),
            status=201,
            body=SecretSerializer,
            example={"name": "CALENDAR_KEY", "value": "sk-calendar-123"},
        ),
        "GET /secrets": Operation("List secrets", "Names without values, newest first.", answer=page_of(SECRET)),
        "PATCH /secrets/{id}": Operation(
            "Replace a secret",
            "Tools send the new value from the next call.",
            answer=data_of(SECRET),
            body=SecretValueSerializer,
            example={"value": "sk-calendar-456"},
        ),
        "DELETE /secrets/{id}": Operation("Delete a secret", status=204, errors={409: "A tool uses the secret."}),
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
        "GET /agents/{id}/versions": Operation(
            "List versions of an agent", "Newest first. Every change publishes one.", answer=page_of(AGENT_VERSION)
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
    **{entry.name: entry.said(entry.about) for entry in SETTINGS},
    "analysis_schema": "Fields to extract from the transcript after each call. Null or {} turns analysis off.",
    "provider": "Provider that issued the key.",
    "api_key": "The provider's API key. It is never returned.",
    "SecretSerializer.name": "Name of the secret, like CALENDAR_KEY.",
    "value": "The value. It is never returned.",
    "ModelKeySerializer.label": "A name for the key.",
}


TOOL_PROPERTIES: Schema = {
    "type": {"const": "function"},
    "name": {
        "type": "string",
        "pattern": f"^{definitions.NAME.pattern}$",
        "not": {"enum": sorted(definitions.RESERVED_NAMES)},
    },
    "description": {"type": "string", "maxLength": definitions.MAX_DESCRIPTION},
    "parameters": {"type": ["object", "null"], "description": 'JSON Schema, or the short form {"date": "string"}.'},
    "speak_while_waiting": {"type": "string", "maxLength": definitions.MAX_WAITING_WORDS},
    "url": {
        "type": "string",
        "description": "Call this URL instead of `tool_webhook_url`. `{argument}`, `{{variable}}`, and "
        "`{{secret.NAME}}` are allowed in the path and the query.",
    },
    "method": {"type": "string", "enum": list(http_tools.METHODS), "default": "POST"},
    "headers": {"type": "object", "additionalProperties": {"type": "string"}},
    "timeout_seconds": {
        "type": "integer",
        "minimum": 1,
        "maximum": http_tools.MAX_TIMEOUT_SECONDS,
        "default": http_tools.DEFAULT_TIMEOUT_SECONDS,
    },
    "body": {
        "type": "string",
        "enum": list(http_tools.BODIES),
        "default": "arguments",
        "description": "The arguments as JSON, or the whole `call.tool_call`. GET and DELETE have no body: "
        "arguments that the URL does not use go to the query string.",
    },
    "result_path": {
        "type": "string",
        "description": "Path of the result in the JSON response, like `data.items.0.name`.",
    },
    "save_as": {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "description": "Variables to set from the JSON response, by path.",
    },
}


extend_schema_field(
    {
        "type": "array",
        "maxItems": definitions.MAX_TOOLS,
        "items": {
            "type": "object",
            "properties": TOOL_PROPERTIES,
            "required": ["name"],
            "additionalProperties": False,
        },
        "examples": [SETTING_SCHEMAS["tools"]["examples"][0]],
    }
)(ToolsField)
extend_schema_field(
    {
        "type": "object",
        "propertyNames": {"pattern": f"^{analysis_schema.NAME.pattern}$"},
        "additionalProperties": {
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
        },
        "maxProperties": analysis_schema.MAX_FIELDS,
        "examples": [ANALYSIS_EXAMPLE],
    }
)(AnalysisSchemaField)
