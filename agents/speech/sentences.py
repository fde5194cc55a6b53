"""Splits text where a speaker would pause, so that the voice can start with the first sentence, and for the brain's facts."""

import re

ABBREVIATIONS = re.compile(
    r"\b(?:mr|mrs|ms|dr|st|prof|sr|jr|no|vs|etc|e\.g|i\.e|a\.m|p\.m|inc|ltd|approx)\.$", re.IGNORECASE
)
SENTENCE_END = re.compile(r"[.!?…]+[\"')\]]*(?=\s|$)|\n+")
# Synthesis takes a tenth of the speaking time: pieces of this length are ready before the previous one has played …
LONGEST_PIECE = 100
# … and the first is cut at a comma, because the caller is waiting for it.
LONGEST_FIRST_PIECE = 50
SHORTEST_PIECE = 12
BREAKS = (", ", "; ", ": ", " - ")


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, trimmed. Line ends end sentences; "Dr." and "9 a.m." within one do not."""
    sentences, rest = [], text
    while rest:
        sentence, rest = take_sentence(rest, final=True)
        if sentence:
            sentences.append(sentence)
    return sentences


def take_sentence(text: str, *, final: bool) -> tuple[str, str]:
    """The first whole sentence and what follows it. `final`: no more text follows, so the rest counts as one.

    Without `final` the sentence is "" until its end is certain, which takes the character after the mark.
    """
    for match in SENTENCE_END.finditer(text):
        at_end = match.end() == len(text)
        if at_end and not final:
            break
        head, tail = text[: match.end()].strip(), text[match.end() :]
        if tail.strip() and ABBREVIATIONS.search(head) and not tail.lstrip()[:1].isupper():
            continue
        if tail.strip() and re.search(r"\b(?:mr|mrs|ms|dr|st|prof)\.$", head, re.IGNORECASE):
            continue
        if head.strip(".!?… "):
            return head, tail
    return (text.strip(), "") if final else ("", text)


def split_for_speech(text: str) -> list[str]:
    """Sentences, with long ones cut at a comma, otherwise between words, so that no piece makes the caller wait."""
    pieces: list[str] = []
    for sentence in split_sentences(text):
        rest = sentence
        while rest:
            cut = _cut_of(rest, is_first=not pieces)
            pieces.append(rest[:cut].strip())
            rest = rest[cut:].strip()
    return pieces


def _cut_of(text: str, *, is_first: bool) -> int:
    """The end of the first piece of a sentence."""
    longest = LONGEST_FIRST_PIECE if is_first else LONGEST_PIECE
    if len(text) <= longest:
        return len(text)
    pause = max(text.rfind(mark, 0, longest) for mark in BREAKS)
    if pause >= SHORTEST_PIECE:
        return pause + 1
    if len(text) <= LONGEST_PIECE:
        return len(text)
    space = text.rfind(" ", 0, LONGEST_PIECE)
    return space if space > 0 else LONGEST_PIECE
