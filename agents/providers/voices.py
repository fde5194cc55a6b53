"""The voices that each vendor's realtime models have. Plain data: naming them needs no SDK."""

# https://platform.openai.com/docs/guides/realtime
OPENAI_VOICES = frozenset({"alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse"})
# https://ai.google.dev/gemini-api/docs/speech-generation#voices
# fmt: off
GEMINI_VOICES = frozenset({
    "Achernar", "Achird", "Algenib", "Algieba", "Alnilam", "Aoede",
    "Autonoe", "Callirrhoe", "Charon", "Despina", "Enceladus", "Erinome",
    "Fenrir", "Gacrux", "Iapetus", "Kore", "Laomedeia", "Leda",
    "Orus", "Puck", "Pulcherrima", "Rasalgethi", "Sadachbia", "Sadaltager",
    "Schedar", "Sulafat", "Umbriel", "Vindemiatrix", "Zephyr", "Zubenelgenubi",
})
# fmt: on


def known_voices() -> list[tuple[str, str]]:
    """(voice, vendor) of every voice, to choose from."""
    return [
        *((name, "Google") for name in sorted(GEMINI_VOICES)),
        *((name, "OpenAI") for name in sorted(OPENAI_VOICES)),
    ]
