"""Dashboard routes."""

from django.urls import path

from agents.dashboard import import_views, model_key_views, secret_views, version_views, views, voice_views

urlpatterns = [
    path("agents", views.agents, name="agents"),
    path("agents/<int:pk>", views.agent, name="agent"),
    path("agents/<int:pk>/draft", views.save_draft, name="save-draft"),
    path("agents/<int:pk>/draft/changes", views.draft_changes, name="draft-changes"),
    path("agents/<int:pk>/draft/publish", views.publish_draft, name="publish-draft"),
    path("agents/<int:pk>/draft/discard", views.discard_draft, name="discard-draft"),
    path("agents/<int:pk>/import-tools", import_views.import_tools, name="import-tools"),
    path("agents/<int:pk>/duplicate", views.duplicate_agent, name="duplicate-agent"),
    path("agents/<int:pk>/delete", views.delete_agent, name="delete-agent"),
    path("agents/<int:pk>/versions", version_views.agent_versions, name="agent-versions"),
    path("agents/<int:pk>/versions/<int:number>", version_views.agent_version, name="agent-version"),
    path("agents/<int:pk>/versions/<int:number>/restore", version_views.restore_version, name="restore-agent-version"),
    path("voices/offline.wav", voice_views.offline_voice, name="offline-voice"),
    path("voices/sample.wav", voice_views.vendor_voice, name="vendor-voice"),
    path("secrets", secret_views.secrets_page, name="secrets"),
    path("secrets/<int:pk>/replace", secret_views.replace_secret, name="replace-secret"),
    path("secrets/<int:pk>/delete", secret_views.delete_secret, name="delete-secret"),
    path("model-keys", model_key_views.model_keys, name="model-keys"),
    path("model-keys/<int:pk>/test", model_key_views.check_key, name="test-model-key"),
    path("model-keys/<int:pk>/replace", model_key_views.replace_key, name="replace-model-key"),
    path("model-keys/<int:pk>/delete", model_key_views.delete_key, name="delete-model-key"),
]
