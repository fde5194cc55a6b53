from django import forms
from django.apps import AppConfig, apps
from django.db.models.signals import post_migrate

from bubblyphone.core.background.schedules import SCHEDULED_JOBS, ScheduledJob, apply_schedules


class CoreConfig(AppConfig):
    name = "bubblyphone.core"
    label = "core"

    def ready(self) -> None:
        from django.conf import settings
        from django_q.signals import post_execute_in_worker, pre_execute

        from bubblyphone.core.background.clock_tasks import CLOCK_TASKS
        from bubblyphone.core.background.jobs import delete_old_logs, end_trace, name_in_log
        from bubblyphone.core.monitoring import health, metric_files, platform_metrics

        # Named like django-q2, whose table it is.
        post_migrate.connect(apply_schedules, sender=apps.get_app_config("django_q"))
        pre_execute.connect(name_in_log)
        post_execute_in_worker.connect(platform_metrics.note_job)
        post_execute_in_worker.connect(end_trace)
        metric_files.keep_in(settings.DATA_DIR / "metrics")
        _shorten_form_errors()
        CLOCK_TASKS.register(health.beat)
        SCHEDULED_JOBS.register(ScheduledJob("delete old job logs", delete_old_logs, 60))


def _shorten_form_errors() -> None:
    """Say what to enter: "Use at least 8 characters." instead of "Ensure this value has at least 8 characters (it has 3)."."""
    forms.CharField.default_error_messages = {
        "min_length": "Use at least %(limit_value)s characters.",
        "max_length": "Use at most %(limit_value)s characters.",
    }
    for field in (forms.IntegerField, forms.DecimalField):
        field.default_error_messages |= {
            "min_value": "Enter %(limit_value)s or more.",
            "max_value": "Enter %(limit_value)s or less.",
        }
