"""Staff edit the model catalog and view developers' agents and keys, without secrets."""

from django.contrib import admin

from agents.models import Agent, AIModel, ModelKey
from bubblyphone.core.admin import EditableListAdmin, ReadOnlyAdmin


@admin.register(AIModel)
class AIModelAdmin(EditableListAdmin):
    list_display = [
        "slug", "display_name", "provider", "upstream_id", "price_per_minute", "is_enabled", "retires_on", "successor", "position",
    ]  # fmt: skip
    list_select_related = ["successor"]
    list_editable = ["price_per_minute", "is_enabled", "position"]
    list_filter = ["provider", "is_enabled"]
    search_fields = ["slug", "display_name", "upstream_id"]


@admin.register(ModelKey)
class ModelKeyAdmin(ReadOnlyAdmin):
    list_display = ["id", "developer", "provider", "label", "last_four", "created_at"]
    list_select_related = ["developer"]
    list_filter = ["provider"]
    search_fields = ["developer__email", "label"]
    exclude = ["encrypted"]


@admin.register(Agent)
class AgentAdmin(ReadOnlyAdmin):
    list_display = ["id", "name", "developer", "model_slug", "created_at"]
    list_select_related = ["developer"]
    search_fields = ["name", "developer__email"]
