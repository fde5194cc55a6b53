"""The API's codes and seconds, in words on pages."""

import pytest

from calls.dashboard.wording import describe_reason
from calls.models import CallEvent
from calls.outcomes import seconds_in_words


@pytest.mark.parametrize(
    ("seconds", "words"), [(3600, "60 min"), (60, "1 min"), (90, "90 s"), (30, "30 s"), (0, "0 s"), (None, "None")]
)
def test_seconds_in_words(seconds: object, words: str) -> None:
    assert seconds_in_words(seconds) == words


@pytest.mark.parametrize(
    ("event_type", "metadata", "words"),
    [
        ("call.ended", {"reason": "normal_clearing"}, "Ended normally"),
        ("transfer.failed", {"reason": "no_rate", "detail": "No rate."}, "No rate"),
        ("transfer.failed", {"reason": "busy"}, "The line was busy"),
        ("recording.failed", {"reason": "No audio was received."}, "No audio was received."),
        ("stream.error", {"detail": "10004 Bad frame"}, "10004 Bad frame"),
        # `describe_event` describes these.
        ("stream.restarted", {"reason": "deploy"}, ""),
        ("tool.returned", {"reason": "unknown_tool"}, ""),
        ("call.answered", {}, ""),
    ],
)
def test_reasons_in_words(event_type: str, metadata: dict[str, str], words: str) -> None:
    assert describe_reason(CallEvent(event_type=event_type, metadata=metadata)) == words
