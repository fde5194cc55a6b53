"""Finds a tool's arguments in what a caller says: one reader for each kind of value in JSON Schema."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from difflib import SequenceMatcher
from enum import Enum, auto
from typing import Any

from agents.brain.moments import find_date, find_time
from agents.brain.phrases import is_no, is_yes
from agents.brain.spoken_numbers import digits_for_words
from agents.brain.text import join_words, label, plain, remove_match, speak_value


class SlotKind(Enum):
    """How a value is spoken."""

    ENUM = auto()
    BOOLEAN = auto()
    INTEGER = auto()
    NUMBER = auto()
    MOMENT = auto()  # a date and a time in one value
    DATE = auto()
    TIME = auto()
    EMAIL = auto()
    PHONE = auto()
    CODE = auto()  # an order number, a customer id
    NAME = auto()
    PLACE = auto()
    TEXT = auto()

    @property
    def is_bare_number(self) -> bool:
        """Whether a lone number could be its value."""
        return self in (SlotKind.INTEGER, SlotKind.NUMBER, SlotKind.TIME)

    @property
    def is_slow(self) -> bool:
        """Whether people pause while saying it."""
        return self in (SlotKind.PHONE, SlotKind.CODE, SlotKind.NAME, SlotKind.EMAIL, SlotKind.TEXT)


# The order in which values are searched: the most recognizable kinds go first and consume their words.
READING_ORDER = (
    SlotKind.EMAIL, SlotKind.ENUM, SlotKind.PHONE, SlotKind.MOMENT, SlotKind.DATE, SlotKind.TIME, SlotKind.INTEGER,
    SlotKind.NUMBER, SlotKind.CODE, SlotKind.BOOLEAN, SlotKind.NAME, SlotKind.PLACE, SlotKind.TEXT,
)  # fmt: skip

# The share of letters that a misheard word must have in common with an option ("lodge" for "large").
ALIKE = 0.6
PLAIN_NAMES = ("name", "customer name", "full name", "guest name", "caller name")
PEOPLE = re.compile(r"\b(?:people|party|guests?|persons?|adults?|pax|covers|seats|attendees)\b")


@dataclass(frozen=True, slots=True)
class Slot:
    """One argument of a tool."""

    name: str
    kind: SlotKind
    schema: Mapping[str, Any]
    is_required: bool

    @property
    def label(self) -> str:
        return label(self.name)

    def describe(self, value: Any) -> str:
        """The name and value, for the final confirmation."""
        return f"{self.label} {speak_value(value)}"

    @property
    def question(self) -> str:
        """How to ask for it."""
        if self.kind is SlotKind.ENUM:
            return f"Which {self.label}: {join_words([speak_value(option) for option in self.schema['enum']], 'or')}?"
        if self.kind is SlotKind.INTEGER and PEOPLE.search(self.label):
            return "For how many people?"
        nouns = {SlotKind.PHONE: "phone number", SlotKind.EMAIL: "e-mail address"}
        if self.kind in nouns and len(self.label.split()) == 1:
            return f"What is the {nouns[self.kind]}?"
        fixed = {
            SlotKind.DATE: "For which date?",
            SlotKind.TIME: "At what time?",
            SlotKind.MOMENT: "For which date and time?",
        }
        if self.kind in fixed and len(self.label.split()) == 1:
            return fixed[self.kind]
        if self.kind is SlotKind.BOOLEAN:
            return f"{self._wording.capitalize()}: yes or no?"
        if self.kind is SlotKind.NAME and self.label in PLAIN_NAMES:
            return "What name, please?"
        return f"What is the {self._wording}?"

    @property
    def _wording(self) -> str:
        """The schema's description where it is short enough to be spoken, else the name in words."""
        description = re.sub(
            r"^(?:the|a|an)\s+", "", str(self.schema.get("description", "")).strip(), flags=re.IGNORECASE
        )
        description = re.split(r"[.(,;:]", description)[0].strip()
        return description[:1].lower() + description[1:] if 0 < len(description.split()) <= 6 else self.label

    def complaint(self, value: Any) -> str:
        """Why the schema rejects this value; empty if it accepts it."""
        low, high = self.schema.get("minimum"), self.schema.get("maximum")
        if isinstance(value, int | float) and not isinstance(value, bool):
            if low is not None and value < low:
                return f"The {self.label} has to be at least {speak_value(low)}."
            if high is not None and value > high:
                return f"The {self.label} can be {speak_value(high)} at most."
        return ""


def slots_of(parameters: Mapping[str, Any]) -> list[Slot]:
    """The slots of a JSON Schema object. If it does not list required properties, all are required."""
    properties: Mapping[str, Any] = parameters.get("properties") or {}
    required = parameters.get("required")
    return [
        Slot(name, _kind_of(name, schema), schema, required is None or name in required)
        for name, schema in properties.items()
        if isinstance(schema, Mapping)
    ]


def _kind_of(name: str, schema: Mapping[str, Any]) -> SlotKind:
    if schema.get("enum"):
        return SlotKind.ENUM
    declared = schema.get("type", "string")
    kinds = {"boolean": SlotKind.BOOLEAN, "integer": SlotKind.INTEGER, "number": SlotKind.NUMBER}
    if isinstance(declared, str) and declared in kinds:
        return kinds[declared]
    formats = {"date": SlotKind.DATE, "time": SlotKind.TIME, "date-time": SlotKind.MOMENT, "email": SlotKind.EMAIL}
    if schema.get("format") in formats:
        return formats[schema["format"]]
    words = label(name)
    for pattern, kind in _KINDS_BY_NAME:
        if re.search(pattern, words):
            return kind
    return SlotKind.TEXT


_KINDS_BY_NAME = (
    (r"\b(?:datetime|date time|date and time|when|starts? at|appointment)\b", SlotKind.MOMENT),
    (r"\b(?:date|day|birthday|arrival|departure|check in|check out)\b", SlotKind.DATE),
    (r"\btime\b", SlotKind.TIME),
    (r"\be ?mail\b", SlotKind.EMAIL),
    (r"\b(?:phone|telephone|mobile|cell|callback|call back|phone number|contact number)\b", SlotKind.PHONE),
    (r"\b(?:number of|count|quantity|amount|party size|guests|people)\b", SlotKind.INTEGER),
    (r"\b(?:number|id|code|reference|ref|pin|zip|postcode|sku|serial|confirmation)\b", SlotKind.CODE),
    (r"\b(?:name|surname|customer|caller|guest|patient)\b", SlotKind.NAME),
    (r"\b(?:city|town|location|place|destination|country|origin|region)\b", SlotKind.PLACE),
)


class Reader:
    """One utterance, from which slots take their values. Used words are removed for the next slot."""

    def __init__(self, text: str, today: date, *, is_evening_likely: bool = False) -> None:
        self.said = text.strip()
        self.plain = plain(text)
        self.rest = digits_for_words(self.plain)
        self._today = today
        self._is_evening_likely = is_evening_likely

    def read(self, slot: Slot, *, is_awaited: bool) -> Any:
        """The slot's value, or None. `is_awaited`: it was asked for, so a bare value is enough."""
        match slot.kind:
            case SlotKind.ENUM:
                return self._option(slot.schema["enum"], is_awaited=is_awaited)
            case SlotKind.BOOLEAN:
                return self._boolean(slot, is_awaited=is_awaited)
            case SlotKind.INTEGER | SlotKind.NUMBER:
                return self._number(slot, is_awaited=is_awaited)
            case SlotKind.MOMENT:
                return self._moment()
            case SlotKind.DATE:
                day = self._date()
                return day.isoformat() if day else None
            case SlotKind.TIME:
                moment = self._time(is_awaited=is_awaited)
                return f"{moment:%H:%M}" if moment else None
            case SlotKind.EMAIL:
                return self._email()
            case SlotKind.PHONE:
                return self._take(r"\+?(?:\d[ ./-]*){7,15}", lambda found: re.sub(r"[^\d+]", "", found))
            case SlotKind.CODE:
                return self._code(slot, is_awaited=is_awaited)
            case SlotKind.NAME:
                return self._name(slot, is_awaited=is_awaited)
            case SlotKind.PLACE:
                return self._place(is_awaited=is_awaited)
            case SlotKind.TEXT:
                return self._free_text(slot, is_awaited=is_awaited)

    def _take(self, pattern: str, clean: Any = str.strip) -> str | None:
        match = re.search(pattern, self.rest)
        if match is None:
            return None
        self.rest = remove_match(match)
        return str(clean(match[0]))

    def _date(self) -> date | None:
        if found := find_date(self.rest, self._today):
            self.rest = found[1]
            return found[0]
        return None

    def _time(self, *, is_awaited: bool) -> time | None:
        # "evening" may have gone with the date already, so the whole text settles the half of the day.
        hint = " ".join(re.findall(r"\b(?:morning|afternoon|evening|tonight|night)\b", self.plain))
        # The recognizer's "seven party" is half past seven.
        rest = re.sub(r"\b(\d{1,2}) (?:party|dirty|thirsty)\b", r"\1 30", self.rest)
        found = find_time(f"{rest} {hint}", is_awaited=is_awaited, is_evening_likely=self._is_evening_likely)
        if found is None:
            return None
        self.rest = found[1]
        return found[0]

    def _moment(self) -> str | None:
        before = self.rest
        day = self._date()
        moment = self._time(is_awaited=day is not None)
        if day is None or moment is None:
            self.rest = before
            return None
        return datetime.combine(day, moment).isoformat()

    def _option(self, options: list[Any], *, is_awaited: bool) -> Any:
        for option in sorted(options, key=lambda option: -len(str(option))):
            words = digits_for_words(plain(label(str(option))))
            if re.search(rf"\b{re.escape(words)}s?\b", self.rest):
                self.rest = re.sub(rf"\b{re.escape(words)}s?\b", " ", self.rest, count=1)
                return option
        if is_awaited and options:
            said = self.rest.split()
            likeness = {
                index: max((SequenceMatcher(None, word, label(str(option))).ratio() for word in said), default=0.0)
                for index, option in enumerate(options)
            }
            best = max(likeness, key=lambda index: likeness[index])
            return options[best] if likeness[best] >= ALIKE else None
        return None

    def _boolean(self, slot: Slot, *, is_awaited: bool) -> bool | None:
        words = [word for word in slot.label.split() if word not in ("is", "has", "wants", "needs", "with", "include")]
        if words and all(re.search(rf"\b{re.escape(word)}", self.rest) for word in words):
            return not re.search(rf"\b(?:no|not|without|don't|isn't)\b.{{0,20}}\b{re.escape(words[0])}", self.rest)
        if is_awaited and (is_no(self.plain) or is_yes(self.plain)):
            return not is_no(self.plain)
        return None

    def _number(self, slot: Slot, *, is_awaited: bool) -> int | float | None:
        unit = re.escape(slot.label.split()[-1].rstrip("s"))
        patterns = [rf"\b{unit}s?(?: (?:is|of|to))? (\d+(?:\.\d+)?)\b", rf"\b(\d+(?:\.\d+)?) {unit}s?\b"]
        if PEOPLE.search(slot.label):
            patterns += [
                r"\b(\d+) (?:people|persons?|guests|adults|of us|pax)\b",
                r"\b(?:table|party|reservation|booking|room|seats?)(?: of| for)? (\d+)\b",
                r"\bfor (\d+)\b(?! ?(?:am|pm|o'clock|st|nd|rd|th|:))",
            ]
            if is_awaited and re.search(r"\b(?:just|only) (?:me|myself)\b|^me$", self.rest):
                return 1
        if is_awaited:
            patterns.append(r"(?<![\d:/])\b(\d+(?:\.\d+)?)\b(?!(?:st|nd|rd|th|[:/]))")
            self.rest = re.sub(r"\ba couple(?: of)?\b|^(?:to|too)$", "2", self.rest)
            self.rest = re.sub(r"^(?:for|four)$", "4", self.rest)
        for pattern in patterns:
            if match := re.search(pattern, self.rest):
                self.rest = remove_match(match)
                value = float(match[1])
                return int(value) if slot.kind is SlotKind.INTEGER or value.is_integer() else value
        return None

    def _email(self) -> str | None:
        spoken = re.sub(r"\s+(?:at|@)\s+", "@", self.rest)
        spoken = re.sub(r"\s+dot\s+|\s*\.\s*", ".", spoken)
        match = re.search(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", spoken)
        if match is None:
            return None
        self.rest = remove_match(match)
        return match[0]

    def _code(self, slot: Slot, *, is_awaited: bool) -> str | None:
        if is_awaited:
            words = _FILLERS.sub("", self.rest).split()
            pieces = [word for word in words if re.fullmatch(r"[a-z]|[a-z]*\d[a-z\d-]*", word)]
            if any(any(c.isdigit() for c in p) for p in pieces):
                return "".join(pieces).upper()
            return None
        last = re.escape(slot.label.split()[-1])
        match = re.search(
            rf"\b(?:{last}|number|order|reference)(?: (?:is|number|id|code))* ((?:[a-z]? ?-?\d+[ -]?)+)", self.rest
        )
        if match is None:
            return None
        self.rest = self.rest.replace(match[1], " ", 1)
        return re.sub(r"[ -]", "", match[1]).upper()

    def _name(self, slot: Slot, *, is_awaited: bool) -> str | None:
        word = r"([a-z][a-z'-]*(?: [a-z][a-z'-]*){0,3}?)"
        end = r"(?= (?:and|on|at|for|please|my|the|from|with|tomorrow|today|i|but|thanks|in)\b|$)"
        leads = r"(?:my name is|my name's|name is|name's|under(?: the name)?(?: of)?|call me|this is|i am|i'm|it's)"
        match = re.search(rf"\b{leads} {word}{end}", " ".join(self.rest.split()))
        if match and not _NO_NAME.match(match[1]):
            return _capitalise(match[1])
        if not is_awaited:
            return None
        bare = _FILLERS.sub("", " ".join(self.rest.split()))
        if re.fullmatch(r"(?:[a-z] ){2,}[a-z]", bare):
            return bare.replace(" ", "").capitalize()
        words = bare.split()
        if 0 < len(words) <= 4 and not re.search(r"\d", bare) and not _NO_NAME.match(bare):
            return _capitalise(bare)
        return None

    def _place(self, *, is_awaited: bool) -> str | None:
        match = _AT_PLACE.search(self.said)
        if match and not find_date(plain(match[1]), self._today):
            return match[1]
        if not is_awaited:
            return None
        bare = _FILLERS.sub("", self.plain)
        bare = re.sub(r"^(?:in|at|to|from) ", "", bare)
        return _capitalise(bare) if 0 < len(bare.split()) <= 6 else None

    def _free_text(self, slot: Slot, *, is_awaited: bool) -> str | None:
        if is_awaited:
            text = re.sub(r"^(?:(?:um|uh|yes|okay|well|so|it's|it is|that)[, ]+)+", "", self.said, flags=re.IGNORECASE)
            return text.rstrip(" .") or None
        match = re.search(rf"\b{re.escape(slot.label)}(?: is| that| saying) (\w[\w' ]+)$", self.plain)
        return match[1] if match else None


_AT_PLACE = re.compile(r"\b(?:in|at|for|to|from|near|around)\s+((?:[A-Z][\w'-]+)(?:\s+[A-Z][\w'-]+)*)")
_FILLERS = re.compile(
    r"^(?:(?:um|uh|er|yes|yeah|sure|okay|ok|well|so|it's|it is|that's|that is|this is|i'm|i am|the name is|under|for"
    r"|call me"
    r"|put it under|make it|please|the)\s)+"
)
_NO_NAME = re.compile(
    r"(?:a|an|the|my|your|not|calling|looking|here|fine|good|sorry|just|going|trying|interested|wondering|what|when"
    r"|where|how|why|"
    r"can|could|do|does|is|are|no|yes|yeah|correct|right|in|on|at|for|this|that|it|i|we|you|please|okay|today"
    r"|tomorrow|tonight"
    r"|monday|tuesday|wednesday|thursday|friday|saturday|sunday|one|two|people|never|wrong|about|all|hello|hi|wait"
    r"|change)\b"
)


def _capitalise(text: str) -> str:
    return " ".join(word[:1].upper() + word[1:] for word in text.split() if word != "please")
