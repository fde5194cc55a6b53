"""A call's script as TwiML: https://www.twilio.com/docs/voice/twiml

Every document ends by requesting the next one, so a call always has one.
"""

from twilio.twiml.voice_response import Conference, Connect, Dial, Gather, VoiceResponse

from agents.model_catalog.languages import nearest_code
from phone_numbers.carriers.twilio.call_scripts import Piece, Script

CONTENT_TYPE = "text/xml"
# <Say> and <Gather>: https://www.twilio.com/docs/voice/twiml/say/text-speech and /gather/gather-attributes
LANGUAGES = (
    "arb", "ca-ES", "cmn-CN", "cy-GB", "da-DK", "de-AT", "de-DE", "en-AU", "en-GB", "en-IN", "en-US", "es-ES", "es-MX", "es-US", "fi-FI",
    "fr-CA", "fr-FR", "hi-IN", "is-IS", "it-IT", "ja-JP", "ko-KR", "nb-NO", "nl-NL", "pl-PL", "pt-BR", "pt-PT", "ro-RO", "ru-RU", "sv-SE",
    "tr-TR",
)  # fmt: skip
HEARD_LANGUAGES = (
    "af-ZA", "ar-EG", "bg-BG", "ca-ES", "cs-CZ", "da-DK", "de-DE", "el-GR", "en-AU", "en-GB", "en-IN", "en-US", "es-ES", "es-MX", "es-US",
    "fi-FI", "fr-CA", "fr-FR", "he-IL", "hi-IN", "hr-HR", "hu-HU", "id-ID", "it-IT", "ja-JP", "ko-KR", "ms-MY", "nb-NO", "nl-NL", "pl-PL",
    "pt-BR", "pt-PT", "ro-RO", "ru-RU", "sk-SK", "sv-SE", "th-TH", "tr-TR", "uk-UA", "vi-VN",
)  # fmt: skip
DEFAULT_LANGUAGE = "en-US"
RING_POLL_SECONDS = 1
HOLD_SECONDS = 60
# Seconds of silence until <Gather> ends: after speech, so that its end is reported soon; and while only listening.
AFTER_SPEECH_SECONDS, LISTEN_SECONDS = 1, 30
# A file or key that answers the call; with <Pause> as the first verb it would continue to ring.
ANSWERING_KEYS = "w"


def ring_on(next_url: str) -> str:
    """The call is not answered yet: neither an initial pause nor <Redirect> answers it."""
    response = VoiceResponse()
    response.pause(length=RING_POLL_SECONDS)
    response.redirect(next_url, method="POST")
    return str(response)


def go_on(next_url: str) -> str:
    """Request the next document immediately."""
    response = VoiceResponse()
    response.redirect(next_url, method="POST")
    return str(response)


def refuse() -> str:
    """Reject as busy. As the first verb it is free."""
    response = VoiceResponse()
    response.reject(reason="busy")
    return str(response)


def nothing() -> str:
    """An empty response for callbacks, which Twilio ignores."""
    return str(VoiceResponse())


def stream(url: str, next_url: str) -> str:
    """Stream the call's audio until the connection ends."""
    response = VoiceResponse()
    connect = Connect()
    connect.stream(url=url)
    response.append(connect)
    response.redirect(next_url, method="POST")
    return str(response)


def room(name: str) -> str:
    """Join the conference with that name. It ends for all when one participant leaves."""
    response = VoiceResponse()
    dial = Dial()
    dial.append(Conference(name, beep=False, start_conference_on_enter=True, end_conference_on_exit=True, wait_url=""))
    response.append(dial)
    response.hangup()
    return str(response)


def speak(pieces: list[Piece], next_url: str) -> str:
    """Speak without listening."""
    response = VoiceResponse()
    for piece in pieces:
        response.say(piece.text, **_voice(piece))
    response.redirect(next_url, method="POST")
    return str(response)


def listen(script: Script, pieces: list[Piece], *, heard_url: str, partial_url: str) -> str:
    """Listen while speaking the pieces. Speech interrupts them if callers can interrupt.

    Keys only count while nothing is spoken, because they would interrupt it, too.
    """
    response = VoiceResponse()
    gather = Gather(
        input="speech" if pieces else "dtmf speech",
        action=heard_url,
        method="POST",
        partial_result_callback=partial_url,
        partial_result_callback_method="POST",
        action_on_empty_result=True,
        timeout=AFTER_SPEECH_SECONDS if pieces else LISTEN_SECONDS,
        speech_timeout="auto",
        barge_in=script.is_interruptible,
        language=nearest_code(script.language, HEARD_LANGUAGES) or DEFAULT_LANGUAGE,
        **({} if pieces else {"num_digits": 1}),
    )
    for piece in pieces:
        gather.say(piece.text, **_voice(piece))
    response.append(gather)
    response.redirect(heard_url, method="POST")
    return str(response)


def wait(next_url: str, *, answers: bool) -> str:
    """Wait for the next command. With `answers`, answer the call first."""
    response = VoiceResponse()
    if answers:
        response.play(digits=ANSWERING_KEYS)
    response.pause(length=HOLD_SECONDS)
    response.redirect(next_url, method="POST")
    return str(response)


def _voice(piece: Piece) -> dict[str, str]:
    """A voice in Twilio's notation, `Polly.Joanna-Neural`, is used unchanged; other names are voices of a model."""
    fields = {"language": nearest_code(piece.language, LANGUAGES) or DEFAULT_LANGUAGE}
    return {**fields, "voice": piece.voice} if "." in piece.voice else fields
