"""The retry schedule of webhooks: 5, 30 and 120 seconds after a failure, and for account endpoints on for a day."""

from collections.abc import Sequence
from datetime import datetime, timedelta

# Seconds after the previous failure: short enough for a call that waits for the response, long enough for a restart.
RETRY_DELAYS_SECONDS = (5.0, 30.0, 120.0)
# An account endpoint is only notified, and nobody waits: it also gets 10 minutes, 1, 6 and 16 hours.
ENDPOINT_RETRY_DELAYS_SECONDS = (*RETRY_DELAYS_SECONDS, 600.0, 3600.0, 21_600.0, 57_600.0)
# The failed attempt that triggers an email to the account.
EMAILED_ATTEMPT = 4


def next_attempt_at(attempt: int, failed_at: datetime, delays: Sequence[float]) -> datetime | None:
    """When to try again after the failure of this attempt (the first is 1); None: it was the last."""
    return failed_at + timedelta(seconds=delays[attempt - 1]) if attempt <= len(delays) else None
