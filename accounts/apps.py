from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        from accounts import account_deletion, housekeeping
        from bubblyphone.core.backup.making import COUNTED
        from bubblyphone.core.schedules import SCHEDULED_JOBS, ScheduledJob

        COUNTED.register("accounts.Developer")
        SCHEDULED_JOBS.register(
            ScheduledJob("finish deleted accounts", account_deletion.finish_all, 1),
            ScheduledJob("delete expired rows", housekeeping.purge, 60),
        )
