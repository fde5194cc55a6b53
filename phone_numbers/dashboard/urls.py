"""Dashboard routes."""

from django.urls import path

from phone_numbers.dashboard import bring_views, country_views, views

urlpatterns = [
    path("numbers", views.numbers, name="numbers"),
    path("numbers/buy", views.buy_number, name="buy-number"),
    path("numbers/bring", bring_views.bring, name="bring-number"),
    path("numbers/bring/account", bring_views.add_account, name="add-carrier-account"),
    path("numbers/bring/import", bring_views.import_number, name="import-number"),
    path("numbers/bring/<int:pk>/test", bring_views.test_account, name="test-carrier-account"),
    path("numbers/bring/<int:pk>/credentials", bring_views.update_account, name="update-carrier-account"),
    path("numbers/bring/<int:pk>/delete", bring_views.delete_account, name="delete-carrier-account"),
    path("numbers/<int:pk>", views.number, name="number"),
    path("numbers/<int:pk>/rotate-secret", views.rotate_secret, name="rotate-secret"),
    path("numbers/<int:pk>/test-webhook", views.test_webhook, name="test-webhook"),
    path("numbers/<int:pk>/release", views.release_number, name="release-number"),
    path("agents/<int:pk>/numbers", views.link_agent, name="link-agent"),
    path("countries", country_views.countries, name="countries"),
    path("countries/<str:code>/<str:number_type>", country_views.country, name="country"),
]
