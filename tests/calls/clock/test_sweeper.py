"""The sweeper's rules are independent of each other."""

from datetime import timedelta

import pytest
from django.utils import timezone

from calls.clock import sweeper
from tests.calls.rows import make_account, make_call, make_streaming_number
from webhooks.models import WebhookDelivery


@pytest.mark.django_db
def test_a_failing_rule_does_not_stop_the_others() -> None:
    now = timezone.now()
    number = make_streaming_number(make_account())
    unused = make_call(
        number, now - timedelta(minutes=2), status="ringing", sandbox=True, answered_at=None, carrier_call_id=None
    )
    WebhookDelivery.objects.create(
        developer=number.developer,
        signing_secret=number.signing_secret,
        webhook_id="lost",
        subject="call:x",
        event_type="call.tool_call",
        url="https://example.com",
        body="{}",
        next_attempt_at=None,
        created_at=now - timedelta(minutes=2),
    )
    with pytest.raises(ExceptionGroup) as failed:
        sweeper.sweep_once(now)
    assert [type(error) for error in failed.value.exceptions] == [ValueError]
    unused.refresh_from_db()
    assert (unused.status, unused.hangup_cause) == ("failed", "no_answer")
