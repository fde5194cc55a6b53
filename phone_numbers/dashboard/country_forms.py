"""Documents for a type of number: one field per requirement of the carrier."""

from collections.abc import Sequence

from django import forms

from bubblyphone.core.errors import ApplicationError, InvalidRequest
from phone_numbers.carriers.base import Requirement
from phone_numbers.verification.submissions import ADDRESS_FORM, SubmittedAnswer


class DocumentsForm(forms.Form):
    """Valid, `answers` is what `phone_numbers.verification.submissions.submit` takes, which checks it."""

    def __init__(self, requirements: Sequence[Requirement], *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self._ids = {f"requirement-{index}": each["id"] for index, each in enumerate(requirements)}
        self._given: list[str] = []
        for name, requirement in zip(self._ids, requirements, strict=True):
            self.fields[name] = _field(requirement)

    @property
    def answers(self) -> list[SubmittedAnswer]:
        """What was filled in."""
        self._given = [name for name in self._ids if self.cleaned_data.get(name)]
        return [self._answer(name) for name in self._given]

    def _answer(self, name: str) -> SubmittedAnswer:
        value = self.cleaned_data[name]
        if isinstance(value, str):
            return SubmittedAnswer(self._ids[name], value=value)
        return SubmittedAnswer(self._ids[name], file=value)

    def show(self, error: ApplicationError) -> None:
        """Show a refusal at the fields it concerns."""
        errors = error.errors if isinstance(error, InvalidRequest) else {"": [error.message]}
        for path, texts in errors.items():
            index = path.split(".")[1] if path.startswith("documents.") else ""
            for text in texts:
                self.add_error(self._given[int(index)] if index else None, text)


def _field(requirement: Requirement) -> forms.Field:
    hints = [requirement["description"], requirement["time_limit"] or ""]
    help_text = ". ".join(hint.rstrip(".") for hint in hints if hint)
    label = requirement["name"]
    if requirement["type"] == "document":
        accept = {"accept": "application/pdf,image/png,image/jpeg"}
        help_text += ". PDF, PNG, or JPEG, up to 10 MB."
        return forms.FileField(label=label, help_text=help_text, max_length=255, widget=forms.FileInput(attrs=accept))
    example = ADDRESS_FORM if requirement["type"] == "address" else requirement["example"]
    return forms.CharField(
        label=label,
        help_text=help_text,
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": example}),
    )
