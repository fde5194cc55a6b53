from django.apps import AppConfig


class PhoneNumbersConfig(AppConfig):
    """The package cannot be called `numbers` (Python's own module, which `decimal` needs); the label is."""

    name = "phone_numbers"
    label = "numbers"
    verbose_name = "Phone numbers"

    def ready(self) -> None:
        from accounts.hooks import DELETION_STEPS, DeletionPhase, DeletionStep
        from billing import hooks as billing_hooks
        from bubblyphone.core.schedules import SCHEDULED_JOBS, ScheduledJob
        from phone_numbers import account_deletion, ledger_check, notices, purchases, renewals, selectors
        from webhooks import hooks as webhook_hooks

        DELETION_STEPS.register(
            DeletionStep(DeletionPhase.NUMBERS, account_deletion.release_numbers),
            DeletionStep(DeletionPhase.NUMBERS, account_deletion.delete_documents),
        )
        billing_hooks.HOLDS.register(purchases.held)
        billing_hooks.CREDIT_JOBS.register(renewals.renew_overdue)
        billing_hooks.LEDGER_CHECKS.register(ledger_check.check_numbers)
        webhook_hooks.PUBLISH_TO_ACCOUNT.register(notices.publish_to_account)
        webhook_hooks.ENDPOINT_SOURCES.register(selectors.webhook_endpoints)
        SCHEDULED_JOBS.register(
            ScheduledJob("reconcile number purchases", purchases.reconcile_purchases, 1),
            ScheduledJob("renew phone numbers", renewals.renew_all, 60),
        )
