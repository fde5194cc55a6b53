"""Dashboard routes."""

from django.urls import path

from accounts.dashboard import account_views, data_views, notification_views, password_views, views

urlpatterns = [
    path("signup", views.sign_up, name="signup"),
    path("login", views.sign_in, name="login"),
    path("logout", views.sign_out, name="logout"),
    path("password/forgot", password_views.forgot, name="forgot-password"),
    path("password/reset/<str:token>", password_views.reset, name="reset-password"),
    path("verify-email/<str:token>", password_views.verify_email, name="verify-email"),
    path("account", account_views.account, name="account"),
    path("account/password", account_views.change_password, name="change-password"),
    path("account/notifications", notification_views.notification_settings, name="notifications"),
    path("account/data", data_views.data, name="data"),
    path("account/data/export", data_views.export, name="export-data"),
    path("account/log-out-everywhere", account_views.log_out_everywhere, name="log-out-everywhere"),
    path("account/browsers/<int:pk>/sign-out", account_views.sign_out_browser, name="sign-out-browser"),
    path("account/sessions/<int:pk>/end", account_views.end_token, name="end-session"),
    path("account/delete", account_views.delete_account, name="delete-account"),
    path("account/verification", account_views.send_verification, name="send-verification"),
    path("api-keys", views.api_keys, name="api-keys"),
    path("api-keys/<int:key_id>/revoke", views.revoke_api_key, name="revoke-api-key"),
]
