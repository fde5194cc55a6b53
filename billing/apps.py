from django.apps import AppConfig
from django.core import checks

from billing.checks import check_stripe


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        from accounts.extension_points import ACCOUNT_OPENED, DELETION_STEPS, EXPORT_TABLES, DeletionPhase, DeletionStep
        from billing import (
            account_deletion,
            account_export,
            caps,
            checkpoints,
            extension_points,
            ledger_verification,
            notices,
        )
        from billing import metrics as _instruments  # noqa: F401  declared when they are imported
        from billing.payments import auto_topup, ledger_check, sweep
        from bubblyphone.core.background.schedules import DAY_MINUTES, SCHEDULED_JOBS, ScheduledJob
        from bubblyphone.core.backup.making import COUNTED

        checks.register(check_stripe)
        ACCOUNT_OPENED.register(caps.set_defaults)
        DELETION_STEPS.register(DeletionStep(DeletionPhase.PAYMENTS, account_deletion.forget_cards))
        extension_points.ENTRY_WATCHERS.register(auto_topup.watch)
        extension_points.LEDGER_CHECKS.register(
            ledger_verification.check_entries,
            ledger_verification.check_balances,
            ledger_verification.check_adjustments,
            ledger_check.check_payments,
        )
        COUNTED.register("billing.LedgerEntry")
        EXPORT_TABLES.register(*account_export.TABLES)
        SCHEDULED_JOBS.register(
            ScheduledJob("send billing notices", notices.send_waiting, 1),
            ScheduledJob("charge and settle payments", sweep.sweep, 1),
            ScheduledJob("delete old Stripe events", sweep.purge, DAY_MINUTES),
            ScheduledJob("move balance checkpoints", checkpoints.move, 60),
            ScheduledJob("verify the ledger", ledger_verification.verify_nightly, DAY_MINUTES),
        )
