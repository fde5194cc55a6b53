"""API routes of calls."""

from django.urls import path

from calls.api import policy, recording_views, views
from calls.api.caps import CapsView

urlpatterns = [
    path("policy", policy.PolicyView.as_view()),
    path("do-not-call", policy.DoNotCallView.as_view()),
    path("do-not-call/import", policy.DoNotCallImportView.as_view()),
    path("do-not-call/<int:pk>", policy.DoNotCallEntryView.as_view()),
    path("billing/caps", CapsView.as_view()),
    path("calls", views.CallsView.as_view()),
    path("calls/<str:identifier>", views.CallView.as_view()),
    path("calls/<str:identifier>/diagnosis", views.DiagnosisView.as_view()),
    path("calls/<str:identifier>/hangup", views.HangupView.as_view()),
    path("calls/<str:identifier>/speak", views.SpeakView.as_view()),
    path("calls/<str:identifier>/transfer", views.TransferView.as_view()),
    path("calls/<str:identifier>/context", views.ContextView.as_view()),
    path("calls/<str:identifier>/transcript", views.TranscriptView.as_view()),
    path("calls/<str:identifier>/recording", recording_views.RecordingView.as_view()),
    path("calls/<str:identifier>/analysis", recording_views.AnalysisView.as_view()),
    path("recording-retention", recording_views.RecordingRetentionView.as_view()),
    path("calls/<str:identifier>/events", views.EventsView.as_view()),
    path("calls/<str:identifier>/turns", views.TurnsView.as_view()),
    path("calls/<str:identifier>/webhook-logs", views.WebhookLogsView.as_view()),
]
