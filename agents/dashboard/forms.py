"""The agent editor's forms, and those of model keys."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from django import forms
from rest_framework.serializers import Serializer

from agents.agent_settings.form import Section, SettingsForm, check_by
from agents.agent_settings.inputs import narrow, wide
from agents.agent_settings.kinds import Group
from agents.analysis.analysis_schema import FIELD_TYPES, MAX_FIELDS, schema_problems
from agents.models import Agent, ModelKey, Secret
from agents.serializers import AgentSerializer, ModelKeySerializer, SecretSerializer, SecretValueSerializer
from agents.tools.openapi_document import MAX_BYTES, UnusableDocument, read_document
from agents.tools.openapi_import import Operation, operations_of

# Switches of tools that need no definition.
READY_MADE = ("hang_up_tool", "auto_transfer_tool", "keypad_tool", "opt_out_tool")
# The tabs of the editor. A setting that is declared flows into the one of its group.
LAYOUT = (
    Section("Prompt", wide(Group.CONVERSATION), narrow(Group.CONVERSATION), "agents/_prompt_preview.html"),
    Section("Voice and model", ("model_slug", *wide(Group.MODEL)), narrow(Group.MODEL), "agents/_voices.html"),
    Section(
        "Tools",
        wide(Group.TOOLS),
        tuple(name for name in narrow(Group.TOOLS) if name not in READY_MADE),
        "agents/_tools.html",
    ),
    Section("After the call", wide(Group.AFTER), narrow(Group.AFTER), "agents/_analysis.html"),
    Section("Limits", (*wide(Group.LIMITS), *wide(Group.OPTIONS)), (*narrow(Group.LIMITS), *narrow(Group.OPTIONS))),
)
TYPE_LABELS = {"text": "Text", "boolean": "Yes or no", "number": "Number", "selector": "Choice"}


class AgentForm(SettingsForm):
    """An agent, with the API's field names, except for its analysis schema (`AnalysisFields`)."""

    name = forms.CharField(
        label="Name", max_length=100, widget=forms.TextInput(attrs={"placeholder": "Support", "autocomplete": "off"})
    )
    description = forms.CharField(label="Description", required=False, max_length=500)
    model_slug = forms.ChoiceField(label="Model", required=False)

    serializer_class = AgentSerializer
    layout = LAYOUT

    def __init__(self, data: Mapping[str, Any] | None = None, *, agent: Agent) -> None:
        super().__init__(data, settings=agent, developer=agent.developer)
        for name in ("system_prompt", "greeting_message"):
            self.fields[name].widget.attrs |= render_again("prompt-preview", on="input changed delay:500ms")
            self.fields[name].widget.attrs["hx-select-oob"] = "#test-variables"
        for name in ("model_slug", "model_key_id"):
            self.fields[name].widget.attrs |= render_again("test-price", on="change")
            self.fields[name].widget.attrs["hx-select-oob"] = "#abilities,#languages"
        self.fields["language"].widget.attrs["list"] = "languages"
        for name in ("tools", "tool_webhook_url"):
            self.fields[name].widget.attrs |= render_again("tools-check", on="change")


def render_again(place: str, *, on: str) -> dict[str, str]:
    """htmx attributes: at an event, render the page again from the input and swap one part of it."""
    return {
        "hx-post": "",
        "hx-trigger": on,
        "hx-target": f"#{place}",
        "hx-select": f"#{place}",
        "hx-swap": "outerHTML",
        "hx-sync": f"#{place}-title:queue last",  # one after the other, so that the latest input counts
        "hx-vals": '{"action": "look"}',
    }


class AnalysisFieldForm(forms.Form):
    """A row of the analysis schema. A row without name, options and description is ignored."""

    name = forms.CharField(
        label="Name",
        max_length=64,
        help_text="Capital letters, digits, and underscores, starting with a letter. Up to 64 characters.",
        widget=forms.TextInput(attrs={"placeholder": "qualified_lead", "autocomplete": "off"}),
    )
    type = forms.ChoiceField(label="Type", choices=[(kind, TYPE_LABELS[kind]) for kind in FIELD_TYPES])
    options = forms.CharField(
        label="Options",
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "placeholder": "interested\nnot interested"}),
        help_text="One per line.",
    )
    description = forms.CharField(
        label="Description",
        max_length=1000,
        widget=forms.TextInput(attrs={"placeholder": "Did the caller want to buy?", "autocomplete": "off"}),
    )

    def has_changed(self) -> bool:
        return any(str(self[name].value() or "").strip() for name in ("name", "options", "description"))

    def clean(self) -> dict[str, Any]:
        """Validated by the schema's own rules, so that page and API never disagree."""
        values: dict[str, Any] = super().clean() or {}
        if not self.errors:
            for path, texts in schema_problems({values["name"]: self.definition()}).items():
                _, _, part = path.partition(".")
                self.add_error(part if part in self.fields else "name", texts)
        return values

    def definition(self) -> dict[str, Any]:
        """The row in the format of the schema."""
        found = {"type": self.cleaned_data["type"], "description": self.cleaned_data["description"]}
        options = [option.strip() for option in self.cleaned_data["options"].splitlines()]
        if self.cleaned_data["type"] == "selector":
            found["options"] = [option for option in options if option]
        return found


class AnalysisFields(forms.BaseFormSet[AnalysisFieldForm]):
    """The rows of an analysis schema."""

    def get_form_kwargs(self, index: int | None) -> dict[str, Any]:
        """A row can be left empty; it is then ignored."""
        return {**super().get_form_kwargs(index), "empty_permitted": True}

    def clean(self) -> None:
        names = [form.cleaned_data["name"] for form in self.rows() if "name" in form.cleaned_data]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise forms.ValidationError(f"The name {twice[0]} is used twice.")

    def rows(self) -> list[AnalysisFieldForm]:
        return [form for form in self.forms if form.has_changed()]

    def schema(self) -> dict[str, Any] | None:
        """The schema of the valid rows; None if there are none."""
        return {form.cleaned_data["name"]: form.definition() for form in self.rows()} or None


def analysis_fields(data: Mapping[str, Any] | None, schema: Mapping[str, Any] | None) -> AnalysisFields:
    """The posted rows, otherwise those of a stored schema plus an empty row."""
    factory = forms.formset_factory(
        AnalysisFieldForm, formset=AnalysisFields, extra=0 if schema else 1, max_num=MAX_FIELDS, validate_max=True
    )
    stored = [
        {"name": name, **field, "options": "\n".join(field.get("options", []))}
        for name, field in (schema or {}).items()
    ]
    rows = factory(data, prefix="analysis", initial=None if data is not None else stored)
    assert isinstance(rows, AnalysisFields)
    return rows


class OpenApiForm(forms.Form):
    """A pasted or uploaded document. Once valid, `operations` holds its operations."""

    document = forms.CharField(
        label="OpenAPI document",
        required=False,
        strip=False,
        widget=forms.Textarea(
            attrs={"rows": 12, "class": "code", "spellcheck": "false", "placeholder": "openapi: 3.1.0"}
        ),
        help_text="JSON or YAML, up to 1 MiB. Upload larger ones.",
    )
    file = forms.FileField(
        label="Or a file",
        required=False,
        widget=forms.FileInput(attrs={"accept": ".json,.yaml,.yml"}),
        help_text="Up to 10 MiB.",
    )
    server = forms.CharField(
        label="Server URL",
        required=False,
        max_length=1000,
        widget=forms.URLInput(attrs={"placeholder": "https://api.example.com/v1", "autocomplete": "off"}),
        help_text="Only needed if the document does not specify one, or to use a different one.",
    )
    words = forms.CharField(
        label="Only operations with",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"placeholder": "/orders", "autocomplete": "off"}),
        help_text="Words of their path, ID, summary, or tags. Needed for more than 200 operations.",
    )

    def __init__(self, *args: Any, taken: Iterable[str] = ()) -> None:
        super().__init__(*args)
        self._taken = taken
        self.operations: list[Operation] = []

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        file, text = values.get("file"), values.get("document") or ""
        if self.errors:
            return values
        try:
            content = file.read(MAX_BYTES + 1) if file else text.encode()
            if not content.strip():
                raise UnusableDocument("Paste a document, or choose a file.")
            document = read_document(content)
            about = {"server": values["server"], "words": values["words"], "taken": self._taken}
            self.operations = operations_of(document, **about)
            if not self.operations:
                raise UnusableDocument("No operation has these words." if values["words"] else "It has no operations.")
        except UnusableDocument as error:
            self.add_error("file" if file else "document", str(error))
        return values


class ApiKeyInput(forms.CharField):
    """A secret: hidden while typed, and never filled in by the browser."""

    widget = forms.PasswordInput(attrs={"autocomplete": "off", "spellcheck": "false", "data-1p-ignore": ""})


class CheckedForm(forms.Form):
    """Also validated by the API's serializer, so that pages and API accept the same values."""

    serializer_class: ClassVar[type[Serializer[Any]]]
    known: Mapping[str, Any] = {}  # values that the serializer needs in addition to the input

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if not self.errors:
            check_by(self.serializer_class(data={**values, **self.known}), self)
        return values


class ModelKeyForm(CheckedForm):
    serializer_class = ModelKeySerializer

    provider = forms.ChoiceField(label="Provider", choices=[("openai", "OpenAI"), ("google", "Google")])
    api_key = ApiKeyInput(label="API key", max_length=500)
    label = forms.CharField(
        label="Name", required=False, max_length=100, widget=forms.TextInput(attrs={"placeholder": "Production"})
    )


class ReplaceKeyForm(CheckedForm):
    """Replaces a key's secret."""

    serializer_class = ModelKeySerializer

    api_key = ApiKeyInput(label="New API key", max_length=500)

    def __init__(self, data: Mapping[str, Any] | None = None, *, key: ModelKey) -> None:
        super().__init__(data, auto_id=f"id_%s_{key.pk}")
        self.key = key
        self.known = {"provider": key.provider}


class SecretForm(CheckedForm):
    serializer_class = SecretSerializer

    name = forms.CharField(
        label="Name",
        max_length=64,
        widget=forms.TextInput(attrs={"placeholder": "CALENDAR_KEY", "autocomplete": "off", "spellcheck": "false"}),
    )
    value = ApiKeyInput(label="Value", max_length=4000)


class ReplaceSecretForm(CheckedForm):
    """Replaces a secret's value."""

    serializer_class = SecretValueSerializer

    value = ApiKeyInput(label="New value", max_length=4000)

    def __init__(self, data: Mapping[str, Any] | None = None, *, secret: Secret) -> None:
        super().__init__(data, auto_id=f"id_%s_{secret.pk}")
        self.secret = secret
