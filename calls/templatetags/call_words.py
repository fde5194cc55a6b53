"""`calls.dashboard.wording` for templates."""

from datetime import datetime

from django import template

from bubblyphone.core.numbering.e164 import is_e164
from calls.dashboard.call_page import cost_of
from calls.dashboard.timeline_chart import seconds_since
from calls.dashboard.wording import TROUBLE, describe_event, describe_reason, other_party
from calls.models import Call, CallEvent
from calls.outcomes import describe_ending, describe_outcome

register = template.Library()
register.filter("cost", cost_of)
register.filter("ending", describe_ending)
register.filter("outcome", describe_outcome)
register.filter("event_words", describe_event)
register.filter("reason_words", describe_reason)
register.filter("other_party", other_party)


@register.filter
def is_trouble(event: CallEvent) -> bool:
    """Whether the moment is one that went wrong."""
    return event.event_type in TROUBLE


@register.filter
def can_be_called(call: Call) -> bool:
    """Whether the remote party has a number, which it did not withhold."""
    return is_e164(other_party(call))


@register.filter
def on_clock(moment: datetime, zero: datetime) -> float:
    """Seconds of the call's clock (`calls.dashboard.timeline_chart`)."""
    return seconds_since(zero, moment)


@register.filter
def clock(moment: datetime, zero: datetime) -> str:
    """ "1:05", as the player shows it."""
    minutes, seconds = divmod(int(seconds_since(zero, moment)), 60)
    return f"{minutes}:{seconds:02d}"
