"""Number words to digits: "table for four at seven thirty on the twenty first" → "table for 4 at 7 30 on the 21st"."""

import re

from agents.brain.text import ordinal

_UNITS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen
"""
_TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety"
UNITS = {word: number for number, word in enumerate(_UNITS.split())}
TENS = {word: 10 * number for number, word in enumerate(_TENS.split()) if number >= 2}
SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7, "eighth": 8, "ninth": 9,
    "tenth": 10, "eleventh": 11, "twelfth": 12, "thirteenth": 13, "fourteenth": 14, "fifteenth": 15, "sixteenth": 16,
    "seventeenth": 17, "eighteenth": 18, "nineteenth": 19, "twentieth": 20, "thirtieth": 30,
}  # fmt: skip
REPEATS = {"double": 2, "triple": 3}


def digits_for_words(text: str) -> str:
    """Write the numbers of a `plain` text in digits. Neighbors that do not form a number stay apart ("7 30", "5 5 5")."""
    words = re.sub(r"(?<=[a-z])-(?=[a-z])", " ", text).split()
    out: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        if word in REPEATS and position + 1 < len(words) and (digit := _digit(words[position + 1])) is not None:
            out += [str(digit)] * REPEATS[word]
            position += 2
        elif word in ("oh", "o") and out and out[-1].isdigit():
            out.append("0")
            position += 1
        elif word in UNITS or word in TENS or word in ORDINALS:
            spoken, position = _read_number(words, position)
            out.append(spoken)
        elif word in ("a", "one") and words[position + 1 : position + 2] and words[position + 1] in SCALES:
            words[position] = "one"
        else:
            out.append(word)
            position += 1
    return " ".join(out)


def _digit(word: str) -> int | None:
    if word in ("oh", "o"):
        return 0
    if word in UNITS and UNITS[word] < 10:
        return UNITS[word]
    return int(word) if word.isdigit() and len(word) == 1 else None


def _read_number(words: list[str], position: int) -> tuple[str, int]:
    """The longest well-formed number from `position` on, and where it ends."""
    total, group, last = 0, 0, ""
    while position < len(words):
        word = words[position]
        if word in UNITS and (not last or (last == "tens" and 0 < UNITS[word] < 10) or last == "scale"):
            group, last = group + UNITS[word], "unit"
        elif word in TENS and last in ("", "scale"):
            group, last = group + TENS[word], "tens"
        elif word in ORDINALS and (not last or last == "scale" or (last == "tens" and ORDINALS[word] < 10)):
            return ordinal(total + group + ORDINALS[word]), position + 1
        elif word == "hundred" and last == "unit":
            group, last = group * 100, "scale"
        elif word in SCALES and word != "hundred" and last:
            total, group, last = total + group * SCALES[word], 0, "scale"
        elif word == "and" and last == "scale" and _goes_on(words, position + 1):
            pass
        else:
            break
        position += 1
    return str(total + group), position


def _goes_on(words: list[str], position: int) -> bool:
    return position < len(words) and (words[position] in UNITS or words[position] in TENS)
