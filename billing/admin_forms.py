"""Forms of the admin."""

from typing import Any

from django import forms
from django.utils import timezone

from billing.rate_import import import_rates
from bubblyphone.core.errors import InvalidRequest

MAX_FILE_BYTES = 1024 * 1024


class RatesImportForm(forms.Form):
    """A rate table as a CSV file; `clean` imports it and stores the changed rates in `changed`."""

    file = forms.FileField(help_text="A UTF-8 CSV file in the format of “Export”, at most 1 MiB.")

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_FILE_BYTES:
            raise forms.ValidationError("The file is too large. The maximum is 1 MiB.")
        try:
            self.changed = import_rates(file.read().decode(), timezone.now())
        except UnicodeDecodeError as error:
            raise forms.ValidationError("The file is not UTF-8 text. Save it as UTF-8 and upload it again.") from error
        except InvalidRequest as error:
            texts = [f"{place}: {text}" for place, found in error.errors.items() for text in found]
            raise forms.ValidationError(texts) from error
        return file
