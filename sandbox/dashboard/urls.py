"""Dashboard routes."""

from django.urls import path

from sandbox import demo_tool
from sandbox.dashboard import agent_views, views

urlpatterns = [
    path("agents/new", agent_views.new_agent, name="new-agent"),
    path("agents/<int:pk>/test", agent_views.test_agent, name="test-agent"),
    path("phone", views.phone, name="phone"),
    path("phone/call", views.phone_call, name="phone-call"),
    path("sandbox", views.sandbox, name="sandbox"),
    path("sandbox/start", views.start_sandbox, name="start-sandbox"),
    path("sandbox/variables", views.sandbox_variables, name="sandbox-variables"),
    path("sandbox/price", views.sandbox_price, name="sandbox-price"),
    path("sandbox/demo-tool", demo_tool.demo_tool),
]
