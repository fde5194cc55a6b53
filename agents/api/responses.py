"""Response shapes of models, model keys and agents."""

from typing import assert_never

from agents.agent_settings import kinds
from agents.agent_settings.declarations import SETTINGS
from agents.agent_settings.kinds import Setting
from agents.models import AIModel
from agents.selectors import unavailable_reason
from agents.versions import author_of
from bubblyphone.core.api.json_schema import (
    Read,
    Schema,
    choice,
    flag,
    free_object,
    listing,
    moment,
    money,
    nullable,
    record,
    shape,
    text,
    whole,
)

CAPABILITIES = shape(
    "ModelCapabilities",
    {
        "reasoning_efforts": listing(text("minimal"), example=["minimal", "low", "medium", "high"]),
        "noise_reduction": listing(choice(["near_field", "far_field"], "near_field"), example=["near_field"]),
        "semantic_turns": flag("Whether the model detects the end of a turn from the words, not only from silence."),
        "async_tools": flag("Whether the model can speak while it waits for a tool."),
        "content_updates": flag("Whether the model can receive context during a call without speaking immediately."),
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
        "price_per_minute": Read(
            lambda model: f"{model.price_per_minute:.6f}",
            text("0.040000", "Price per minute in USD, with six decimals.", pattern=r"^[0-9]+\.[0-9]{6}$"),
        ),
        "status": Read(
            lambda model: "unavailable" if unavailable_reason(model) else "available",
            choice(["available", "unavailable"], "available", "If `unavailable`, `reason` says why."),
        ),
        "reason": Read(
            lambda model: unavailable_reason(model) or None,
            nullable(
                text("This server has no OpenAI key. Add your own OpenAI model key.", "Why it is unavailable."),
                example=None,
            ),
        ),
        "capabilities": Read(lambda model: model.can.model_dump(mode="json"), CAPABILITIES),
        "successor": Read(
            lambda model: model.successor.slug if model.successor else None,
            nullable(text("gpt-realtime-1.5", "The model that replaces this one when it is retired.")),
        ),
        "retires_on": Read(
            lambda model: model.retires_on.isoformat() if model.retires_on else None,
            nullable(
                text(
                    "2027-01-20",
                    "Retirement date (UTC). The provider no longer serves the model from this day.",
                    format="date",
                ),
                example=None,
            ),
        ),
    },
)
MODEL_KEY = shape(
    "ModelKey",
    {
        "id": whole(3),
        "provider": choice(["openai", "google"], "openai"),
        "label": text("Production OpenAI"),
        "last_four": Read(
            lambda key: f"...{key.last_four}",
            text("...r4nk", "Last four characters of the key. The key itself is never returned."),
        ),
        "created_at": moment(),
    },
)
SECRET = shape(
    "Secret",
    {
        "id": whole(5),
        "name": text("CALENDAR_KEY", "Used as `{{secret.CALENDAR_KEY}}`. The value is never returned."),
        "created_at": moment(),
    },
)
ANALYSIS_EXAMPLE = {
    "qualified_lead": {"type": "boolean", "description": "Did the caller want to buy?"},
    "disposition": {
        "type": "selector",
        "description": "How the call ended",
        "options": ["interested", "not_interested"],
    },
}


def setting_schema(setting: Setting) -> Schema:
    """A setting as agents and numbers show it. Null: not set here."""
    match kind := setting.kind:
        case kinds.Flag():
            found = flag(example=setting.example)
        case kinds.Whole():
            found = whole(setting.example, "In seconds.")
        case kinds.Amount():
            found = money(setting.example, "In USD.")
        case kinds.Choice():
            found = choice(kind.values.values, setting.example)
        case kinds.OwnKey():
            return nullable(whole(3), example=setting.example)
        case kinds.Tools():
            found = listing({"type": "object"}, example=setting.example)
        case kinds.Variables():
            found = free_object(setting.example)
        case kinds.Text() | kinds.Language() | kinds.Url() | kinds.TransferNumber() | kinds.ModelSlug():
            found = text(setting.example)
        case _:
            assert_never(kind)
    return nullable(found)


SETTING_SCHEMAS = {entry.name: setting_schema(entry) for entry in SETTINGS}
KEY_CHECK = record({"ok": flag(example=True), "message": text("The provider accepts this key.")})
AGENT = shape(
    "Agent",
    {
        "id": whole(1),
        "developer_id": whole(1),
        "name": text("Support Agent v1"),
        "description": nullable(text("Handles customer support calls")),
        "model_slug": nullable(text("gemini-3.1-flash-live-preview")),
        **SETTING_SCHEMAS,
        # Shown as false, the documented default. Unset and false differ only for an agent's number that turns it on.
        "recording_enabled": Read(lambda agent: bool(agent.recording_enabled), flag(example=True)),
        "daily_cap": nullable(money("10.00", "Daily limit in USD (UTC days) for all calls of the agent.")),
        "analysis_schema": nullable(free_object(ANALYSIS_EXAMPLE)),
        "version": whole(1, "Number of the live version. Every change publishes one."),
        "phone_numbers_count": Read(lambda agent: getattr(agent, "phone_numbers_count", 0), whole(0)),
        "created_at": moment(),
        "updated_at": moment(),
    },
    "A reusable agent configuration. Null means that the phone number's setting or the default applies.",
)
AGENT_VERSION = shape(
    "AgentVersion",
    {
        "version": Read("number", whole(3)),
        "is_live": Read(lambda version: version.number == version.agent.version, flag(example=True)),
        "published_at": moment(),
        "published_by": Read(author_of, text("jane@example.com", "Email of the account, or the name of the API key.")),
        "restored_from": Read("restored", nullable(whole(1, "The earlier version that was restored."), example=None)),
        "settings": Read(
            "values", free_object({"name": "Support Agent v1", "system_prompt": "You are a helpful agent."})
        ),
    },
    "What an agent was from one publication to the next. Versions never change. `settings` has the field names of agents; a setting that "
    "is newer than the version is absent.",
)
