from django.apps import AppConfig


class PhoneNumbersConfig(AppConfig):
    """The package cannot be called `numbers` (a Python module that `decimal` requires); its label is."""

    name = "phone_numbers"
    label = "numbers"
    verbose_name = "Phone numbers"

    def ready(self) -> None:
        _register_account_data()
        _register_money_and_webhooks()
        _register_jobs()


def _register_account_data() -> None:
    from accounts.extension_points import (
        DELETION_STEPS,
        EXPORT_FILES,
        EXPORT_TABLES,
        RETENTION_KINDS,
        DeletionPhase,
        DeletionStep,
    )
    from bubblyphone.core.backup.files import BACKED_UP_FILES
    from phone_numbers import account_deletion, account_export, retention
    from phone_numbers.verification import documents

    DELETION_STEPS.register(
        DeletionStep(DeletionPhase.NUMBERS, account_deletion.release_numbers),
        DeletionStep(DeletionPhase.NUMBERS, account_deletion.forget_settings),
        DeletionStep(DeletionPhase.NUMBERS, account_deletion.delete_carrier_accounts),
        DeletionStep(DeletionPhase.NUMBERS, account_deletion.delete_documents),
    )
    RETENTION_KINDS.register(retention.KIND)
    EXPORT_TABLES.register(*account_export.TABLES)
    EXPORT_FILES.register(account_export.files)
    BACKED_UP_FILES.register(documents.backed_up())


def _register_money_and_webhooks() -> None:
    from billing.extension_points import CREDIT_JOBS, HOLDS, LEDGER_CHECKS, Hold
    from phone_numbers import selectors
    from phone_numbers.charging import ledger_check, purchases, renewals
    from phone_numbers.verification import verification_notices
    from webhooks.extension_points import NUMBER_ADDRESSES, PUBLISH_TO_ACCOUNT

    HOLDS.register(Hold(purchases.held, purchases.held))
    CREDIT_JOBS.register(renewals.renew_overdue)
    LEDGER_CHECKS.register(ledger_check.check_numbers)
    PUBLISH_TO_ACCOUNT.register(verification_notices.publish_to_account)
    NUMBER_ADDRESSES.register(selectors.webhook_addresses)


def _register_jobs() -> None:
    from bubblyphone.core.background.schedules import SCHEDULED_JOBS, ScheduledJob
    from phone_numbers import carrier_accounts
    from phone_numbers.carriers.twilio import call_scripts
    from phone_numbers.charging import purchases, renewals

    SCHEDULED_JOBS.register(
        ScheduledJob("reconcile number purchases", purchases.reconcile_purchases, 1),
        ScheduledJob("renew phone numbers", renewals.renew_all, 60),
        ScheduledJob("forget scripts of past calls", call_scripts.prune, 60),
        ScheduledJob("check carrier accounts", carrier_accounts.check_accounts, 60),
    )
