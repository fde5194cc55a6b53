from django.apps import AppConfig


class SandboxConfig(AppConfig):
    name = "sandbox"

    def ready(self) -> None:
        from agents.extension_points import TEST_TERMS
        from sandbox import agent_tests

        TEST_TERMS.register(agent_tests.terms_of)
