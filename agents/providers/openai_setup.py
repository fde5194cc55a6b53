"""The configuration of an OpenAI Realtime session. https://platform.openai.com/docs/guides/realtime"""

from collections.abc import Mapping
from typing import Any

import orjson

from agents.agent_settings.choices import InterruptionSensitivity, NoiseReduction
from agents.agent_settings.provider_placement import place_settings
from agents.model_catalog.model_capabilities import CUSTOM_VOICE_PREFIX
from agents.providers.base import ProviderError, SessionConfig, Turn
from agents.providers.connecting import refused_choice
from agents.providers.message_fields import child, parse_object, text
from agents.providers.model_socket import ModelSocket
from bubblyphone.core.audio import PCM16_24K, PCMA_8K, PCMU_8K, AudioFormat

VENDOR = "OpenAI"
# Formats the vendor accepts; PCM is 24 kHz only.
WIRE_FORMATS: Mapping[AudioFormat, Mapping[str, Any]] = {
    PCMU_8K: {"type": "audio/pcmu"},
    PCMA_8K: {"type": "audio/pcma"},
    PCM16_24K: {"type": "audio/pcm", "rate": 24000},
}


def session_settings(config: SessionConfig, audio_format: AudioFormat, transcription_model: str) -> dict[str, Any]:
    """The `session` of `session.update`."""
    transcription = {"model": transcription_model}
    if config.language:
        transcription["language"] = config.language
    session: dict[str, Any] = {
        "type": "realtime",
        "instructions": config.instructions,
        "output_modalities": ["text"] if config.is_text else ["audio"],
        "audio": {
            "input": {
                "format": WIRE_FORMATS[audio_format],
                "transcription": transcription,
                "turn_detection": {"create_response": not config.listens_only, **_turn_detection(config)},
                **_noise_reduction(config),
            },
            "output": {"format": WIRE_FORMATS[audio_format], **_voice(config.voice)},
        },
        "tools": [
            {"type": "function", "name": tool.name, "description": tool.description, "parameters": tool.parameters}
            for tool in config.tools
        ],
        "tool_choice": "auto",
    }
    place_settings("openai", config.settings, session)
    return session


def _turn_detection(config: SessionConfig) -> dict[str, Any]:
    """By words if the model can, so that callers can pause in a sentence. This mode has no threshold, so with a chosen threshold it is by
    silence.

    "high" waits at most 2 s for a sentence to continue; the vendor's default waits 4 s, which is dead air on a telephone.
    https://platform.openai.com/docs/guides/realtime-vad
    """
    has_threshold = config.interruption_sensitivity != InterruptionSensitivity.MEDIUM
    if config.capabilities.semantic_turns and not has_threshold:
        return {"type": "semantic_vad", "eagerness": "high"}
    return {"type": "server_vad", "threshold": 0.5}


def _noise_reduction(config: SessionConfig) -> dict[str, Any]:
    """The default is for a telephone, whose caller may be anywhere. Browsers have their own noise reduction."""
    is_telephone = config.caller_format in (PCMU_8K, PCMA_8K)
    kind = NoiseReduction.FAR_FIELD.value
    return {"noise_reduction": {"type": kind}} if is_telephone and kind in config.capabilities.noise_reduction else {}


def _voice(voice: str) -> dict[str, Any]:
    """A built-in voice by name, an account's own voice by id."""
    if voice.startswith(CUSTOM_VOICE_PREFIX):
        return {"voice": {"id": voice}}
    return {"voice": voice} if voice else {}


def written_item(text: str) -> dict[str, Any]:
    """A text of the caller as a conversation item."""
    return history_item(Turn("user", text))


def history_item(turn: Turn) -> dict[str, Any]:
    """One earlier utterance as a conversation item."""
    role, kind = ("assistant", "output_text") if turn.role == "model" else ("user", "input_text")
    message = {"type": "message", "role": role, "content": [{"type": kind, "text": turn.text}]}
    return {"type": "conversation.item.create", "item": message}


async def configure(socket: ModelSocket, settings: Mapping[str, Any]) -> None:
    """Send the settings and wait until they apply. Raises ProviderError with the vendor's message if it refuses them."""
    socket.send(orjson.dumps({"type": "session.update", "session": settings}))
    while True:
        event = parse_object(await socket.recv()) or {}
        kind = text(event, "type")
        if kind == "session.updated":
            return
        if kind == "error":
            error = child(event, "error")
            is_retryable = text(error, "type") in {"server_error", "rate_limit_error", "rate_limit_exceeded"}
            message = text(error, "message")
            raise ProviderError(
                f"{VENDOR} rejected the session. {message}".strip(),
                retryable=is_retryable,
                refused=refused_choice(f"{text(error, 'param')} {message}"),
            )
