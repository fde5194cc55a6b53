"""Which models handle a call: its own, and the backup model. Read from the call's row before its session starts."""

from dataclasses import dataclass, field, replace

from agents.agent_settings.call_config import CallConfig
from agents.model_catalog.model_capabilities import Capabilities
from agents.models import AIModel, ModelKey
from agents.providers.base import ProviderError, RealtimeModel, RealtimeSession, SessionConfig
from agents.providers.registry import expect_sessions, get_model
from agents.selectors import find_model, in_service
from bubblyphone.core.crypto import decrypt
from calls.models import Call
from calls.session.interfaces import Engine


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """A model with its settings for a call. With a `refusal` it cannot be used, and a session fails with that reason."""

    provider: str = ""
    upstream_model: str = ""
    api_key: str = ""  # the developer's own; empty: the platform's
    voice: str = ""
    language: str = ""
    capabilities: Capabilities = field(default_factory=Capabilities)
    refusal: str = ""

    def load(self) -> RealtimeModel:
        """Load the provider's session factory; blocking, because it may import an SDK."""
        if self.refusal:
            return _Refusing(self.refusal)
        expect_sessions()
        return get_model(self.provider)

    def engine(self, model: RealtimeModel, shared: SessionConfig) -> Engine:
        """Add the settings that all models of the call share."""
        return Engine(
            model,
            replace(
                shared,
                upstream_model=self.upstream_model,
                api_key=self.api_key,
                voice=self.voice,
                language=self.language,
                capabilities=self.capabilities,
                settings={k: v for k, v in shared.settings.items() if not self.capabilities.lacks(k, v)},
            ),
        )


class _Refusing(RealtimeModel):
    """Replaces a model that must not be used: a call never uses another key than the configured one."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def is_available(self) -> bool:
        return False

    async def connect(self, config: SessionConfig) -> RealtimeSession:
        raise ProviderError(self._reason, retryable=False)


def engines_of(call: Call, config: CallConfig) -> tuple[EngineChoice, EngineChoice | None]:
    """The call's own model, and the backup model."""
    keys = ModelKey.objects.filter(developer_id=call.developer_id)
    key = keys.filter(pk=config.model_key_id).first() if config.model_key_id is not None else None
    return _own(call, config, key), _stand_in(config, key)


def _own(call: Call, config: CallConfig, key: ModelKey | None) -> EngineChoice:
    model = find_model(call.model_slug)
    if model is None:
        return EngineChoice(refusal=f"The model {call.model_slug} is no longer in the catalog.")
    if config.model_key_id is not None and key is None:
        return EngineChoice(refusal="The model key of this call has been deleted.")
    if key is not None and key.provider != model.provider:
        return EngineChoice(refusal=f"The model key of this call is for {key.get_provider_display()}.")
    return _choice(model, config, key)


def _stand_in(config: CallConfig, key: ModelKey | None) -> EngineChoice | None:
    """With the developer's own key a call's model is free, so a model billed to the platform cannot be its backup."""
    model = in_service(find_model(config.fallback_model)) if config.fallback_model else None
    if model is None:
        return None
    if model.provider == AIModel.Provider.LOCAL or config.model_key_id is None:
        return _choice(model, config, None)
    return _choice(model, config, key) if key is not None and key.provider == model.provider else None


def _choice(model: AIModel, config: CallConfig, key: ModelKey | None) -> EngineChoice:
    can = model.can
    return EngineChoice(
        provider=model.provider,
        upstream_model=model.upstream_id,
        api_key=decrypt(key.encrypted) if key is not None else "",
        voice=can.session_voice(config.voice),
        language=can.session_language(config.language),
        capabilities=can,
    )
