"""Searching calls: by a phone number, or by the words that were said."""

import re

from django.contrib.postgres.search import SearchQuery, SearchVector
from django.db.models import OuterRef, Q, QuerySet, Subquery

from bubblyphone.core.json.documents import parse_stored_json
from calls.models import TRANSCRIPT_LANGUAGE, Call, TranscriptEntry

FEW = 5000  # transcript entries, in all accounts, that are read one by one
NEWEST = 10_000  # calls that are searched for a number that repeats one digit
_NUMBER = re.compile(r"\+?[\d\s().-]{3,}")
_NO_DIGIT = re.compile(r"\D+")


def search(calls: QuerySet[Call], text: str) -> QuerySet[Call]:
    """Calls with a number that contains these digits or, for other texts, in whose transcript these words were said, all in one turn.

    "Quoted words" must be adjacent, and a word after a minus must not occur (PostgreSQL's `websearch_to_tsquery`).
    """
    if digits := _digits_of(text):
        return (newest(calls) if is_one_digit(text) else calls).filter(has_number_with(digits))
    said = entries_with(text)
    if _expected(said) <= FEW:
        # Distinct, so that PostgreSQL finds all of them by their words before it looks at any call.
        return calls.filter(pk__in=said.order_by().values("call_id").distinct())
    # Many calls contain these words, so the first matching calls are found quickly. PostgreSQL's own plan would read the transcripts of all
    # accounts alongside these calls.
    in_call = said.filter(call=OuterRef("pk")).order_by().values("pk")[:1]
    return calls.alias(said=Subquery(in_call)).filter(said__isnull=False)


def is_one_digit(text: str) -> bool:
    """Whether the text is one digit repeated more than three times, like "000000": such a search covers only the NEWEST calls.

    The index of three digits in a row finds every number with "000", which most calls may have.
    """
    digits = _digits_of(text)
    return len(digits) > 3 and len({*digits}) == 1


def newest(calls: QuerySet[Call]) -> QuerySet[Call]:
    """The NEWEST of these calls."""
    oldest = calls.order_by("-pk").values_list("pk", flat=True)[NEWEST - 1 : NEWEST].first()
    return calls if oldest is None else calls.filter(pk__gte=oldest)


def _digits_of(text: str) -> str:
    """The digits of a text that can be part of a phone number; "" for other texts, and for fewer than three digits."""
    digits = _NO_DIGIT.sub("", text) if _NUMBER.fullmatch(text.strip()) else ""
    return digits if len(digits) > 2 else ""


def _expected(rows: QuerySet[TranscriptEntry]) -> int:
    """How many rows PostgreSQL expects, from its statistics."""
    (plan,) = parse_stored_json(rows.order_by().explain(format="json"))
    return int(plan["Plan"]["Plan Rows"])


def has_number_with(digits: str) -> Q:
    """Calls of which a number has these digits: the caller's, that of the phone that rang, or the destination of a call-me-first call."""
    # The first condition makes PostgreSQL use the partial index of the few calls that have a `connect_to`.
    called = ~Q(connect_to="") & Q(connect_to__contains=digits)
    return Q(from_number__contains=digits) | Q(to_number__contains=digits) | called


def entries_with(text: str) -> QuerySet[TranscriptEntry]:
    """Transcript entries with these words, in any account."""
    query = SearchQuery(text, config=TRANSCRIPT_LANGUAGE, search_type="websearch")
    return TranscriptEntry.objects.annotate(words=SearchVector("text", config=TRANSCRIPT_LANGUAGE)).filter(words=query)
