"""What the Phone and Sandbox pages show."""

from django.db.models import Q, QuerySet

from accounts.models import Developer
from calls.models import Call
from phone_numbers.models import CallMode, PhoneNumber
from sandbox.handsets import handset_number


def callable_numbers(developer: Developer) -> QuerySet[PhoneNumber]:
    """The developer's numbers that take calls, oldest first."""
    return PhoneNumber.objects.filter(developer=developer, status=PhoneNumber.Status.ACTIVE).order_by("pk")


def speaking_numbers(developer: Developer) -> QuerySet[PhoneNumber]:
    """Those whose agent can be talked to in the sandbox."""
    return callable_numbers(developer).filter(mode=CallMode.STREAMING)


def handset_calls(developer: Developer) -> QuerySet[Call]:
    """The developer's calls from and to the handset in the browser, newest first."""
    number = handset_number(developer)
    ends = Q(from_number=number) | Q(to_number=number)
    return Call.objects.filter(ends, developer=developer, sandbox=False).select_related("phone_number").order_by("-pk")


def newest_call_id(developer: Developer) -> int:
    """Of whatever kind: calls of the handset that begin from now on have greater ones. 0: none yet."""
    return Call.objects.filter(developer=developer).order_by("-pk").values_list("pk", flat=True).first() or 0
