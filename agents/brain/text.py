"""Normalizing recognized speech, and making values speakable."""

import html
import re
from datetime import date, datetime, time
from typing import Any

_SMALL = """
a an and are at be can could do does for from have how i in is it me my of on or our please so some tell that the
there this to want was we what when where which who will with would you your um uh er hm hmm oh well
"""
SMALL_WORDS = frozenset(_SMALL.split())


# `<break time="1s"/>`, `</speak>`; but not "a < b" or "<3".
MARKS = re.compile(r"</?[a-zA-Z][\w:.-]*(?:\s[^<>]*)?/?>|<!--.*?-->|<\?[^<>]*\?>", re.DOTALL)


def without_marks(text: str) -> str:
    """A text without the marks of SSML or HTML, its entities resolved."""
    return html.unescape(MARKS.sub(" ", text)) if "<" in text or "&" in text else text


def plain(text: str) -> str:
    """Lower case without punctuation, except what numbers, times and email addresses consist of."""
    lowered = text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    lowered = re.sub(r"\bto-(day|night|morrow)\b", r"to\1", lowered)
    lowered = re.sub(r"\b([ap])\.?\s?m\b\.?", r"\1m", lowered)
    lowered = re.sub(r"(?<=\d),(?=\d{3}\b)", "", lowered)
    lowered = re.sub(r"(?<=\d)(?=[ap]m\b)", " ", lowered)
    lowered = re.sub(r"[.:,](?!\d)|(?<!\d)[.:,]|[!?;\"()\[\]{}…]", " ", lowered)
    return " ".join(re.sub(r"(?<!\w)-|-(?!\w)|(?<=[a-z])-(?=[a-z])", " ", lowered).split())


def content_words(text: str) -> set[str]:
    """The words that carry meaning, with the commonest endings taken off."""
    words = re.findall(r"[a-z0-9']+", plain(text))
    return {stem(word) for word in words if word not in SMALL_WORDS}


def stem(word: str) -> str:
    """A crude stem: enough to see that "bookings" and "booked" have to do with "book"."""
    for ending in ("ations", "ation", "ings", "ing", "ies", "ed", "es", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            # "mondays" loses its "s" and then, as "monday" does, its "y".
            return stem(word[: -len(ending)]) if ending == "s" else word[: -len(ending)]
    return word


def label(name: str) -> str:
    """`partySize`, `party_size` → "party size"."""
    return re.sub(r"[_\-\s]+", " ", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)).strip().lower()


def remove_match(match: re.Match[str]) -> str:
    """The searched text with a space in place of the match."""
    return match.string[: match.start()] + " " + match.string[match.end() :]


def as_sentence(text: str) -> str:
    """The text with a capital first letter and punctuation at the end."""
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def join_words(words: list[str], last: str = "and") -> str:
    """ "a", "a and b", "a, b and c"."""
    return f" {last} ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def ordinal(number: int) -> str:
    """1 → "1st"."""
    suffix = "th" if 10 < number % 100 < 14 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def speak_date(day: date) -> str:
    """ "Monday, November 23rd"."""
    return f"{day:%A, %B} {ordinal(day.day)}"


def speak_time(moment: time) -> str:
    """ "7:30 PM"; a full hour without its zeros."""
    hour, half = moment.hour % 12 or 12, "AM" if moment.hour < 12 else "PM"
    return f"{hour}:{moment.minute:02d} {half}" if moment.minute else f"{hour} {half}"


def speak_value(value: Any) -> str:
    """A JSON value as people would say it: dates and times in spoken form, long digit strings digit by digit."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "nothing"
    if isinstance(value, list):
        return join_words([speak_value(item) for item in value]) or "nothing"
    if isinstance(value, dict):
        return ", ".join(f"{label(key)} {speak_value(item)}" for key, item in value.items())
    if isinstance(value, float):
        return f"{value:.2f}".rstrip("0").rstrip(".")
    text = str(value).strip()
    if spoken := _speak_moment(text):
        return spoken
    if re.fullmatch(r"\+?\d{6,}", text):
        return " ".join(text.lstrip("+"))
    return text


def _speak_moment(text: str) -> str:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        try:
            return speak_date(date.fromisoformat(text))
        except ValueError:
            return ""
    try:
        if re.fullmatch(r"\d\d:\d\d(:\d\d)?", text):
            return speak_time(time.fromisoformat(text))
        if re.fullmatch(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*", text):
            moment = datetime.fromisoformat(text)
            return f"{speak_date(moment.date())} at {speak_time(moment.time())}"
    except ValueError:
        return ""
    return ""
