"""Shared parts of Twilio's REST API: Basic authentication, the account in the path, errors, and injected faults."""

import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sandbox.exchange.faults import Faults
from sandbox.exchange.http import fail_on_purpose, json_response
from sandbox.exchange.twilio import errors
from sandbox.exchange.twilio.account import Account
from sandbox.exchange.twilio.errors import TwilioError
from sandbox.exchange.twilio.values import API_VERSION

PREFIX = f"/{API_VERSION}/"
AccountHandler = Callable[[web.Request, Account], Awaitable[web.StreamResponse]]
ACCOUNT: web.RequestKey[Account] = web.RequestKey("account", Account)


def is_twilio(request: web.Request) -> bool:
    """Whether a request is for Twilio's API."""
    return request.path.startswith(PREFIX)


def make_middleware(accounts: Mapping[str, Account], faults: Faults) -> Middleware:
    """Authentication, faults and errors around every handler of Twilio's API."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            request[ACCOUNT] = _authenticate(request, accounts)
            fault = faults.rest.get(request.path.removesuffix(".json").rpartition("/")[2])
            if fault is not None:
                return await fail_on_purpose(request, fault)
            return await handler(request)
        except TwilioError as error:
            return json_response(error.body(), error.status)
        except web.HTTPNotFound:
            return json_response(errors.not_found(request.path).body(), 404)
        except web.HTTPMethodNotAllowed:
            return json_response(errors.method_not_allowed().body(), 405)

    return middleware


def _authenticate(request: web.Request, accounts: Mapping[str, Account]) -> Account:
    """The account of the Basic credentials, which must be the account in the path. Raises TwilioError."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        name, _, password = base64.b64decode(token, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        name = password = ""
    account = accounts.get(name)
    if scheme.lower() != "basic" or account is None:
        raise errors.unauthenticated()
    if not hmac.compare_digest(account.auth_token.encode(), password.encode()):
        raise errors.unauthenticated()
    words = request.path.split("/")
    if len(words) > 3 and words[2] == "Accounts" and words[3].removesuffix(".json") != account.sid:
        raise errors.unauthenticated()
    return account


def route(method: str, path: str, handler: AccountHandler) -> web.RouteDef:
    """A route below the account. `.json` is appended."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request, request[ACCOUNT])

    return web.route(method, f"{PREFIX}Accounts/{{account_sid}}{path}.json", handle)
