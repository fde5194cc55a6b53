"""An API client for one developer."""

import json
from typing import Any

import pytest

from tests.factories import bearer, make_developer


class Api:
    """An API client for one developer, in JSON."""

    def __init__(self, client) -> None:
        self.developer = make_developer()
        self._client, self._headers = client, bearer(self.developer)

    def __call__(self, method: str, path: str, body: object = None, status: int = 200) -> Any:
        response = self._client.generic(
            method, f"/api/v1/{path}", b"" if body is None else json.dumps(body).encode(), headers=self._headers
        )
        assert response.status_code == status, response.content
        return response.json() if response.content else None


@pytest.fixture
def api(client) -> Api:
    return Api(client)


def refusal(**errors: list[str]) -> dict:
    return {"message": "The given data was invalid.", "errors": errors}
