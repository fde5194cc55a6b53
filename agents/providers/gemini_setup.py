"""The configuration and messages of a Gemini Live session, without I/O.

The vendor's types build and check the setup. https://ai.google.dev/api/live
"""

import re
from typing import Any

from google.genai import types

from agents.agent_settings.provider_placement import place_settings
from agents.providers.base import SessionConfig, ToolSpec, Turn


def setup_message(config: SessionConfig, *, handle: str, has_history: bool) -> dict[str, Any]:
    """The first message of a connection: starts a new session, or resumes the one of the `handle`."""
    setup = types.LiveClientSetup(
        model=config.upstream_model if "/" in config.upstream_model else f"models/{config.upstream_model}",
        generation_config=_generation_config(config),
        system_instruction=_content("user", config.instructions) if config.instructions else None,
        tools=[types.Tool(function_declarations=[_declaration(tool, config) for tool in config.tools])]
        if config.tools
        else None,
        input_audio_transcription=types.AudioTranscriptionConfig(),
        output_audio_transcription=types.AudioTranscriptionConfig(),
        # Without these two, a session ends after 15 minutes, and the end of a connection, after 10, cannot be resumed.
        context_window_compression=types.ContextWindowCompressionConfig(sliding_window=types.SlidingWindow()),
        session_resumption=types.SessionResumptionConfig(handle=handle or None),
        # The vendor then waits for the history and does not answer it.
        history_config=types.HistoryConfig(initial_history_in_client_content=True) if has_history else None,
    )
    # LiveClientSetup has no field for this one, although the service accepts it and the SDK sends it.
    realtime_input = types.RealtimeInputConfig(
        automatic_activity_detection=types.AutomaticActivityDetection(
            prefix_padding_ms=20,
            silence_duration_ms=500,
        ),
        turn_coverage=types.TurnCoverage.TURN_INCLUDES_ONLY_ACTIVITY,
    )
    message = {**_dump(setup), "realtimeInputConfig": _dump(realtime_input)}
    place_settings("google", config.settings, message)
    return {"setup": message}


def history_message(history: tuple[Turn, ...]) -> dict[str, Any]:
    """The conversation so far, as the first content of a new session."""
    turns = [_content("model" if turn.role == "model" else "user", turn.text) for turn in history]
    return {"clientContent": {"turns": [_dump(turn) for turn in turns], "turnComplete": True}}


def text_message(text: str) -> dict[str, Any]:
    """Text within the caller's audio, which makes the model speak. Some models close the socket at `clientContent` (1007)."""
    return {"realtimeInput": {"text": text}}


def note_message(text: str) -> dict[str, Any]:
    """A note that a model with `content_updates` uses in its next answer. Only a complete turn would interrupt it or make it speak.

    https://ai.google.dev/gemini-api/docs/models/gemini-3.8-live, "Client content updates"
    """
    return {"clientContent": {"turns": [_dump(_content("user", text))], "turnComplete": False}}


def tool_response_message(call_id: str, name: str, response: dict[str, Any], *, is_async: bool) -> dict[str, Any]:
    """The result of one function call. A model that has continued to speak finishes its sentence first."""
    answer = {"id": call_id, "name": name, "response": response}
    if is_async:
        answer["scheduling"] = types.FunctionResponseScheduling.WHEN_IDLE.value
    return {"toolResponse": {"functionResponses": [answer]}}


def _generation_config(config: SessionConfig) -> types.GenerationConfig:
    efforts = config.capabilities.reasoning_efforts
    voice = types.PrebuiltVoiceConfig(voice_name=config.voice) if config.voice else None
    return types.GenerationConfig(
        response_modalities=[types.Modality.AUDIO],
        speech_config=types.SpeechConfig(
            language_code=config.language or None,
            voice_config=types.VoiceConfig(prebuilt_voice_config=voice) if voice else None,
        ),
        # On the telephone the fastest answer is the best one.
        thinking_config=types.ThinkingConfig(thinking_level=types.ThinkingLevel(efforts[0].upper()))
        if efforts
        else None,
    )


def _content(role: str, text: str) -> types.Content:
    return types.Content(role=role, parts=[types.Part(text=text)])


def _declaration(tool: ToolSpec, config: SessionConfig) -> types.FunctionDeclaration:
    return types.FunctionDeclaration(
        name=tool.name,
        description=tool.description,
        parameters_json_schema=dict(tool.parameters),
        behavior=types.Behavior.NON_BLOCKING if config.capabilities.async_tools else None,
    )


def _dump(
    value: types.LiveClientSetup | types.RealtimeInputConfig | types.Content,
) -> dict[str, Any]:
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


def duration_seconds(duration: str) -> float:
    """A protobuf duration ("9.5s") in seconds; 0 for anything else."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)s", duration)
    return float(found[1]) if found else 0.0
