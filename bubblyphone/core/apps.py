from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate

from bubblyphone.core.schedules import apply_schedules


class CoreConfig(AppConfig):
    name = "bubblyphone.core"
    label = "core"

    def ready(self) -> None:
        # In the name of django-q2, whose table it is: no signal is sent for apps without models.
        post_migrate.connect(apply_schedules, sender=apps.get_app_config("django_q"))
