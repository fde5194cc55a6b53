"""API routes."""

from django.urls import path

from agents.api import secret_views, views

urlpatterns = [
    path("models", views.ModelList.as_view()),
    path("model-keys", views.ModelKeyList.as_view()),
    path("model-keys/<int:pk>", views.ModelKeyDetail.as_view()),
    path("model-keys/<int:pk>/test", views.ModelKeyTest.as_view()),
    path("secrets", secret_views.SecretList.as_view()),
    path("secrets/<int:pk>", secret_views.SecretDetail.as_view()),
    path("agents", views.AgentList.as_view()),
    path("agents/<int:pk>", views.AgentDetail.as_view()),
    path("agents/<int:pk>/versions", views.AgentVersionList.as_view()),
]
