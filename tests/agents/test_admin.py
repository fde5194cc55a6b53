"""What staff can see and change."""

from decimal import Decimal

import pytest

from agents.models import AIModel
from agents.services import create_model_key
from tests.factories import make_agent, make_developer
from tests.staff.sign_in import make_staff, staff_client

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    return staff_client(make_staff())


def test_staff_edit_the_catalog(staff):
    model = AIModel.objects.get(slug="gpt-realtime-mini")
    fields = {
        "slug": model.slug,
        "aliases": '["gpt-realtime-mini-latest"]',
        "provider": "openai",
        "display_name": "GPT Realtime Mini",
        "upstream_id": "gpt-realtime-mini-2",
        "price_per_minute": "0.05",
        "position": "30",
    }
    assert staff.post(f"/admin/agents/aimodel/{model.pk}/change/", fields).status_code == 302
    model.refresh_from_db()
    assert (model.upstream_id, model.price_per_minute, model.is_enabled) == (
        "gpt-realtime-mini-2",
        Decimal("0.05"),
        False,
    )


def test_keys_and_agents_are_read_only_and_without_secrets(staff):
    key = create_model_key(developer=make_developer(), provider="openai", api_key="sk-verysecretkey")
    agent = make_agent()
    for path in (f"modelkey/{key.pk}", f"agent/{agent.pk}"):
        page = staff.get(f"/admin/agents/{path}/change/")
        assert page.status_code == 200
        assert "sk-very" not in page.content.decode()
        assert key.encrypted not in page.content.decode()
        assert staff.post(f"/admin/agents/{path}/change/", {}).status_code == 403
    for name in ("modelkey", "agent", "aimodel"):
        assert staff.get(f"/admin/agents/{name}/").status_code == 200
