"""`calls.wording` for templates."""

from django import template

from calls.models import CallEvent
from calls.wording import TROUBLE, describe_event, describe_outcome, other_party

register = template.Library()
register.filter("outcome", describe_outcome)
register.filter("event_words", describe_event)
register.filter("other_party", other_party)


@register.filter
def is_trouble(event: CallEvent) -> bool:
    """Whether the moment is one that went wrong."""
    return event.event_type in TROUBLE
