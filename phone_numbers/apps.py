from django.apps import AppConfig


class PhoneNumbersConfig(AppConfig):
    """The package cannot be called `numbers` (Python's own module, which `decimal` needs); the label is."""

    name = "phone_numbers"
    label = "numbers"
    verbose_name = "Phone numbers"

    def ready(self) -> None:
        from accounts.extension_points import (
            DELETION_STEPS,
            EXPORT_FILES,
            EXPORT_TABLES,
            RETENTION_KINDS,
            DeletionPhase,
            DeletionStep,
        )
        from billing import extension_points as billing_extension_points
        from bubblyphone.core.backup.files import BACKED_UP_FILES
        from bubblyphone.core.schedules import SCHEDULED_JOBS, ScheduledJob
        from phone_numbers import (
            account_data,
            account_deletion,
            carrier_accounts,
            documents,
            ledger_check,
            notices,
            purchases,
            renewals,
            selectors,
        )
        from phone_numbers.carriers.twilio import memory
        from webhooks import extension_points as webhook_extension_points

        DELETION_STEPS.register(
            DeletionStep(DeletionPhase.NUMBERS, account_deletion.release_numbers),
            DeletionStep(DeletionPhase.NUMBERS, account_deletion.forget_settings),
            DeletionStep(DeletionPhase.NUMBERS, account_deletion.delete_carrier_accounts),
            DeletionStep(DeletionPhase.NUMBERS, account_deletion.delete_documents),
        )
        billing_extension_points.HOLDS.register(purchases.held)
        billing_extension_points.CREDIT_JOBS.register(renewals.renew_overdue)
        billing_extension_points.LEDGER_CHECKS.register(ledger_check.check_numbers)
        webhook_extension_points.PUBLISH_TO_ACCOUNT.register(notices.publish_to_account)
        webhook_extension_points.NUMBER_ADDRESSES.register(selectors.webhook_addresses)
        BACKED_UP_FILES.register(documents.backed_up())
        RETENTION_KINDS.register(account_data.KIND)
        EXPORT_TABLES.register(*account_data.TABLES)
        EXPORT_FILES.register(account_data.files)
        SCHEDULED_JOBS.register(
            ScheduledJob("reconcile number purchases", purchases.reconcile_purchases, 1),
            ScheduledJob("renew phone numbers", renewals.renew_all, 60),
            ScheduledJob("forget scripts of past calls", memory.prune, 60),
            ScheduledJob("check carrier accounts", carrier_accounts.check_accounts, 60),
        )
