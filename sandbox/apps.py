from django.apps import AppConfig


class SandboxConfig(AppConfig):
    name = "sandbox"

    def ready(self) -> None:
        from accounts.extension_points import DELETION_STEPS, DeletionPhase, DeletionStep
        from agents.extension_points import TEST_TERMS
        from sandbox import agent_tests, handset_numbers

        DELETION_STEPS.register(DeletionStep(DeletionPhase.CALLS, handset_numbers.unplug_handset))
        TEST_TERMS.register(agent_tests.terms_of)
