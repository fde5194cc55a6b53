"""What remains of a deleted account. Every table that refers to accounts is in one of the lists below."""

import pytest
from django.apps import apps
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from psycopg import sql

from accounts import account_deletion
from accounts.extension_points import DeletionPhase, DeletionStep
from accounts.models import Developer, MutedNotification, RetentionPeriod
from agents.models import AgentVersion
from calls.models import Call, CallSums, StaleDay
from phone_numbers.models import PhoneNumber
from sandbox.models import Handset
from tests.accounts.test_export import documents, make_full_account, recordings_folder
from tests.factories import PASSWORD, make_developer
from webhooks.models import SigningSecret

__all__ = ["documents", "recordings_folder"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("empty_redis", "recordings_folder", "documents")]
# Tables with the account's own data.
GONE = {
    "accounts.MutedNotification", "agents.Agent", "agents.ModelKey", "agents.Secret", "calls.CallSums", "calls.DialingPolicy",
    "calls.DoNotCallNumber", "calls.SavedView", "calls.ScheduledCall", "calls.StaleDay",
    "numbers.CarrierAccount", "sandbox.Handset", "webhooks.Event",
    "webhooks.WebhookDelivery",
    "webhooks.WebhookEndpoint",
}  # fmt: skip
# The account's row loses its name. These stay: bills and payments with their evidence, revoked keys with the calls they placed,
# retention periods, decisions on documents without the documents, and the secret of a released number.
KEPT = {
    "accounts.ApiKey", "accounts.RetentionPeriod", "billing.Adjustment", "billing.AllowedPrefix", "billing.AutoTopUp",
    "billing.BalanceCheckpoint", "billing.Cost", "billing.LedgerEntry", "billing.MeteredCost", "billing.Notice",
    "billing.Payment", "billing.SpendingCap", "billing.StripeCustomer", "calls.Call", "djstripe.Customer", "numbers.NumberPurchase",
    "numbers.PhoneNumber", "numbers.Verification", "numbers.VerificationEvent", "webhooks.SigningSecret",
}  # fmt: skip
# Other tests show that these are deleted: sessions, cards. Staff accounts are not deleted.
TESTED_ELSEWHERE = {
    "accounts.BrowserSession", "accounts.SessionToken", "admin.LogEntry", "billing.Card", "staff.Authenticator", "staff.RecoveryCodes",
}  # fmt: skip


def rows_of(developer: Developer) -> dict[str, int]:
    """The number of rows in each table that refer to the account."""
    found: dict[str, int] = {}
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if field.concrete and field.is_relation and field.related_model is Developer:
                count = QuerySet(model).filter(**{field.name: developer}).count()
                found[model._meta.label] = found.get(model._meta.label, 0) + count
    return found


def release(developer: Developer) -> None:
    """Mark the numbers as released by the carrier."""
    left = {"status": "released", "released_at": timezone.now(), "agent": None, "model_key": None}
    PhoneNumber.objects.filter(developer=developer).update(**left)


def mark_other_texts(developer: Developer, mark: str) -> None:
    """Add the marker to texts that a full account does not set by default."""
    call = Call.objects.get(developer=developer)
    config = {"system_prompt": {"value": f"You are {mark}.", "source": "number"}}
    Call.objects.filter(pk=call.pk).update(config=config, metadata={"who": mark}, dynamic_variables={"who": mark})
    PhoneNumber.objects.filter(developer=developer).update(
        system_prompt=f"You are {mark}.", webhook_url=f"https://example.com/{mark}", previous_routing=mark,
        tools=[{"type": "end_call", "name": mark}], transfer_number="+12025550123",
    )  # fmt: skip


def tables_with(text: str) -> dict[str, int]:
    """The number of rows in each table that contain this text in any column."""
    found = {}
    with connection.cursor() as cursor:
        for name in connection.introspection.table_names(cursor):
            count = sql.SQL("SELECT count(*) FROM {} AS t WHERE t::text LIKE %s").format(sql.Identifier(name))
            cursor.execute(count, [f"%{text}%"])
            found[name] = cursor.fetchone()[0]
    return {name: count for name, count in found.items() if count}


def test_a_failed_account_deletion_does_not_block_others(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = make_developer(), make_developer()
    for developer in (first, second):
        account_deletion.close_account(developer=developer, password=PASSWORD, address="192.0.2.1")
    broken = DeletionStep(DeletionPhase.PAYMENTS, lambda pk: {second.pk: None}[pk])
    monkeypatch.setattr(account_deletion, "DELETION_STEPS", [*account_deletion.DELETION_STEPS, broken])
    with pytest.raises(ExceptionGroup, match="Some account deletions failed") as caught:
        account_deletion.finish_all()
    assert [type(error) for error in caught.value.exceptions] == [KeyError]
    unfinished = Developer.objects.filter(closed_at__isnull=False, closing_finished_at=None)
    assert list(unfinished) == [first]


def test_only_billing_records_remain_and_another_account_keeps_everything() -> None:
    (developer, _), (other, _) = make_full_account("ADA"), make_full_account("EVE")
    for number, account in enumerate((developer, other)):
        Handset.objects.create(developer=account, number=f"+1555000000{number}")
        RetentionPeriod.objects.create(developer=account, kind="recordings", days=9)
        MutedNotification.objects.create(developer=account, kind="low_balance", channel="email")
        day = timezone.now().date()
        StaleDay.objects.create(developer=account, day=day)
        CallSums.objects.create(
            developer=account, day=day, calls=1, answered=1, voicemail=0, unanswered=0, failed=0, minutes=1, cost=1
        )
    before, others = rows_of(developer), rows_of(other)
    assert before.keys() == GONE | KEPT | TESTED_ELSEWHERE
    assert {label for label in GONE if not before[label]} == set()
    for account, mark in ((developer, "ADA"), (other, "EVE")):
        mark_other_texts(account, mark)
    release(developer)
    account_deletion.close_account(developer=developer, password=PASSWORD, address="192.0.2.1")
    account_deletion.finish(developer.pk)
    developer.refresh_from_db()
    assert developer.closing_finished_at is not None
    after = rows_of(developer)
    assert {label: count for label, count in after.items() if count and label not in KEPT} == {}
    assert not AgentVersion.objects.filter(agent__developer=developer).exists()
    assert AgentVersion.objects.count() == 1
    released = PhoneNumber.objects.get(developer=developer)
    assert [secret.pk for secret in SigningSecret.objects.filter(developer=developer)] == [released.signing_secret_id]
    assert rows_of(other) == others
    assert tables_with("ADA") == {"numbers_verificationdocument": 1}  # the name of the carrier's requirement
    assert {"calls_call", "calls_callevent", "calls_transfer", "numbers_phonenumber"} <= tables_with("EVE").keys()
