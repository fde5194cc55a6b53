"""Dates and times as people say them.

Each reader takes a text with digits and gives the value and the words it used.
"""

import re
from datetime import date, time, timedelta

from agents.brain.text import remove_match

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sept?|oct|nov|dec)[a-z]*"
DAY = r"(\d{1,2})(?:st|nd|rd|th)?"

Found = tuple[re.Match[str], date] | None


def find_date(text: str, today: date) -> tuple[date, str] | None:
    """The first date named in a text, in the future if ambiguous, and the text without it."""
    for reader in (_iso, _relative, _weekday, _month_and_day, _numeric, _day_of_month):
        if found := reader(text, today):
            match, day = found
            return day, remove_match(match)
    return None


def _iso(text: str, today: date) -> Found:
    if match := re.search(r"\b(\d{4})-(\d{1,2})-(\d{1,2})\b", text):
        return _valid(match, int(match[1]), int(match[2]), int(match[3]))
    return None


def _relative(text: str, today: date) -> Found:
    if match := re.search(r"\b(?:the )?day after tomorrow\b", text):
        return match, today + timedelta(days=2)
    if match := re.search(r"\b(?:today|tonight|this (?:morning|afternoon|evening))\b", text):
        return match, today
    if match := re.search(r"\btomorrow\b", text):
        return match, today + timedelta(days=1)
    if match := re.search(r"\bin (\d+|a) (day|week)s?\b", text):
        count = 1 if match[1] == "a" else int(match[1])
        return match, today + timedelta(days=min(count, 1000) * (7 if match[2] == "week" else 1))
    return None


def _weekday(text: str, today: date) -> Found:
    pattern = (
        rf"\b(?:on |this |next |coming )*({'|'.join(WEEKDAYS)})\b(?: (?:the )?{DAY}\b(?! ?(?:people|am|pm|o'clock)))?"
    )
    if not (match := re.search(pattern, text)):
        return None
    if match[2] and re.search(r"(?:st|nd|rd|th)\b|the \d", match[0]):
        return _day_of_month(match[0], today, match)
    ahead = (WEEKDAYS.index(match[1]) - today.weekday() - 1) % 7 + 1
    end = match.start() + match[0].index(match[1]) + len(match[1])
    shorter = re.compile(re.escape(text[match.start() : end])).match(text, match.start())
    return (shorter or match), today + timedelta(days=ahead)


def _month_and_day(text: str, today: date) -> Found:
    first = re.search(rf"\b(?:on )?(?:the )?{DAY} (?:of )?{MONTH}\b(?: (\d{{4}}))?", text)
    second = None if first else re.search(rf"\b(?:on )?{MONTH} (?:the )?{DAY}\b(?: (\d{{4}}))?", text)
    match = first or second
    if match is None:
        return None
    day, month = (match[1], match[2]) if first else (match[2], match[1])
    number = MONTHS.index(month[:3]) // 4 + 1
    if match[3]:
        return _valid(match, int(match[3]), number, int(day))
    this_year = _valid(match, today.year, number, int(day))
    if this_year and this_year[1] >= today:
        return this_year
    return _valid(match, today.year + 1, number, int(day))


def _numeric(text: str, today: date) -> Found:
    if match := re.search(r"\b(\d{1,2})/(\d{1,2})(?:/(\d{4}))?\b", text):
        year = int(match[3]) if match[3] else today.year
        found = _valid(match, year, int(match[1]), int(match[2]))
        return _valid(match, year + 1, int(match[1]), int(match[2])) if found and found[1] < today else found
    return None


def _day_of_month(text: str, today: date, whole: re.Match[str] | None = None) -> Found:
    match = re.search(r"\b(?:on )?(?:the )?(\d{1,2})(?:st|nd|rd|th)\b|\bthe (\d{1,2})\b", text)
    if match is None or re.search(rf"\b{MONTH} (?:the )?\d|\d(?:st|nd|rd|th)? (?:of )?{MONTH}\b", text):
        return None
    day, month, year = int(match[1] or match[2]), today.month, today.year
    for _ in range(12):
        found = _valid(whole or match, year, month, day)
        if found and found[1] >= today:
            return found
        year, month = (year, month + 1) if month < 12 else (year + 1, 1)
    return None


def _valid(match: re.Match[str], year: int, month: int, day: int) -> Found:
    try:
        return match, date(year, month, day)
    except ValueError:
        return None


CLOCK = re.compile(
    r"\b(?P<half>half past|half) (?P<half_hour>\d{1,2})\b"
    r"|\b(?P<quarter>quarter|\d{1,2})(?: minutes?)? (?P<side>past|after|to|before) (?P<side_hour>\d{1,2})\b"
    r"|(?<!\d )\b(?:(?:at|around|about|by) )?(?P<hour>\d{1,2})[: .](?P<minute>[0-5]\d|0 \d)\b(?! ?(?:\d|people"
    r"|guests|persons))"
    r"|\b(?P<full>\d{1,2}) ?(?:am|pm|o'? ?clock)\b"
    r"|\b(?:at|around|about|by|until|till|from) (?P<at>\d{1,2})\b(?! ?(?:people|guests|persons|st|nd|rd|th))"
    r"|\b(?P<named>noon|midday|midnight)\b"
)
BARE_HOUR = re.compile(r"^\D*\b(?P<at>\d{1,2})\b(?! ?(?:people|guests|persons))\D*$")


def find_time(text: str, *, is_awaited: bool, is_evening_likely: bool) -> tuple[time, str] | None:
    """The first time of day in a text with digits, and the text without it. `is_awaited` lets a bare hour count.

    Where neither "am" nor "in the evening" settles it, one to seven are taken to be after noon, and with
    `is_evening_likely` (a table, a dinner) eight to eleven too; the caller hears it before it counts.
    """
    match = CLOCK.search(text) or (BARE_HOUR.search(text) if is_awaited else None)
    if match is None:
        return None
    hour, minute = _hour_and_minute(match)
    is_named = match.groupdict().get("named")
    if not 0 <= hour < 24 or (hour == 0 and not is_named and not match.groupdict().get("hour")):
        return None
    if not is_named:
        hour = _settle_half(hour, text, is_evening_likely=is_evening_likely)
    rest = remove_match(match)
    rest = re.sub(r"\b(?:am|pm|o'? ?clock|in the (?:morning|afternoon|evening)|at night)\b", " ", rest)
    return time(hour, minute), rest


def _hour_and_minute(match: re.Match[str]) -> tuple[int, int]:
    found = match.groupdict()
    if found.get("half"):
        return int(found["half_hour"]), 30
    if found.get("quarter"):
        minutes = 15 if found["quarter"] == "quarter" else int(found["quarter"])
        hour = int(found["side_hour"])
        if found["side"] in ("past", "after"):
            return hour, minutes % 60
        return (hour - 1) % 12 or 12, (60 - minutes) % 60
    if found.get("hour"):
        return int(found["hour"]), int(found["minute"].replace(" ", ""))
    if found.get("named"):
        return (0 if found["named"] == "midnight" else 12), 0
    return int(found.get("full") or found["at"]), 0


def _settle_half(hour: int, text: str, *, is_evening_likely: bool) -> int:
    if hour > 12 or hour == 0:
        return hour
    if re.search(r"\bam\b|\bmorning\b", text):
        return hour % 12
    if hour == 12:
        return 12
    if re.search(r"\bpm\b|\b(?:afternoon|evening|tonight|night)\b", text) or hour <= 7 or is_evening_likely:
        return hour + 12
    return hour
