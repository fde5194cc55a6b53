from django.apps import AppConfig


class CallsConfig(AppConfig):
    name = "calls"

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
    from bubblyphone.core.backup.making import COUNTED
    from calls import account_deletion, account_export, retention
    from calls.after_call import recording_access, recording_files

    DELETION_STEPS.register(
        DeletionStep(DeletionPhase.CALLS, account_deletion.end_calls),
        DeletionStep(DeletionPhase.CALLS, recording_access.delete_all),
        DeletionStep(DeletionPhase.CALLS, account_deletion.forget_what_was_said),
        DeletionStep(DeletionPhase.CALLS, account_deletion.forget_whom_it_calls),
    )
    RETENTION_KINDS.register(*retention.KINDS)
    EXPORT_TABLES.register(*account_export.TABLES)
    EXPORT_FILES.register(account_export.recordings)
    BACKED_UP_FILES.register(*recording_files.backed_up())
    COUNTED.register("calls.Call", "calls.TranscriptEntry")


def _register_money_and_webhooks() -> None:
    from billing.extension_points import CAP_OWNERS, HOLDS, LEDGER_CHECKS, SPENT_TODAY, USAGE_REPORT, Hold
    from calls.charging import balance_holds, cap_owners, ledger_check, usage
    from calls.webhook_mode.call_replies import CallReplies
    from webhooks.extension_points import REPLY_HANDLER

    HOLDS.register(Hold(balance_holds.held, balance_holds.held_at_most))
    CAP_OWNERS.register(cap_owners.cap_owners)
    SPENT_TODAY.register(cap_owners.spent_today)
    USAGE_REPORT.register(usage.report)
    LEDGER_CHECKS.register(ledger_check.check_calls)
    REPLY_HANDLER.register(CallReplies())


def _register_jobs() -> None:
    from bubblyphone.core.background.clock_tasks import CLOCK_TASKS
    from bubblyphone.core.background.schedules import SCHEDULED_JOBS, ScheduledJob
    from calls import call_report
    from calls.after_call import jobs, recording_access
    from calls.charging import day_sums
    from calls.clock import cap_enforcement, due_calls, metering, sweeper
    from calls.dashboard import sums_ahead

    CLOCK_TASKS.register(metering.run, cap_enforcement.run, sweeper.run, call_report.run, due_calls.run)
    SCHEDULED_JOBS.register(
        ScheduledJob("resume processing after calls", jobs.resume_all, 1),
        ScheduledJob("erase deleted recordings", recording_access.erase_deleted, 60),
        ScheduledJob("sum up days of calls", day_sums.sum_up, 5),
        ScheduledJob("sum up what pages of large accounts show", sums_ahead.sum_up, 5),
    )
