from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"

    def ready(self) -> None:
        from accounts.extension_points import (
            DELETION_STEPS,
            EXPORT_TABLES,
            RETENTION_KINDS,
            DeletionPhase,
            DeletionStep,
        )
        from bubblyphone.core.background.clock_tasks import CLOCK_TASKS
        from bubblyphone.core.background.schedules import SCHEDULED_JOBS, ScheduledJob
        from webhooks import account_endpoints, account_export, event_feed, retention
        from webhooks.sending import delivery

        CLOCK_TASKS.register(delivery.run)
        DELETION_STEPS.register(
            DeletionStep(DeletionPhase.CALLS, account_endpoints.delete_all),
            DeletionStep(DeletionPhase.AGENTS, account_endpoints.forget_all),
        )
        RETENTION_KINDS.register(retention.KIND)
        EXPORT_TABLES.register(*account_export.TABLES)
        SCHEDULED_JOBS.register(ScheduledJob("delete old events", event_feed.delete_expired, 60))
