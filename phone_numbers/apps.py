from django.apps import AppConfig


class PhoneNumbersConfig(AppConfig):
    """The package cannot be called `numbers` (Python's own module, which `decimal` needs); the label is."""

    name = "phone_numbers"
    label = "numbers"
    verbose_name = "Phone numbers"
