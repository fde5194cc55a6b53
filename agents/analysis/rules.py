"""Analysis without a model: rules that recognize what callers say plainly.

They find much less than a model and invent nothing. Used if no key is configured; results name it (`offline_rules`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from django.utils import timezone

from agents.analysis.answer import undecided
from agents.analysis.base import Analyzer, Line
from agents.brain.phrases import GOODBYE, HELLO, THANKS, is_no, is_yes
from agents.brain.slots import Reader, Slot, slots_of
from agents.brain.spoken_numbers import digits_for_words
from agents.brain.text import content_words, label, plain, stem
from agents.speech.sentences import split_sentences

# Words of descriptions that carry no meaning.
_GENERIC = """
caller customer user person client agent call conversation mention mentioned express expressed state stated say said clear clearly
whether null not if found brief short sentence sentences did does has had during about they their them any
"""
GENERIC = {stem(word) for word in _GENERIC.split()}
# Synonyms, by stem: in descriptions, and as callers say them.
ALIKE: Mapping[str, str] = {
    "purchas": "buy buying purchase order",
    "schedul": "book appointment schedule",
    "book": "book reserve reservation appointment",
    "complain": "complaint complain unhappy angry terrible refund",
    "callback": "call me back",
    "cancel": "cancel cancellation",
}
NEGATION = re.compile(r"\b(?:no|not|never|don't|doesn't|didn't|isn't|won't|can't|cannot|without|nothing)\b")
SUMMARY = re.compile(r"\b(?:summary|summari[sz]e|overview|recap|notes?|description of the call)\b")
REASON = re.compile(r"\b(?:reason|purpose|topic|intent|request|issue|problem|question|subject|concern)\b")
MONEY = re.compile(r"\b(?:budget|price|cost|amount|dollars?|money|revenue|salary|income|spend|pay|fee)\b")
SUM = re.compile(r"\$ ?(\d+(?:\.\d+)?)( ?(?:k|thousand|million)\b)?|\b(\d+(?:\.\d+)?)( ?k)? ?(?:dollars?|bucks|usd)\b")
SCALES = {"k": 1_000, "thousand": 1_000, "million": 1_000_000}
# How callers express common outcomes: (option, speech). The first that matches an option wins.
OUTCOMES = (
    (r"\bnot interested\b|\bdeclined?\b", r"\bnot interested\b|\bno thank|\bdon't (?:want|need)\b|\bnot for (?:me|us)\b"),
    (r"\bcall ?back\b|\bfollow up\b", r"\bcall (?:me|us)? ?(?:back|later|again)\b|\banother time\b"),
    (r"\bwrong number\b|\bwrong person\b", r"\bwrong (?:number|person)\b|\bnobody (?:here )?by that name\b"),
    (r"\bbooked\b|\bappointment\b|\bscheduled\b", r"\b(?:book|reserve|schedule|appointment|reservation)\b"),
    (r"\bcomplaint\b|\bnegative\b|\bunhappy\b", r"\bcomplain|\bunhappy\b|\bangry\b|\bterrible\b|\brefund\b"),
    (r"\bpositive\b|\bhappy\b|\bsatisfied\b", r"\b(?:great|perfect|excellent|wonderful|happy|love)\b"),
    (r"\binterested\b|\bqualified\b", r"\binterested\b|\bsounds? (?:good|great)\b|\bsign (?:me|us) up\b|\bi(?:'d| would) like\b"),
)  # fmt: skip
SUMMARY_SENTENCES = 2


@dataclass(frozen=True)
class Said:
    """What the caller said at one time, and what the agent said before it."""

    text: str
    before: str

    @cached_property
    def plain(self) -> str:
        """With numbers in digits and dollar signs kept."""
        return digits_for_words(plain(self.text))

    @cached_property
    def asked(self) -> set[str]:
        """The content words of the agent's question; empty if it asked none."""
        return content_words(self.before) if "?" in self.before else set()


class RuleAnalyzer(Analyzer):
    source = "offline_rules"

    def analyze(self, schema: Mapping[str, Any], transcript: Sequence[Line]) -> dict[str, Any]:
        said = _by_caller(transcript)
        readers = {"text": read_text, "boolean": read_boolean, "number": read_number, "selector": read_selector}
        return {name: readers[field["type"]](name, field, said) for name, field in schema.items()}


def _by_caller(transcript: Sequence[Line]) -> list[Said]:
    found, before = [], ""
    for line in transcript:
        if line.role == "user":
            found.append(Said(line.text, before))
        before = line.text if line.role != "user" else ""
    return found


def read_text(name: str, field: Mapping[str, Any], said: Sequence[Said]) -> str | None:
    """A summary in the caller's words, the reason for the call, or a value named like the field."""
    about = f"{label(name)} {field['description'].lower()}"
    if SUMMARY.search(about):
        return " ".join(_statements(said)[:SUMMARY_SENTENCES]) or None
    value = _slot_value(_slot(name, "string"), field, said)
    if value is not None:
        return str(value)
    if REASON.search(label(name)):
        return next(iter(_statements(said)), None)
    return None


def read_boolean(name: str, field: Mapping[str, Any], said: Sequence[Said]) -> bool:
    """The last statement about it, literal or as an answer to the agent's question."""
    named = _widened(content_words(label(name)) - GENERIC)
    described = _widened(content_words(field["description"]) - GENERIC)
    verdict = False
    for one in said:
        spoken = content_words(one.plain)
        if named & one.asked or len(described & one.asked) >= 2:
            if is_no(one.plain):
                verdict = False
                continue
            if is_yes(one.plain):
                verdict = True
                continue
        if named & spoken or len(described & spoken) >= 2:
            verdict = not NEGATION.search(one.plain)
    return verdict


def read_number(name: str, field: Mapping[str, Any], said: Sequence[Said]) -> int | float | None:
    """The last number named like the field or given as an answer to a question for it; for money also a bare amount."""
    found = _slot_value(_slot(name, "number"), field, said)
    if found is None and MONEY.search(f"{label(name)} {field['description'].lower()}"):
        sums = [match for one in said for match in SUM.finditer(one.plain)]
        found = _sum(sums[-1]) if sums else None
    return found if isinstance(found, int | float) and not isinstance(found, bool) else None


def _sum(match: re.Match[str]) -> int | float:
    scale = SCALES.get((match[2] or match[4] or "").strip(), 1)
    value = float(match[1] or match[3]) * scale
    return int(value) if value.is_integer() else value


def read_selector(name: str, field: Mapping[str, Any], said: Sequence[Said]) -> str:
    """The option that the caller mentioned last; otherwise one that claims nothing."""
    options: list[str] = field["options"]
    chosen = ""
    for one in said:
        chosen = _option(options, one.plain) or chosen
    return chosen or undecided(options)


def _option(options: Sequence[str], spoken: str) -> str:
    for pattern, speech in OUTCOMES:
        option = next((option for option in options if re.search(pattern, label(option))), "")
        if option and re.search(speech, spoken):
            return option
    for option in sorted(options, key=len, reverse=True):
        words = re.escape(digits_for_words(plain(label(option))))
        match = re.search(rf"\b{words}\b", spoken) if words else None
        if match and not NEGATION.search(spoken[max(0, match.start() - 24) : match.start()]):
            return option
    return ""


def _slot(name: str, kind: str) -> Slot:
    return slots_of({"properties": {name: {"type": kind}}})[0]


def _slot_value(slot: Slot, field: Mapping[str, Any], said: Sequence[Said]) -> Any:
    """The last value, as the offline agent itself would read it."""
    today: date = timezone.now().date()
    wanted = (content_words(slot.label) | content_words(field["description"])) - GENERIC
    found = None
    for one in said:
        value = Reader(one.text, today).read(slot, is_awaited=bool(wanted & one.asked))
        found = value if value is not None else found
    return found


def _statements(said: Sequence[Said]) -> list[str]:
    """What the caller said, without mere politeness."""
    sentences = [sentence for one in said for sentence in split_sentences(one.text)]
    return [sentence for sentence in sentences if not _is_politeness(plain(sentence))]


def _is_politeness(text: str) -> bool:
    is_phrase = HELLO.search(text) or THANKS.search(text) or GOODBYE.search(text)
    return bool(is_phrase) or len(content_words(text)) < 2


def _widened(words: set[str]) -> set[str]:
    return words | {other for word in words for other in content_words(ALIKE.get(word, ""))}
