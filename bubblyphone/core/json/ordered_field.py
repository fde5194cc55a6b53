"""JSON in the database whose objects keep the order of their keys, because people read them in that order."""

import json
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.types.json import Json, Jsonb


class OrderedJSONField(models.JSONField):
    """PostgreSQL's `json`, which keeps the text; `jsonb` sorts keys.

    It supports neither equality nor an index, so nothing is looked up by it.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "json"

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        adapted = super().get_db_prep_value(value, connection, prepared)
        return Json(adapted.obj, dumps=adapted.dumps) if isinstance(adapted, Jsonb) else adapted

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Any:
        return value  # psycopg has already parsed it


def is_same(one: Any, other: Any) -> bool:
    """Whether two values of such a field are equal, including their order, which Python ignores when it compares dicts."""
    return json.dumps(one) == json.dumps(other)
