"""API routes."""

from django.urls import path

from phone_numbers.api import carrier_accounts, carriers, countries, views

urlpatterns = [
    path("carriers", carriers.CarriersView.as_view()),
    path("carrier-accounts", carrier_accounts.CarrierAccountsView.as_view()),
    path("carrier-accounts/<int:pk>", carrier_accounts.CarrierAccountView.as_view()),
    path("carrier-accounts/<int:pk>/test", carrier_accounts.CheckCarrierAccountView.as_view()),
    path("phone-numbers", views.NumbersView.as_view()),
    path("phone-numbers/available", views.AvailableNumbersView.as_view()),
    path("phone-numbers/import", carrier_accounts.ImportView.as_view()),
    path("phone-numbers/<int:pk>", views.NumberView.as_view()),
    path("phone-numbers/<int:pk>/rotate-secret", views.SecretRotationView.as_view()),
    path("number-pricing", views.PricingView.as_view()),
    path("countries", countries.CountriesView.as_view()),
    path("countries/<str:code>/requirements", countries.RequirementsView.as_view()),
    path("countries/<str:code>/verify", countries.VerifyView.as_view()),
    path("countries/<str:code>/verification", countries.VerificationView.as_view()),
]
