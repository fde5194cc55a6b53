"""The chart of answer times."""

from datetime import UTC, datetime

from calls.dashboard.latency_chart import Bar, latency_chart_of
from calls.models import CallTurn

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def turn(**parts: int | None) -> CallTurn:
    known = {"carrier_in_ms": 0, "detection_ms": None, "model_ms": 0, "tool_ms": 0, "own_ms": 0, "playout_ms": None}
    values = {**known, **parts}
    return CallTurn(answered_at=NOON, total_ms=sum(value or 0 for value in values.values()), **values)


def test_parts_follow_each_other_on_one_scale() -> None:
    long = turn(carrier_in_ms=100, detection_ms=200, model_ms=500, tool_ms=150, own_ms=0, playout_ms=50)
    found = latency_chart_of([turn(carrier_in_ms=100, model_ms=150), long])
    assert found is not None
    assert (found.median_ms, found.longest_ms) == (250, 1000)
    assert [row.total_ms for row in found.rows] == [250, 1000]
    assert found.rows[0].bars == [
        Bar("carrier", 0.0, 100.0, "Incoming audio delay: 100 ms"),
        Bar("model", 100.0, 150.0, "Model: 150 ms"),
    ]
    assert [(bar.look, bar.x, bar.width) for bar in found.rows[1].bars] == [
        ("carrier", 0.0, 100.0), ("detection", 100.0, 200.0), ("model", 300.0, 500.0), ("tool", 800.0, 150.0),
        ("playout", 950.0, 50.0),
    ]  # fmt: skip
    assert [look for look, _ in found.legend] == ["carrier", "detection", "model", "tool", "playout"]


def test_without_turns_there_is_no_chart() -> None:
    assert latency_chart_of([]) is None
