"""Transactions of an account with very many of them: rare ones are found by an index."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing.models import LedgerEntry
from tests.factories import bearer, make_developer
from tests.plans import analyze, measure_reads

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis")]
MANY, FEW = 5000, 300


@pytest.mark.parametrize(
    ("query", "count"), [("type=credit", 3), ("type=credit&kind=telephony", 1), ("kind=refund", 0)]
)
def test_credits_among_charges(query: str, count: int) -> None:
    developer = make_developer()
    amounts = {10: ("top_up", "5"), 11: ("telephony", "0"), 12: ("top_up", "5")}
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            developer=developer, key=f"call:{place}", kind=amounts.get(place, ("telephony", ""))[0],
            amount=Decimal(amounts.get(place, ("", "-1"))[1]), created_at=timezone.now(),
        )
        for place in range(MANY)
    )  # fmt: skip
    analyze(LedgerEntry)
    headers, answers = bearer(developer), list[Any]()
    path = f"/api/v1/billing/transactions?{query}"
    reading = measure_reads(lambda: answers.append(Client().get(path, headers=headers).json()["data"]))
    assert len(answers[0]) == count
    assert reading.rows < FEW
