from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from bubblyphone.core.api.openapi import Description


class DocsConfig(AppConfig):
    """The last app: it combines the other apps' descriptions of the API."""

    name = "bubblyphone.docs"
    label = "docs"

    def ready(self) -> None:
        from bubblyphone.core.api import openapi

        openapi.DESCRIPTION.register(_description)


def _description() -> "Description":
    from bubblyphone.api_schema import describe

    return describe()
