from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import account_deletion, account_export, extension_points, housekeeping, retention
        from bubblyphone.core.background.schedules import DAY_MINUTES, SCHEDULED_JOBS, ScheduledJob
        from bubblyphone.core.backup.making import COUNTED

        COUNTED.register("accounts.Developer")
        SCHEDULED_JOBS.register(
            ScheduledJob("finish deleted accounts", account_deletion.finish_all, 1),
            ScheduledJob("delete expired rows", housekeeping.purge, 60),
            ScheduledJob("delete data past its retention", retention.delete_expired, DAY_MINUTES),
        )
        extension_points.EXPORT_TABLES.register(*account_export.TABLES)
