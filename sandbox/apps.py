from django.apps import AppConfig


class SandboxConfig(AppConfig):
    name = "sandbox"

    def ready(self) -> None:
        from accounts.extension_points import DELETION_STEPS, DeletionPhase, DeletionStep
        from agents.extension_points import TEST_TERMS
        from sandbox import account_deletion, agent_tests

        DELETION_STEPS.register(DeletionStep(DeletionPhase.CALLS, account_deletion.unplug_handset))
        TEST_TERMS.register(agent_tests.terms_of)
