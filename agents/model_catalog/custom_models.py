"""Vendor models that are not in the catalog: `openai/<id>` and `google/<id>`, with the developer's own key."""

import re

from agents.models import AIModel

_CUSTOM = re.compile(r"(openai|google)/([A-Za-z0-9][A-Za-z0-9._:-]{0,69})")


def custom_model(slug: str) -> AIModel | None:
    """The model, which is not stored; None if the slug has another form.

    It gets the capabilities that the catalog lists for that id, otherwise those of the vendor's first model.
    """
    if (found := _CUSTOM.fullmatch(slug)) is None:
        return None
    provider, upstream_id = found.groups()
    known = list(AIModel.objects.filter(provider=provider))
    like = next((model for model in known if model.upstream_id == upstream_id), known[0] if known else None)
    return AIModel(
        slug=slug,
        provider=provider,
        display_name=upstream_id,
        upstream_id=upstream_id,
        price_per_minute=0,
        capabilities=like.capabilities if like is not None else {},
    )


def is_custom(model: AIModel) -> bool:
    """Whether it is a custom model, which requires the developer's own key."""
    return model.pk is None
