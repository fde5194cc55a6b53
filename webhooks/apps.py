from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "webhooks"

    def ready(self) -> None:
        from bubblyphone.core.clock_tasks import CLOCK_TASKS
        from webhooks import delivery

        CLOCK_TASKS.register(delivery.run)
