from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"

    def ready(self) -> None:
        from accounts.extension_points import DELETION_STEPS, DeletionPhase, DeletionStep
        from agents import account_deletion

        DELETION_STEPS.register(DeletionStep(DeletionPhase.AGENTS, account_deletion.delete_model_keys))
