"""The settings that agents, phone numbers and `POST /calls` accept, each declared once: as a field of `DeclaredSettings`.

All else follows from the declaration: the columns of agents and numbers, validation, responses and their description, the forms, and
which of request, agent and number decides (`resolution`). What each part makes of a kind of value is found in `kinds`. To add a
setting, see docs/adding-a-setting.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from agents.agent_settings.choices import (
    FirstSpeaker,
    InterruptionSensitivity,
    NoiseReduction,
    ReasoningEffort,
    VoicemailAction,
)
from agents.agent_settings.kinds import (
    Amount,
    At,
    Choice,
    Flag,
    Group,
    Language,
    ModelSlug,
    OwnKey,
    Setting,
    Text,
    Tools,
    TransferNumber,
    Url,
    Variables,
    Whole,
    setting,
)


@dataclass(frozen=True, slots=True)
class DeclaredSettings:
    """Plain values without secrets (a model key only by its id). Empty means none."""

    # As it was given, in either spelling (agents.selectors.find_model). Each API has its own name for this field.
    model_slug: str = ""
    model_key_id: int | None = setting(
        None,
        OwnKey(),
        Group.MODEL,
        label="Model key",
        about="ID of one of your model keys for the model's provider. Without it, the platform's key is used.",
        hint="With your own key, we charge nothing for the model.",
        placeholder="None: BubblyPhone's key",
    )
    system_prompt: str = setting(
        "",
        Text(10_000, rows=8),
        Group.CONVERSATION,
        label="System prompt",
        about="Instructions for the model. Can contain `{{variables}}`.",
        example="You are a helpful customer support agent...",
        hint="Who the agent is, what it knows, and how it should behave. Use {{name}} for a call variable.",
        placeholder="You are the receptionist of … We are open …",
    )
    greeting_message: str = setting(
        "Greet the person and ask how you can help.",
        Text(2000, rows=2),
        Group.CONVERSATION,
        label="Greeting",
        about="Instruction for the model's first words. Can contain `{{variables}}`.",
        example="Greet the caller by name.",
        hint="Instruction for the agent's first words.",
        placeholder="Greet the caller and ask how you can help.",
        on_call_page="Greeting",
    )
    voice: str = setting(
        "",
        Text(80, suggestions="voices"),
        Group.MODEL,
        label="Voice",
        about="One of the model's voices, like Kore, from `GET /models`. Not case-sensitive. Null: the model's first voice.",
        example="Kore",
        placeholder="Kore",
        on_call_page="Voice",
    )
    language: str = setting(
        "",
        Language(20),
        Group.MODEL,
        label="Language",
        about="BCP-47 language code, like en-US. Mapped to the closest language that the provider supports, or omitted.",
        example="en-US",
        placeholder="en-US",
        on_call_page="Language",
    )
    # As they were given; agents.tools.definitions.build_toolset makes them ToolSpecs.
    tools: tuple[Mapping[str, Any], ...] = setting(
        (),
        Tools(),
        Group.TOOLS,
        label="Tools",
        about="Functions that the model can call, sent to `tool_webhook_url` or to the tool's own `url`. The agent says a tool's "
        "`speak_while_waiting` "
        "if the response takes a moment.",
        example=[
            {
                "name": "check_availability",
                "description": "Check calendar availability",
                "parameters": {"date": "string"},
            }
        ],
        hint="JSON list of functions that the model can call, like "
        '[{"name": "check_availability", "description": "Is a day free?", "parameters": {"date": "string"}}]',
    )
    tool_webhook_url: str = setting(
        "",
        Url(2000),
        Group.TOOLS,
        label="Tool webhook URL",
        about='URL that receives `call.tool_call`. Respond within 10 seconds with `{"result": …}`. Any 2xx is a success. An '
        "empty body is an empty result. Any other JSON or text is passed to the model unchanged.",
        example="https://yourapp.com/tools",
        hint="Receives calls to tools without a URL.",
        placeholder="https://",
        on_call_page="Tool webhook URL",
    )
    lookup_url: str = setting(
        "",
        Url(2000),
        Group.TOOLS,
        label="Lookup URL",
        about="URL asked while an inbound call rings (`call.lookup`). Its response can choose the agent, set variables, "
        "metadata, and the greeting, or reject the call. The call is answered within 2.5 seconds, with or without it.",
        example="https://yourapp.com/lookup",
        hint="We ask it who is calling while the phone rings. It can choose the agent and set variables.",
        placeholder="https://",
        on_call_page="Lookup URL",
    )
    default_variables: Mapping[str, str] = setting(
        {},
        Variables(),
        Group.CONVERSATION,
        label="Default variables",
        about="Values for `{{name}}` in prompt, greeting, and `transfer_number` if a call has none. Built-in variables: "
        "`current_date`, `current_time`, `current_weekday`, `timezone`, `caller_number`, `agent_number`, `direction`, and `call_id`. "
        "`{{name|there}}` sets a default inline.",
        example={"company": "Example Ltd."},
        hint="One name = value per line. Used if a call has no value. {{caller_number}}, {{current_date}}, and other"
        " built-in variables always have a value.",
        placeholder="company = Example Ltd.",
    )
    transfer_number: str = setting(
        "",
        TransferNumber(200),
        Group.TOOLS,
        label="Transfer to",
        about="Destination of the built-in `transfer_call` tool: an E.164 number, or text with variables that becomes one.",
        example="+14155550100",
        hint="Number of a person to transfer callers to.",
        placeholder="+12025550123",
        on_call_page="Transfer to",
    )
    auto_transfer_tool: bool = setting(
        True,
        Flag(),
        Group.TOOLS,
        label="Agent can transfer calls",
        about="Whether the agent has the built-in `transfer_call` tool. Default: {default}.",
    )
    hang_up_tool: bool = setting(
        True,
        Flag(),
        Group.TOOLS,
        label="Agent can hang up",
        about="Whether the agent has the built-in `end_call` tool. Without it, a call ends when the other party hangs up, or at a "
        "limit. Default: {default}.",
        hint="Ends the call once both have said goodbye.",
    )
    keypad_tool: bool = setting(
        True,
        Flag(),
        Group.TOOLS,
        label="Agent can press keys",
        about="Whether the agent has the built-in `send_dtmf` tool in phone calls. Default: {default}.",
        hint="In phone calls, for menus such as “press 1 for sales.”",
    )
    opt_out_tool: bool = setting(
        False,
        Flag(),
        Group.TOOLS,
        label="Agent can add the remote party to the do-not-call list",
        about="Whether the agent has the built-in `add_to_do_not_call` tool, for people who ask never to be called again. "
        "Tests of an agent add nobody. Default: {default}.",
        example=True,
    )
    recording_enabled: bool = setting(
        False,
        Flag(),
        Group.AFTER,
        label="Record calls",
        about="Record the call. Default: {default}.",
        example=True,
        on_call_page="Recording",
    )
    transcription_enabled: bool = setting(
        False,
        Flag(),
        Group.AFTER,
        label="Transcribe recordings",
        about="Transcribe the recording with Whisper. Requires `recording_enabled`. Default: {default}.",
        hint="With Whisper, after the call. Requires recording.",
    )
    realtime_transcript: bool = setting(
        False,
        Flag(),
        Group.AFTER,
        label="Send live transcript",
        about="Send `call.transcript.segment` webhooks during the call. Default: {default}.",
        hint="Sends each sentence to the webhook URL during the call.",
    )
    voicemail_action: str = setting(
        VoicemailAction.HANGUP.value,
        Choice(VoicemailAction, {"hangup": "Hang up", "ai_message": "Let the agent leave a message"}, length=12),
        Group.LIMITS,
        label="If voicemail answers",
        about="When an outbound call reaches voicemail: hang up (default), or let the agent leave a message.",
        placeholder="Default: hang up",
        on_call_page="Voicemail",
    )
    screening_message: str = setting(
        "",
        Text(500, rows=2),
        Group.OPTIONS,
        label="If the phone asks who is calling",
        about="What the agent says to a phone that asks who is calling before its owner picks up (outbound calls over carriers with "
        "`call_screening`). Can contain `{{variables}}`. Null: the agent's name and description.",
        example="This is Example Ltd. about your appointment on Friday.",
        hint="Said once, word for word. The agent greets the person when they pick up.",
        placeholder="Default: the agent's name and description",
    )
    fallback_number: str = setting(
        "",
        TransferNumber(200),
        Group.OPTIONS,
        label="Fallback number",
        about="Another of your numbers (E.164), at another carrier. Outbound calls are placed from it if it is certain that the carrier of "
        "`from` has not dialed. The timeline then has `call.fallback`.",
        example="+14155550101",
        hint="One of your numbers at another carrier, used if the first carrier fails.",
        placeholder="+12025550123",
    )
    max_call_duration: int = setting(
        3600,
        Whole(60, 3600),
        Group.LIMITS,
        label="Max duration (seconds)",
        about="Maximum duration of a call in seconds. Default: {default}.",
        hint="{least} to {most}. Default: {default} (60 min).",
        on_call_page="Max duration",
    )
    silence_timeout: int = setting(
        30,
        Whole(10, 120),
        Group.LIMITS,
        label="Silence timeout (seconds)",
        about="End the call after this many seconds of silence. Default: {default}.",
        hint="{least} to {most}. Default: {default}.",
        on_call_page="Silence timeout",
    )
    silence_prompt: bool = setting(
        True,
        Flag(),
        Group.OPTIONS,
        label="Ask before the silence timeout",
        about="Whether the agent asks once if anyone is still there, after two thirds of `silence_timeout`. Default: {default}.",
        hint="The agent asks once if anyone is still there.",
    )
    first_speaker: str = setting(
        FirstSpeaker.AGENT.value,
        Choice(FirstSpeaker, {"agent": "The agent", "caller": "The remote party"}, length=6),
        Group.CONVERSATION,
        label="Who speaks first",
        about="Who speaks first when the call is answered. Default: {default}.",
        placeholder="Default: the agent",
    )
    interruptible: bool = setting(
        True,
        Flag(),
        Group.CONVERSATION,
        label="Callers can interrupt",
        about="Whether the caller can interrupt the agent. Default: {default}.",
        hint="The agent stops when the caller speaks.",
        providers={
            "openai": At("audio.input.turn_detection.interrupt_response"),
            "google": At(
                "realtimeInputConfig.activityHandling", {True: "START_OF_ACTIVITY_INTERRUPTS", False: "NO_INTERRUPTION"}
            ),
        },
    )
    interruption_sensitivity: str = setting(
        InterruptionSensitivity.MEDIUM.value,
        Choice(
            InterruptionSensitivity,
            {"low": "Low: noisy lines", "medium": "Medium", "high": "High: quiet voices"},
            length=6,
        ),
        Group.CONVERSATION,
        label="Interruption sensitivity",
        about="How easily a sound from the caller counts as an interruption. Default: {default}.",
        placeholder="Default: medium",
        providers={
            # How loud the caller must be to count, 0 to 1.
            "openai": At("audio.input.turn_detection.threshold", {"low": 0.7, "medium": None, "high": 0.3}),
            "google": At(
                "realtimeInputConfig.automaticActivityDetection.startOfSpeechSensitivity",
                {"low": "START_SENSITIVITY_LOW", "medium": None, "high": "START_SENSITIVITY_HIGH"},
            ),
        },
    )
    fallback_model: str = setting(
        "",
        ModelSlug(80),
        Group.MODEL,
        label="Backup model",
        about="Slug of a backup model that takes over if the call's model fails or stops responding mid-call. "
        "The price per minute stays the same. Default: none.",
        example="gpt-realtime-mini",
        hint="Takes over if the model fails mid-call (same price).",
        placeholder="None",
    )
    reasoning_effort: str = setting(
        "",
        Choice(
            ReasoningEffort,
            {
                "minimal": "Minimal: fastest answers",
                "low": "Low",
                "medium": "Medium",
                "high": "High",
                "xhigh": "Extra high: slowest answers",
            },
            length=7,
        ),
        Group.MODEL,
        label="Reasoning effort",
        about="How much the model thinks before it speaks: one of its `capabilities.reasoning_efforts`. "
        "Null: the model's default, or the lowest for models whose default is too slow for a phone call.",
        example=None,
        hint="More effort means better answers, but longer pauses. Only for models that support it.",
        placeholder="Default: the model's",
        on_call_page="Reasoning effort",
        providers={
            "openai": At("reasoning.effort", {"": None}),
            "google": At(
                "generationConfig.thinkingConfig.thinkingLevel",
                {"": None, **{effort.value: effort.value.upper() for effort in ReasoningEffort}},
            ),
        },
    )
    noise_reduction: str = setting(
        "",
        Choice(
            NoiseReduction,
            {"near_field": "Near field: handsets and headsets", "far_field": "Far field: speakerphones and rooms"},
            length=10,
        ),
        Group.MODEL,
        label="Noise reduction",
        about="How the model's provider reduces noise from the caller: one of the model's `capabilities.noise_reduction`. "
        "Null: `far_field` on phone calls if the model has it.",
        example=None,
        hint="Only for models that support it.",
        placeholder="Default: far field",
        on_call_page="Noise reduction",
        providers={"openai": At("audio.input.noise_reduction.type", {"": None})},
    )
    max_cost_per_call: Decimal | None = setting(
        None,
        Amount(),
        Group.LIMITS,
        label="Max cost per call (USD)",
        about="Maximum cost of a call in USD. We end the call before it costs more. Default: no limit.",
        example="0.50",
        hint="We end the call before it costs more.",
        placeholder="No limit",
    )


_DEFAULTS = DeclaredSettings()
# In the order of the API.
SETTINGS = tuple(
    Setting(name=entry.name, default=getattr(_DEFAULTS, entry.name), **entry.metadata)
    for entry in fields(DeclaredSettings)
    if entry.metadata
)
KINDS = {entry.name: entry.kind for entry in SETTINGS}
