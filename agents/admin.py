"""The catalogue is edited here; what developers keep is looked at, without secrets."""

from django.contrib import admin
from django.http import HttpRequest

from agents.models import Agent, AIModel, ModelKey


@admin.register(AIModel)
class AIModelAdmin(admin.ModelAdmin[AIModel]):
    list_display = ["slug", "display_name", "provider", "upstream_id", "price_per_minute", "is_enabled", "position"]
    list_editable = ["price_per_minute", "is_enabled", "position"]
    list_filter = ["provider", "is_enabled"]
    search_fields = ["slug", "display_name", "upstream_id"]


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that belong to a developer: staff may look, developers change."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


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
