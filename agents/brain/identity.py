"""Who the agent is, according to its system prompt."""

import re
from dataclasses import dataclass

from agents.speech.sentences import split_sentences

# How to address what follows "Say" in instructions of the platform or the developer.
LITERAL = re.compile(
    r"(?:say|speak|tell the caller|greet(?: \w+){0,3} with|greeting|respond with)[^\"“]{0,40}[\"“](.+?)[\"”]\s*$",
    re.I | re.S,
)
QUOTED = re.compile(r"[\"“]([^\"”]{8,})[\"”]")
AFTER_COLON = re.compile(
    r"^\s*(?:say|speak|greeting|greet(?: the)? caller(?: with)?)(?: exactly| this)?[^:\n]{0,40}:\s*(.+)$", re.I | re.S
)
TOLD = re.compile(r"^\s*(?:tell|inform) (?:the caller|them|him|her)(?: that)?:? (.+)$", re.I | re.S)
JUST_SAY = re.compile(r"^\s*say (?:exactly )?(?:that )?(?!hello|goodbye|something|hi\b)(.+)$", re.I | re.S)

PERSON = re.compile(r"\b(?i:you are|your name is|you're|named|called) ([A-Z][a-z]+)\b(?! (?:Corp|Inc|Ltd|LLC|Company))")
# A period belongs to the name in "St. Mary's" and "Booking.com"; otherwise it ends the sentence.
PLACE_NAME = (
    r"((?:the )?(?:(?:St|Mt|Dr|Mr|Mrs|Ms)\. )?[A-Z][\w'&-]*(?:\.\w+)*"
    r"(?:(?: (?:of|and|the|&|at|de|la))* [A-Z][\w'&-]*)*(?:'s)?)"
)
ORGANISATION = re.compile(
    rf"\b(?:receptionist|assistant|agent|operator|representative|host|hostess|concierge|clerk|voice|desk|line"
    rf"|support|service|secretary"
    rf"|team|employee|waiter|bot|salesperson)\b[^.\n]{{0,30}}?\b(?:of|at|for|from|in) {PLACE_NAME}"
)
WORKS_FOR = re.compile(
    rf"\b(?:work|working|answer(?:ing)?(?: \w+){{0,3}}|speak|calling|call) (?:for|at|on behalf of|from) {PLACE_NAME}"
)
PURPOSE = re.compile(r"\b(?:you are|you're) calling\b.*?\b(to [a-z].*)", re.S | re.I)

# A greeting meant to be spoken verbatim, rather than an instruction to greet.
SPEECH = re.compile(
    r"^(?:hello|hi|hey|good (?:morning|afternoon|evening|day)|thanks|thank you|welcome to|this is|you(?:'ve"
    r"| have) reached|howdy)\b"
    r"|\bhow (?:can|may) i (?:help|assist)\b|\bwhat can i do for you\b",
    re.I,
)

_VERBS = (
    r"(?:ask|offer|tell|say|speak|greet|welcome the|introduce|mention|explain|respond|reply|answer|wait for|listen|be|keep|stay|stop"
    r"|do not|don't|never|always|use|start|begin|open|thank the|apologi[sz]e|invite|make sure|give|collect|take|try|help|hang"
    r" up|end|transfer|confirm|remind|inform|go on|continue|find out|put|remember|avoid|wish|act|pretend|refer|address|check)\b"
)
# An imperative at the beginning of a sentence or a clause, or a word that only speaks about the caller.
ORDER = re.compile(
    rf"(?:^|[.!?;:\n]\s*|,\s*|\b(?:and|then|but|or|before|after)\s+)(?:please\s+)?(?:also\s+|then\s+)?{_VERBS}"
    r"|\b(?:the|this|your) (?:caller|customer|person|client|user)\b|\b(?:him|her|them) (?:that|if|how|what|to)\b",
    re.I,
)
# A verbatim greeting rarely addresses the agent: "Please hold and don't hang up" is meant for the caller.
DIRECTION = re.compile(
    r"\b(?:the|this|your) (?:caller|customer|person|client|user)\b"
    r"|^(?!hello|hi\b|hey|good |thank|welcome to|this is|you)[a-z]+ (?:them|him|her)\b"
    r"|(?:[.!?;:\n]\s*|,\s*(?:and |then )?|\b(?:and|then)\s+)(?:ask (?:for|them|him|her|their|how|what|if|whether|why)"
    r"|(?:greet|introduce|tell|offer|inform|thank) (?:them|him|her|yourself|to)|be (?:friendly|polite|brief|short|warm|concise|nice|kind)"
    r"|(?:speak|talk|respond|answer) (?:in|with|slowly|only|briefly)|keep (?:it|your)|use (?:a|the|their|his|her)\b"
    r"|do not (?:say|ask|tell|mention)|never )"
    r"|^(?:greet|welcome the|introduce|start|begin|open|ask|tell|say|answer|respond|use|be|act|always|never"
    r"|please (?:greet|ask|say|tell))\b",
    re.I,
)
FORBIDDEN = re.compile(r"\b(?:do not|don't|never|avoid|without|instead of|not)\b[^.!?\n]*$", re.I)


@dataclass(frozen=True, slots=True)
class Identity:
    """A person's name, an organization, and the purpose of the call ("to confirm your table"); each can be empty."""

    person: str
    organisation: str
    purpose: str = ""

    @property
    def _reason(self) -> str:
        return f"I am calling {self.purpose}." if self.purpose else ""

    @property
    def offer(self) -> str:
        return self._reason or "How can I help you?"

    @property
    def _role(self) -> str:
        return f"the demo agent of {self.organisation}" if self.organisation else "the demo agent"

    @property
    def _presentation(self) -> str:
        return f"Hello, this is {self.person}, {self._role}." if self.person else f"Hello, this is {self._role}."

    @property
    def greeting(self) -> str:
        return f"{self._presentation} {self.offer}"

    @property
    def voice_message(self) -> str:
        """The message it leaves on an answering machine."""
        return " ".join(filter(None, (self._presentation, self._reason, "Please call back when you can. Goodbye.")))

    @property
    def introduction(self) -> str:
        """A plain statement of what it is: neither a person nor a language model."""
        who = f"I am {self.person}, a scripted demo agent" if self.person else "I am a scripted demo agent"
        of = f" of {self.organisation}" if self.organisation else ""
        return f"{who}{of}, not a person. {self._reason}".rstrip()


def identity_of(prompt: str) -> Identity:
    """Read the identity from "You are Ada, the receptionist of Luigi's." and "You are calling Jo to confirm their table."."""
    person = PERSON.search(prompt)
    organisation = ORGANISATION.search(prompt) or WORKS_FOR.search(prompt)
    name = re.sub(r"[.,]+$", "", organisation[1]) if organisation else ""
    return Identity(person[1] if person and person[1] != name.split(" ")[0] else "", name, _purpose_of(prompt))


def _purpose_of(prompt: str) -> str:
    purposes = (PURPOSE.search(sentence) for sentence in split_sentences(prompt))
    purpose = next((match[1] for match in purposes if match), "")
    return re.sub(r"\b(?:their|his|her)\b", "your", purpose.rstrip(".!"))


def literal_speech(instructions: str) -> str:
    """The words that instructions want spoken verbatim; "" if they only describe what to say."""
    whole = instructions.strip()
    if SPEECH.search(whole) and not QUOTED.search(whole) and not DIRECTION.search(whole):
        return whole
    for pattern, is_marked in ((LITERAL, True), (QUOTED, True), (AFTER_COLON, True), (TOLD, False), (JUST_SAY, False)):
        match = pattern.search(instructions)
        if match and (is_marked or not is_order(match[1])) and not FORBIDDEN.search(instructions[: match.start(1)]):
            text = match[1].strip()
            return text[:1].upper() + text[1:]
    return ""


def is_order(text: str) -> bool:
    """Whether any part of a text is addressed to the agent instead of the caller."""
    return bool(ORDER.search(text))
