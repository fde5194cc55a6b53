"""`manage.py ledger verify` and the nightly job: silent if everything is right, and specific about problems."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django_q.models import Schedule

from accounts.models import Developer
from billing import checkpoints, ledger, ledger_verification
from billing.adjustments import adjust
from billing.models import Adjustment, BalanceCheckpoint
from calls.charging import settlement
from calls.models import Call
from phone_numbers.charging import purchases
from phone_numbers.models import NumberPrice, NumberPurchase, PhoneNumber
from tests.calls.rows import make_account, make_call, make_streaming_number
from tests.factories import make_developer

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
BOUGHT = "+14155550177"


@pytest.fixture
def developer(db: None) -> Developer:
    """An account with a settled call, a purchase and an adjustment, in a database with production's protections."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE billing_ledgerentry ENABLE TRIGGER ledger_is_never_emptied")
    developer = make_account("10")
    call = make_call(make_streaming_number(developer), NOW, status="completed", ended_at=NOW, duration_seconds=95)
    settlement.settle(call, NOW)
    call.save()
    price = NumberPrice.objects.get(country_code="US", number_type="local")
    purchases.complete(purchases.begin(developer=developer, phone_number=BOUGHT, price=price).pk, "ref")
    checkpoints.move()
    adjust(developer=developer, amount=Decimal("1.5"), reason="Sorry", staff=make_developer(is_staff=True))
    return developer


def book(developer: Developer, key: str, kind: str, amount: str) -> None:
    ledger.post_entry(developer_id=developer.pk, key=key, kind=kind, amount=Decimal(amount), description="Test")


def test_a_correct_ledger(developer: Developer) -> None:
    output = StringIO()
    call_command("ledger", "verify", stdout=output)
    assert output.getvalue() == "Ledger check passed. Entries checked: 6.\n"
    ledger_verification.verify_nightly()


@pytest.mark.django_db(transaction=True)
def test_it_reads_a_single_snapshot() -> None:
    problem = "the ledger is not protected: its trigger ledger_is_never_emptied is missing or disabled"
    assert ledger_verification.find_problems() == [problem]  # tests truncate tables, so it is off


def charge_a_call_again(developer: Developer) -> str:
    call = Call.objects.get()
    book(developer, f"call:{call.pk}:model:2", "model", "-0.5")
    return f"call {call.pk} of developer {developer.pk}: model cost 0.063000, charged 0.563000"


def charge_a_call_less(developer: Developer) -> str:
    call = Call.objects.get()
    Call.objects.update(telephony_cost=Decimal("0.12"))
    return f"call {call.pk} of developer {developer.pk}: telephony cost 0.120000, charged 0.080000"


def charge_a_missing_call(developer: Developer) -> str:
    book(developer, "call:99999:telephony", "telephony", "-0.04")
    return f"call 99999 of developer {developer.pk}: telephony cost 0, charged 0.040000"


def forget_to_settle(developer: Developer) -> str:
    call = make_call(make_streaming_number(developer), NOW, status="failed", ended_at=NOW)
    return f"call {call.pk}: ended but not settled, or a demo with a cost"


def credit_with_a_charge(developer: Developer) -> str:
    book(developer, "odd", "telephony", "2")
    return "odd: a charge for telephony adds 2.00"


def debit_with_a_credit(developer: Developer) -> str:
    book(developer, "credit:1", "top_up", "-5")
    return "credit:1: a top_up entry removes 5.00"


def charge_for_a_refused_purchase(developer: Developer) -> str:
    NumberPurchase.objects.update(status="refused", phone_number=None)
    PhoneNumber.objects.filter(e164=BOUGHT).update(months_paid=2)
    return f"number {PhoneNumber.objects.get(e164=BOUGHT).pk}: setup costs 0.00, charged 3.00"


def forget_a_month(developer: Developer) -> str:
    PhoneNumber.objects.filter(e164=BOUGHT).update(months_paid=3)
    return f"number {PhoneNumber.objects.get(e164=BOUGHT).pk}: 3 months due, 1 charged"


def corrupt_a_checkpoint(developer: Developer) -> str:
    BalanceCheckpoint.objects.filter(developer=developer).update(amount=100)
    return f"developer {developer.pk}: the balance is 101.50, but the entries add up to 5.357"


def charge_for_another_account_s_number(developer: Developer) -> str:
    number = make_streaming_number(make_account())
    book(developer, f"number:{number.pk}:2026-11", "number_month", "-3")
    return f"number:{number.pk}:2026-11: developer {developer.pk} has no such number"


def adjust_without_reason(developer: Developer) -> str:
    book(developer, "adjustment:99999", "adjustment", "7")
    return "adjustment:99999: an adjustment without a reason"


def lose_an_adjustment(developer: Developer) -> str:
    lost = Adjustment.objects.create(developer=developer, amount=2, reason="Lost", staff=developer)
    return f"adjustment:{lost.pk}: no matching ledger entry for the adjustment of 2.00"


def turn_protection_off(developer: Developer) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE billing_ledgerentry DISABLE TRIGGER ledger_rows_stay")
    return "the ledger is not protected: its trigger ledger_rows_stay is missing or disabled"


@pytest.mark.parametrize(
    "spoil",
    [
        charge_a_call_again, charge_a_call_less, charge_a_missing_call, forget_to_settle, credit_with_a_charge,
        debit_with_a_credit, charge_for_a_refused_purchase, forget_a_month, corrupt_a_checkpoint, charge_for_another_account_s_number,
        adjust_without_reason, lose_an_adjustment, turn_protection_off,
    ],
)  # fmt: skip
def test_each_problem_is_reported(developer: Developer, spoil: Callable[[Developer], str]) -> None:
    expected = spoil(developer)
    assert ledger_verification.find_problems() == [expected]
    errors = StringIO()
    with pytest.raises(CommandError, match=r"^Ledger check failed\. Problems: 1\.$"):
        call_command("ledger", "verify", stderr=errors)
    assert errors.getvalue() == f"{expected}\n"
    with pytest.raises(ledger_verification.LedgerWrong):
        ledger_verification.verify_nightly()


def test_the_job_is_scheduled(db: None) -> None:
    schedule = Schedule.objects.get(name="verify the ledger")
    assert (schedule.func, schedule.minutes) == ("billing.ledger_verification.verify_nightly", 1440)
