"""Turns a tool's result into a sentence or two."""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.brain.text import as_sentence, join_words, label, speak_value

# Fields that hold a sentence for the caller, best first.
SENTENCE_FIELDS = ("message", "speech", "say", "summary", "text", "answer", "response", "description", "detail")
WRAPPERS = ("result", "data", "output", "response")
SUCCESS_FIELDS = frozenset(["success", "ok", "status", "error", "errors", "code"])
GOOD_STATUSES = frozenset(["ok", "success", "succeeded", "done", "completed", "200", "true"])
LONGEST_LIST = 5


def failure_of(result: Mapping[str, Any]) -> str | None:
    """The error, "" if the tool does not describe it; None if there was none."""
    error = result.get("error") or result.get("errors")
    if error:
        if isinstance(error, Mapping):
            error = error.get("message", "")
        return error if isinstance(error, str) else ""
    if result.get("success") is False or result.get("ok") is False:
        return next((str(result[f]) for f in SENTENCE_FIELDS if isinstance(result.get(f), str)), "")
    if str(result.get("status", "")).lower() in ("error", "failed", "failure"):
        return next((str(result[f]) for f in SENTENCE_FIELDS if isinstance(result.get(f), str)), "")
    return None


def summarise(result: Any, *, depth: int = 0) -> str:
    """The result as a spoken sentence; never empty, never JSON."""
    if isinstance(result, str) and result.strip():
        return as_sentence(speak_value(result))
    if isinstance(result, bool):
        return "The answer is yes." if result else "The answer is no."
    if isinstance(result, int | float):
        return f"It is {speak_value(result)}."
    if isinstance(result, Sequence) and not isinstance(result, str):
        return _list("I found", list(result))
    if not isinstance(result, Mapping) or not result:
        return "That is done."
    for name in SENTENCE_FIELDS:
        if isinstance(result.get(name), str) and " " in result[name].strip():
            return as_sentence(result[name])
    for name in WRAPPERS:
        if name in result and depth < 3 and len(result) <= 3 and result[name] not in (None, "", {}, []):
            return summarise(result[name], depth=depth + 1)
    return _fields(result)


def _fields(result: Mapping[str, Any]) -> str:
    simple, lists = [], []
    for name, value in result.items():
        if value is None or value in ("", {}, []):
            if value == []:
                lists.append(f"There are no {label(name)}.")
        elif name.lower() in SUCCESS_FIELDS and str(value).lower() in GOOD_STATUSES:
            continue
        elif isinstance(value, list) and (len(value) > 3 or any(isinstance(item, Mapping) for item in value)):
            lists.append(_list(f"The {label(name)} are", value))
        elif isinstance(value, bool):
            quality = label(name).removeprefix("is ")
            simple.append(f"it is {quality}" if value else f"it is not {quality}")
        else:
            verb = "are" if isinstance(value, list) and len(value) > 1 else "is"
            simple.append(f"the {label(name)} {verb} {speak_value(value)}")
    spoken = as_sentence(join_words(simple)) if simple else ""
    return " ".join([spoken, *lists]).strip() or "That is done."


def _list(lead: str, items: list[Any]) -> str:
    if not items:
        return "I found nothing."
    spoken = [speak_value(item) for item in items[:LONGEST_LIST]]
    more = len(items) - LONGEST_LIST
    return as_sentence(f"{lead} {join_words(spoken)}" + (f", and {more} more" if more > 0 else ""))
