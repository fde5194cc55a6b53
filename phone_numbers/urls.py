"""Dashboard routes."""

from django.urls import path

from phone_numbers import country_views, views

urlpatterns = [
    path("numbers", views.numbers, name="numbers"),
    path("numbers/buy", views.buy_number, name="buy-number"),
    path("numbers/<int:pk>", views.number, name="number"),
    path("numbers/<int:pk>/rotate-secret", views.rotate_secret, name="rotate-secret"),
    path("numbers/<int:pk>/test-webhook", views.test_webhook, name="test-webhook"),
    path("numbers/<int:pk>/release", views.release_number, name="release-number"),
    path("agents/<int:pk>/numbers", views.link_agent, name="link-agent"),
    path("countries", country_views.countries, name="countries"),
    path("countries/<str:code>/<str:number_type>", country_views.country, name="country"),
]
