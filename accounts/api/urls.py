"""API routes."""

from django.urls import URLPattern, path

from accounts.api import notifications, retention, views

urlpatterns: list[URLPattern] = [
    path("auth/register", views.RegisterView.as_view()),
    path("auth/login", views.LoginView.as_view()),
    path("auth/me", views.MeView.as_view()),
    path("auth/logout", views.LogoutView.as_view()),
    path("auth/logout-all", views.LogoutAllView.as_view()),
    path("auth/password/forgot", views.ForgotPasswordView.as_view()),
    path("auth/password/reset", views.ResetPasswordView.as_view()),
    path("retention", retention.RetentionView.as_view()),
    path("notifications", notifications.NotificationsView.as_view()),
    path("api-keys", views.ApiKeysView.as_view()),
    path("api-keys/<int:key_id>", views.ApiKeyView.as_view()),
]
