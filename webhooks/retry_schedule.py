"""The retry schedule of webhooks: 5, 30 and 120 seconds after a failure, at most four attempts."""

from collections.abc import Sequence
from datetime import datetime, timedelta

# Seconds after the previous failure: short enough for a call that waits for the answer, long enough for a restart.
RETRY_DELAYS_SECONDS = (5.0, 30.0, 120.0)


def next_attempt_at(attempt: int, failed_at: datetime, delays: Sequence[float]) -> datetime | None:
    """When to try again after the failure of this attempt (the first is 1); None: it was the last."""
    return failed_at + timedelta(seconds=delays[attempt - 1]) if attempt <= len(delays) else None
