"""Reading the catalogue of models, model keys and agents."""

from django.db.models import Count, Q, QuerySet

from accounts.models import Developer
from agents.models import Agent, AIModel, ModelKey
from agents.providers.registry import get_model
from bubblyphone.core.errors import NotFound


def list_models() -> list[AIModel]:
    """The whole catalogue in its order, models that are switched off included."""
    return list(AIModel.objects.all())


def find_model(slug: str) -> AIModel | None:
    """The model of that slug in either spelling, also when it is switched off; None when there is none."""
    return AIModel.objects.filter(Q(slug=slug) | Q(aliases__contains=[slug])).first()


def is_available(model: AIModel) -> bool:
    """Whether the platform itself can open a session with it: switched on, and its provider configured. No I/O.

    A developer's own key makes a model usable where the platform has none, so this is no condition for naming it.
    """
    return model.is_enabled and get_model(model.provider).is_available()


def default_model() -> AIModel | None:
    """What speaks where nobody named a model: the first available one of the catalogue."""
    return next((model for model in AIModel.objects.filter(is_enabled=True) if is_available(model)), None)


def model_keys_of(developer: Developer) -> QuerySet[ModelKey]:
    """A developer's own keys, newest first."""
    return ModelKey.objects.filter(developer=developer).order_by("-id")


def get_model_key(*, developer: Developer, pk: int) -> ModelKey:
    """Raises NotFound, for another developer's key too."""
    key = ModelKey.objects.filter(developer=developer, pk=pk).first()
    if key is None:
        raise NotFound("Not found.")
    return key


def agents_of(developer: Developer) -> QuerySet[Agent]:
    """A developer's agents, newest first, with `phone_numbers_count` (released numbers do not count)."""
    linked = Count("phone_numbers", filter=~Q(phone_numbers__status="released"))
    return Agent.objects.filter(developer=developer).annotate(phone_numbers_count=linked).order_by("-id")


def get_agent(*, developer: Developer, pk: int) -> Agent:
    """With `phone_numbers_count`. Raises NotFound, for another developer's agent too."""
    agent = agents_of(developer).filter(pk=pk).first()
    if agent is None:
        raise NotFound("Not found.")
    return agent
