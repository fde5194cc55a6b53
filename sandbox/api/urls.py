"""API routes of the sandbox."""

from django.urls import path

from sandbox.api import views

urlpatterns = [
    path("sandbox/calls", views.SandboxCallsView.as_view()),
    path("sandbox/demo", views.SandboxDemoView.as_view()),
]
