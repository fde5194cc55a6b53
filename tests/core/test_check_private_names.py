"""The check that rejects private names in tests."""

import pytest

from scripts.check_private_names import private_names


@pytest.mark.parametrize(
    "line",
    [
        "purchases._complete(1)",
        "session._link.drop()",
        "from calls.live.event_writer import _threads",
        'monkeypatch.setattr(redis, "_breaker", None)',
        'monkeypatch.setattr("bubblyphone.core.redis.client._breaker", None)',
    ],
)
def test_another_file_s_private_name_is_found(line: str) -> None:
    assert [number for number, _ in private_names(f"first = 1\n{line}\n")] == [2]


@pytest.mark.parametrize(
    "lines",
    [
        "self._calls = []",
        "super()._save(name)",
        "Call._meta.fields",
        "module.__name__",
        "_calls = []\nprint(_calls)",
        "class Fake:\n    def __init__(self):\n        self._lock = 1\nprint(Fake()._lock)",
        'monkeypatch.setattr(redis, "LIMIT", 5)',
        'monkeypatch.setattr("calls.session.dtmf_collector.PAUSE_SECONDS", 0.1)',
    ],
)
def test_the_file_s_own_and_documented_names_are_allowed(lines: str) -> None:
    assert list(private_names(lines)) == []
