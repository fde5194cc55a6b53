"""What every carrier does when we dial: repeated dials, failures, and the fallback number."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bubblyphone.core.errors import UpstreamFailed
from calls.clock import sweeper
from calls.control import outbound
from calls.models import Call, CallEvent
from phone_numbers.carriers.base import CarrierError, DialRequest
from phone_numbers.carriers.capabilities import CallControl
from phone_numbers.carriers.registry import able
from phone_numbers.models import PhoneNumber
from tests.calls.control.dialects import OURS, PERSON, Dialect, SmallDialect
from tests.calls.control.test_every_carrier import own_number, place
from tests.calls.rows import make_streaming_number
from tests.deaths import deaths
from tests.fakes.recording_server import Answer, RecordingServer

pytestmark = pytest.mark.django_db
OTHER = "+12025550124"


@pytest.fixture
def other(dialect: Dialect, settings: Any) -> Iterator[SmallDialect]:
    """A second carrier. `two_numbers` adds a number there."""
    with RecordingServer() as there:
        yield SmallDialect(settings, there)


def two_numbers(dialect: Dialect, **fields: Any) -> PhoneNumber:
    number = own_number(dialect, fallback_number=OTHER, **fields)
    make_streaming_number(number.developer, e164=OTHER, carrier="small")
    return number


REFUSED, BUSY_SERVER, NO_ANSWER = Answer(422, b"{}"), Answer(503, b"{}"), Answer(None)


@pytest.mark.parametrize(
    ("answers", "is_taken"),
    [
        ([REFUSED], True),
        ([BUSY_SERVER], False),
        ([NO_ANSWER], False),
        ([NO_ANSWER, REFUSED], False),  # the last attempt says nothing about the first
    ],
)
@pytest.mark.parametrize("dialect", ["telnyx", "twilio"], indirect=True)
def test_a_fallback_number_is_used_only_if_nobody_was_called(
    dialect: Dialect,
    other: SmallDialect,
    answers: list[Answer],
    is_taken: bool,
) -> None:
    number, left = two_numbers(dialect), list(answers)
    dialect.server.answer_to = lambda request: left.pop(0) if len(left) > 1 else left[0]  # type: ignore[method-assign]
    if is_taken:
        call = place(number)
        assert (call.carrier, call.from_number, call.carrier_call_id) == ("small", OTHER, other.sid)
        event = CallEvent.objects.get(call=call, event_type="call.fallback")
        assert (event.metadata["from"], event.metadata["reason"]) == (OTHER, "rejected")
        return
    with pytest.raises(UpstreamFailed):
        place(number)
    assert (other.server.requests, Call.objects.get().hangup_cause) == ([], "carrier_failed")
    assert skipped() == [{"from": OTHER, "reason": "outcome_unknown"}]


def skipped() -> list[Any]:
    assert not CallEvent.objects.filter(event_type="call.fallback").exists()
    return list(CallEvent.objects.filter(event_type="call.fallback_skipped").values_list("metadata", flat=True))


@pytest.mark.parametrize(
    ("change", "mode", "reason"),
    [
        ({"status": PhoneNumber.Status.SUSPENDED}, "streaming", "number_not_active"),
        ({"carrier": "telnyx"}, "streaming", "same_carrier"),
        ({}, "webhook", "unsupported"),  # this carrier cannot speak
    ],
)
@pytest.mark.parametrize("dialect", ["telnyx"], indirect=True)
def test_the_timeline_says_why_a_fallback_number_was_not_used(
    dialect: Dialect, other: SmallDialect, change: dict[str, Any], mode: str, reason: str
) -> None:
    number = two_numbers(dialect)
    PhoneNumber.objects.filter(e164=OTHER).update(**change)
    dialect.server.answer_to = lambda request: REFUSED  # type: ignore[method-assign]
    call = outbound.begin_call(developer=number.developer, number=number, to=PERSON, mode=mode, request={}, agent=None)
    with pytest.raises(UpstreamFailed):
        outbound.dial(call)
    assert (skipped(), other.server.requests) == ([{"from": OTHER, "reason": reason}], [])


@pytest.mark.parametrize("dialect", ["telnyx"], indirect=True)
def test_if_the_process_dies_between_two_dials_at_most_one_is_made(dialect: Dialect, other: SmallDialect) -> None:
    number = two_numbers(dialect)
    dialect.server.answer_to = lambda request: REFUSED  # type: ignore[method-assign]
    results = set()
    for _ in deaths(lambda: place(number)):
        sweeper.end_never_dialed(timezone.now() + timedelta(seconds=61))
        dialed = len([request for request in other.server.requests if other.is_placing(request)])
        call = Call.objects.order_by("pk").last()
        results.add((dialed, call.carrier if call else "", call.status if call else ""))
        other.server.requests.clear()
        Call.objects.all().delete()
    assert results == {
        (0, "", ""),
        (0, "telnyx", "failed"),
        (0, "small", "failed"),
        (1, "small", "failed"),
        (1, "small", "initiated"),
    }


@pytest.mark.parametrize("dialect", ["telnyx", "twilio"], indirect=True)
def test_after_a_repeated_dial_is_refused_the_outcome_is_unknown(dialect: Dialect, other: SmallDialect) -> None:
    """The process that dialed first died, perhaps after the call was placed."""
    number = two_numbers(dialect)
    call = outbound.begin_call(
        developer=number.developer, number=number, to=PERSON, mode="streaming", request={}, agent=None
    )
    dialect.server.answer_to = lambda request: REFUSED  # type: ignore[method-assign]
    with pytest.raises(UpstreamFailed):
        outbound.dial(call, is_repeated=True)
    assert (skipped(), other.server.requests) == ([{"from": OTHER, "reason": "outcome_unknown"}], [])


# --- commands ---------------------------------------------------------------------------------------------------------


def dial(dialect: Dialect, command_id: str = "c-1") -> str:
    request = DialRequest(
        from_number=OURS, to_number=PERSON, client_state="0", command_id=command_id,
        timeout_seconds=30, time_limit_seconds=60,
    )  # fmt: skip
    return able(dialect.slug, CallControl).dial(request)


def test_a_repeated_dial_is_the_same_call(dialect: Dialect) -> None:
    assert dial(dialect) == dial(dialect) == dialect.sid


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(Answer(None), "outcome_unknown"), (Answer(503, b"{}"), "outcome_unknown"), (Answer(422, b"{}"), "rejected")],
)
def test_a_failed_dial_says_whether_someone_may_have_been_called(dialect: Dialect, answer: Answer, reason: str) -> None:
    dialect.server.answer_to = lambda request: answer  # type: ignore[method-assign]
    with pytest.raises(CarrierError) as failed:
        dial(dialect)
    assert failed.value.reason == reason


def test_an_ended_call_can_be_hung_up(dialect: Dialect) -> None:
    body = b'{"errors": [{"code": "90018", "title": "Call has already ended"}], "code": 21220}'
    dialect.server.answer_to = lambda request: Answer(404 if dialect.slug == "small" else 422, body)  # type: ignore[method-assign]
    able(dialect.slug, CallControl).hang_up(carrier_call_id=dialect.sid, command_id="h")
