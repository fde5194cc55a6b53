"""Whether words on the line come from a phone that screens calls, a mailbox, or a person.

Phones ask for two things, a name and a reason: https://support.apple.com/guide/iphone/iphe4b3f7823/ios ("record your name and reason
for calling"), https://support.google.com/phoneapp/answer/9118387 ("say your name and why you're calling"). Mailboxes may ask for the
same, but after a tone, or for a message.
"""

import re
from enum import Enum

NAME = re.compile(
    r"\b(?:your name|who (?:is|are|'s) (?:this|calling|you)|who's calling|(?:deinen|ihren) namen|(?:votre|ton) nom|(?:tu|su) nombre"
    r"|(?:tuo|suo) nome|seu nome|(?:je|uw) naam)\b"
)
REASON = re.compile(
    r"\b(?:reason|why|what (?:it's|it is|this is|the call is) about|grund|warum|worum|raison|motif|pourquoi|motivo|razón|por qué"
    r"|perché|por que|reden|waarom)\b"
)
SCREENS = re.compile(
    r"\bsee if (?:this person|he|she|they) (?:is|are) available\b|\bscreening (?:service|your call|this call)\b|\bcall assist\b"
)
MAILBOX = re.compile(
    r"\b(?:leave|leaving|tone|beep|voice ?mail|mailbox|message|signalton|piepton|hinterlassen|nachricht|bip|signal sonore"
    r"|mensaje|buzón|señal|messaggio|segreteria|segnale|mensagem|recado|sinal|bericht|boodschap|toon|piep)\b"
)
PHONE = re.compile(
    r"\b(?:stay on the line|hold on|please hold|please wait|one moment|just a moment|available|goodbye"
    r"|(?:bleiben sie|bleib) (?:dran|am apparat|in der leitung)|verfügbar|erreichbar|warten|ne quittez pas|patientez|disponible|espere"
    r"|espera|no cuelgue|attenda|attendi|resti in linea|disponibile|aguarde|disponível|aan de lijn|beschikbaar|moment geduld)\b"
)


class Speaker(Enum):
    """Who is on the line after the phone has been told who is calling."""

    PHONE = "phone"
    MAILBOX = "mailbox"
    PERSON = "person"


def asks_who_calls(text: str) -> bool:
    """Whether the words since the answer are from a phone that asks who is calling."""
    said = text.lower()
    if MAILBOX.search(said):
        return False
    return bool(SCREENS.search(said) or (NAME.search(said) and REASON.search(said)))


def speaker_of(text: str) -> Speaker:
    """Who says this after the phone has been told."""
    said = text.lower()
    if MAILBOX.search(said):
        return Speaker.MAILBOX
    if PHONE.search(said) or asks_who_calls(said) or not said.strip(" .,!?"):
        return Speaker.PHONE
    return Speaker.PERSON
