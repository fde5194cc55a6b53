from django.apps import AppConfig
from django.core import checks

from billing.checks import check_stripe


class BillingConfig(AppConfig):
    name = "billing"

    def ready(self) -> None:
        checks.register(check_stripe)
