from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import account_deletion, housekeeping
        from bubblyphone.core.schedules import SCHEDULED_JOBS, ScheduledJob

        SCHEDULED_JOBS.register(
            ScheduledJob("finish deleted accounts", account_deletion.finish_all, 1),
            ScheduledJob("delete expired rows", housekeeping.purge, 60),
        )
