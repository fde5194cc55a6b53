from django.apps import AppConfig


class PhoneNumbersConfig(AppConfig):
    """The package cannot be called `numbers` (Python's own module, which `decimal` needs); the label is."""

    name = "phone_numbers"
    label = "numbers"
    verbose_name = "Phone numbers"

    def ready(self) -> None:
        from phone_numbers.selectors import webhook_endpoints
        from webhooks.endpoints import register_source

        register_source(webhook_endpoints)
