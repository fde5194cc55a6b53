from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"

    def ready(self) -> None:
        from accounts.extension_points import DELETION_STEPS, EXPORT_TABLES, DeletionPhase, DeletionStep
        from agents import account_deletion, account_export

        DELETION_STEPS.register(DeletionStep(DeletionPhase.AGENTS, account_deletion.delete_agents))
        EXPORT_TABLES.register(*account_export.TABLES)
