from django.apps import AppConfig


class CallsConfig(AppConfig):
    name = "calls"

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
        from bubblyphone.core.backup.making import COUNTED
        from bubblyphone.core.clock_tasks import CLOCK_TASKS
        from bubblyphone.core.schedules import SCHEDULED_JOBS, ScheduledJob
        from calls import account_deletion, account_export, reports, retention
        from calls.after_call import jobs, recording_access, recording_files
        from calls.charging import balance_holds, cap_owners, ledger_check, usage
        from calls.clock import cap_enforcement, metering, sweeper
        from calls.webhook_mode.call_replies import CallReplies
        from webhooks import extension_points as webhook_extension_points

        DELETION_STEPS.register(
            DeletionStep(DeletionPhase.CALLS, account_deletion.end_calls),
            DeletionStep(DeletionPhase.CALLS, recording_access.delete_all),
            DeletionStep(DeletionPhase.CALLS, account_deletion.forget_what_was_said),
            DeletionStep(DeletionPhase.CALLS, account_deletion.forget_whom_it_calls),
        )
        billing_extension_points.HOLDS.register(balance_holds.held)
        billing_extension_points.CAP_OWNERS.register(cap_owners.cap_owners)
        billing_extension_points.SPENT_TODAY.register(cap_owners.spent_today)
        billing_extension_points.USAGE_REPORT.register(usage.report)
        billing_extension_points.LEDGER_CHECKS.register(ledger_check.check_calls)
        RETENTION_KINDS.register(*retention.KINDS)
        EXPORT_TABLES.register(*account_export.TABLES)
        EXPORT_FILES.register(account_export.recordings)
        webhook_extension_points.REPLY_HANDLER.register(CallReplies())
        BACKED_UP_FILES.register(*recording_files.backed_up())
        COUNTED.register("calls.Call", "calls.TranscriptEntry")
        CLOCK_TASKS.register(metering.run, cap_enforcement.run, sweeper.run, reports.run)
        SCHEDULED_JOBS.register(
            ScheduledJob("resume processing after calls", jobs.resume_all, 1),
            ScheduledJob("erase deleted recordings", recording_access.erase_deleted, 60),
        )
