"""Finds the described API operation of a request."""

import re
from functools import cache
from typing import TYPE_CHECKING

from django.utils.module_loading import import_string
from rest_framework.request import Request

if TYPE_CHECKING:
    from bubblyphone.core.api.openapi import Operation

_PREFIX = "api/v1/"
_PARAMETER = re.compile(r"<\w+:\w+>|\{\w+\}")


def operation_of(request: Request) -> "Operation | None":
    """None for a path that is not in the description."""
    match = request.resolver_match
    route = match.route.removeprefix(_PREFIX) if match else ""
    method = "GET" if request.method == "HEAD" else request.method
    return operations_by_pattern().get(f"{method} /{_PARAMETER.sub('{}', route)}")


@cache
def operations_by_pattern() -> "dict[str, Operation]":
    """Every described operation by method and path, in which each parameter is `{}`."""
    # REST framework imports permissions, which use this, while the views that `core.api.openapi` needs are being created.
    description = import_string("bubblyphone.core.api.openapi.description")
    return {_PARAMETER.sub("{}", key): operation for key, (_, operation) in description().by_route.items()}
