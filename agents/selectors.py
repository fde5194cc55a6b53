"""Reading the catalogue of models, model keys and agents."""

from django.db.models import Count, Q, QuerySet

from accounts.models import Developer
from agents.model_catalog.custom_models import custom_model, is_custom
from agents.models import Agent, AIModel, ModelKey
from agents.providers.registry import get_model
from bubblyphone.core.database.lookup import get_row
from bubblyphone.core.database.prepared_queries import PreparedQuery

_BY_SLUG = PreparedQuery(lambda slug: AIModel.objects.select_related("successor").filter(slug=slug))


def list_models() -> list[AIModel]:
    """The whole catalog in its order, including models that are turned off."""
    return list(AIModel.objects.select_related("successor"))


def find_model(slug: str) -> AIModel | None:
    """The model of that slug in either spelling, even if it is turned off or retired, or one that the catalog lacks
    (`openai/<id>`); None if there is no such model.
    """
    if found := _BY_SLUG.fetch(slug):
        return found[0]
    return AIModel.objects.select_related("successor").filter(aliases__contains=[slug]).first() or custom_model(slug)


def in_service(model: AIModel | None) -> AIModel | None:
    """The model that a call of this one runs on: itself, or the successor of a retired one. None if there is no model."""
    seen: set[int] = set()
    while model is not None and model.is_retired and model.pk not in seen:
        seen.add(model.pk)
        model = model.successor
    return model if model is not None and model.is_enabled and not model.is_retired else None


def running_slug(slug: str) -> str:
    """The slug of the model that a call of this one runs on; as it was given, unless a retired one has a successor."""
    return running_slug_of(find_model(slug), slug)


def running_slug_of(model: AIModel | None, slug: str) -> str:
    """`running_slug`, with what `find_model` returned for the slug."""
    running = in_service(model)
    return slug if running is None or running == model else running.slug


def unavailable_reason(model: AIModel) -> str:
    """Why no call can use the model with the platform's own key; empty when it can. No I/O beyond the database."""
    running = in_service(model)
    if running is None:
        return "This model has been retired." if model.is_retired else "This model is disabled on this server."
    if is_custom(running):
        return f"A model that is not in the catalog requires your own {running.get_provider_display()} key."
    if get_model(running.provider).is_available():
        return ""
    if running.provider == AIModel.Provider.LOCAL:
        return "Offline speech is not installed on this server."
    name = running.get_provider_display()
    return f"This server has no {name} key. Add your own {name} model key."


def is_available(model: AIModel) -> bool:
    """Whether a call can use the model without a key of the developer's own."""
    return not unavailable_reason(model)


def default_model(provider: str = "") -> AIModel | None:
    """The model of calls for which none is named: the first available one of the catalog.

    With a `provider`, whose key the developer has: the first of that provider.
    """
    models = [model for model in AIModel.objects.filter(is_enabled=True) if not model.is_retired]
    if provider:
        return next((model for model in models if model.provider == provider), None)
    return next((model for model in models if is_available(model)), None)


def model_keys_of(developer: Developer) -> QuerySet[ModelKey]:
    """A developer's own keys, newest first."""
    return ModelKey.objects.filter(developer=developer).order_by("-id")


def get_model_key(*, developer: Developer, pk: int) -> ModelKey:
    """Raises NotFound, for another developer's key too."""
    return get_row(model_keys_of(developer), pk=pk)


def agents_of(developer: Developer) -> QuerySet[Agent]:
    """A developer's agents, newest first, with `phone_numbers_count` (released numbers do not count)."""
    linked = Count("phone_numbers", filter=~Q(phone_numbers__status="released"))
    return Agent.objects.filter(developer=developer).annotate(phone_numbers_count=linked).order_by("-id")


def get_agent(*, developer: Developer, pk: int) -> Agent:
    """With `phone_numbers_count`. Raises NotFound, for another developer's agent too."""
    return get_row(agents_of(developer), pk=pk)
