"""Queries of the Phone and Sandbox pages."""

from django.db.models import Q, QuerySet

from accounts.models import Developer
from calls.models import Call
from phone_numbers.models import CallMode, PhoneNumber
from sandbox.handset_numbers import handset_number


def callable_numbers(developer: Developer) -> QuerySet[PhoneNumber]:
    """The developer's numbers that accept calls, oldest first."""
    return PhoneNumber.objects.filter(developer=developer, status=PhoneNumber.Status.ACTIVE).order_by("pk")


def speaking_numbers(developer: Developer) -> QuerySet[PhoneNumber]:
    """Numbers whose agent is available in the sandbox."""
    return callable_numbers(developer).filter(mode=CallMode.STREAMING)


def handset_calls(developer: Developer) -> QuerySet[Call]:
    """The developer's calls from and to the browser's handset, newest first."""
    number = handset_number(developer)
    ends = Q(from_number=number) | Q(to_number=number)
    return Call.objects.filter(ends, developer=developer, sandbox=False).select_related("phone_number").order_by("-pk")


def newest_call_id(developer: Developer) -> int:
    """The ID of the newest call of any kind, or 0. Later calls of the handset have greater IDs."""
    return Call.objects.filter(developer=developer).order_by("-pk").values_list("pk", flat=True).first() or 0
