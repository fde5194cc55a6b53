"""A loopback Stripe: API, a Checkout page to click through, idempotency keys, signed webhooks with retries.

`with FakeStripe() as stripe:` — `stripe.url` is for STRIPE_API_BASE, and `stripe.account` has its objects. With `webhook_url`, events
are delivered as they happen. Without it, the test delivers `stripe.account.events` itself, in any order (`signed`).
"""

import hashlib
import hmac
import json
import queue
import re
import threading
import time
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import httpx2

from tests.fakes.stripe_objects import GOOD, Refused, StripeAccount, StripeObject

KEY, SECRET = "sk_test_" + "4eC39HqLyjWDarjtT1zdp7dc", "whsec_" + "fake_stripe_webhook_secret"
RETRY_SECONDS = (0.2, 0.5, 1, 2)
PAGE = """<!doctype html><html lang="en"><title>Checkout</title><h1>Pay {amount}</h1>
<form method="post"><label>Card number <input name="number" value="{number}"></label>
<button>Pay</button></form><a href="{back}">Back</a></html>"""


def read_form(text: str) -> StripeObject:
    """Parse `a[b][0][c]=1` as `{"a": {"b": [{"c": "1"}]}}`, as Stripe parses bodies and queries."""
    found: StripeObject = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        keys = re.findall(r"[^\[\]]+", name)
        place = found
        for key in keys[:-1]:
            place = place.setdefault(key, {})
        place[keys[-1]] = [value] if name.endswith("[]") else value
    return {name: _with_lists(value) for name, value in found.items()}


def _with_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdecimal() for key in value):
        return [_with_lists(value[key]) for key in sorted(value, key=int)]
    return {key: _with_lists(item) for key, item in value.items()}


def signed(event: StripeObject, *, secret: str = SECRET, at: float | None = None) -> tuple[str, dict[str, str]]:
    """An event's body and headers, as Stripe delivers them at this time."""
    body, timestamp = json.dumps(event, indent=2), int(time.time() if at is None else at)
    digest = hmac.new(secret.encode(), f"{timestamp}.{body}".encode(), hashlib.sha256).hexdigest()
    return body, {"Stripe-Signature": f"t={timestamp},v1={digest},v0=unused", "Content-Type": "application/json"}


class FakeStripe:
    """`requests` has every request as (method, path, form).

    `broken` requests ("POST /v1/refunds") take effect, but the response is lost.
    """

    def __init__(self, *, webhook_url: str = "", repeats: int = 1, port: int = 0) -> None:
        self.account = StripeAccount(tell=self._queue_event)
        self.webhook_url, self.repeats = webhook_url, repeats
        self.requests: list[tuple[str, str, StripeObject]] = []
        self.answers: dict[str, tuple[str, int, StripeObject]] = {}  # idempotency key → request, status, response
        self.broken: set[str] = set()
        self.delivered: list[tuple[str, int]] = []  # event type, status
        self._lock = threading.RLock()
        self._waiting: queue.Queue[StripeObject | None] = queue.Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self._deliverer = threading.Thread(target=self._deliver_all, daemon=True)
        self._deliverer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._waiting.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._deliverer.join(10)

    def posts(self, path: str) -> list[StripeObject]:
        return [form for method, requested, form in self.requests if (method, requested) == ("POST", path)]

    # --- webhooks -----------------------------------------------------------------------------------------------------
    def _queue_event(self, event: StripeObject) -> None:
        if self.webhook_url:
            self._waiting.put(event)

    def wait_until_delivered(self) -> None:
        """Wait until all events have been delivered."""
        self._waiting.join()

    def _deliver_all(self) -> None:
        with httpx2.Client(trust_env=False, timeout=30) as client:
            while (event := self._waiting.get()) is not None:
                for _ in range(self.repeats):
                    self._deliver(client, event)
                self._waiting.task_done()

    def _deliver(self, client: httpx2.Client, event: StripeObject) -> None:
        for pause in (*RETRY_SECONDS, 0):
            body, headers = signed(event)
            try:
                status = client.post(self.webhook_url, content=body, headers=headers).status_code
            except httpx2.HTTPError:
                status = 0
            self.delivered.append((event["type"], status))
            if 200 <= status < 300:
                return
            time.sleep(pause)

    # --- the API ------------------------------------------------------------------------------------------------------
    def answer(self, method: str, path: str, form: StripeObject, key: str) -> tuple[int, StripeObject, bool]:
        """Status, body, and whether this repeats the response to an earlier request with that key."""
        with self._lock:
            self.requests.append((method, path, form))
            request = json.dumps([method, path, form], sort_keys=True)
            if method == "POST" and key in self.answers:
                first, status, body = self.answers[key]
                if first != request:
                    text = "Keys for idempotent requests can only be used with the same parameters."
                    return 400, {"error": {"type": "idempotency_error", "message": text}}, False
                return status, body, True
            try:
                status, body = 200, self._carry_out(method, path, form)
            except Refused as refusal:
                status, body = refusal.status, {"error": refusal.error}
            body = json.loads(json.dumps(body))
            if method == "POST" and key:
                self.answers[key] = (request, status, body)
            return status, body, False

    def _carry_out(self, method: str, path: str, form: StripeObject) -> StripeObject:
        account = self.account
        match method, path.removeprefix("/v1/").split("/"):
            case "GET", ["account"]:
                return {"id": "acct_fake", "object": "account", "email": "shop@example.test", "country": "US"}
            case "POST", ["customers"]:
                return account.make("cus", "customer", invoice_settings={"default_payment_method": None}, **form)
            case "GET", ["customers", name]:
                return account.find(name, "customer")
            case "GET", ["customers", name, "payment_methods"]:
                return self._listed(path, account.of_kind("payment_method", customer=name))
            case "POST", ["checkout", "sessions"]:
                return account.open_session(form, lambda session: f"{self.url}/pay/{session}")
            case "GET", ["checkout", "sessions", name]:
                return account.find(name, "checkout.session")
            case "POST", ["payment_intents"]:
                return account.charge_off_session(form)
            case "GET", ["payment_intents"]:
                return self._listed(path, account.of_kind("payment_intent", customer=form.get("customer")))
            case "GET", ["payment_intents", name]:
                intent = account.find(name, "payment_intent")
                if "payment_method" in form.get("expand", []):
                    return {**intent, "payment_method": account.objects[intent["payment_method"]]}
                return intent
            case "GET", ["payment_methods", name]:
                return account.find(name, "payment_method")
            case "POST", ["payment_methods", name, "detach"]:
                return self._detach(name)
            case "POST", ["refunds"]:
                return account.refund(form["payment_intent"], int(form["amount"]) if "amount" in form else None)
            case "GET", ["events"]:
                return self._listed(path, list(reversed(account.events)))
        raise Refused(404, "invalid_request_error", f"Unrecognized request URL ({method}: {path}).")

    def _detach(self, name: str) -> StripeObject:
        method = self.account.find(name, "payment_method", "payment_method")
        if method["customer"] is None:
            text = "The payment method you provided is not attached to a customer so detachment is impossible."
            raise Refused(400, "invalid_request_error", text)
        method["customer"] = None
        self.account.announce("payment_method.detached", method)
        return method

    @staticmethod
    def _listed(path: str, things: list[StripeObject]) -> StripeObject:
        return {"object": "list", "url": path, "has_more": False, "data": things}

    # --- HTTP ---------------------------------------------------------------------------------------------------------
    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self) -> None:
                url = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                if url.path.startswith("/pay/"):
                    self._page(url.path.removeprefix("/pay/"), read_form(body))
                    return
                if self.headers.get("Authorization") != f"Bearer {KEY}":
                    self._send(401, {"error": {"type": "invalid_request_error", "message": "Invalid API Key."}})
                    return
                form = read_form(body or url.query)
                key = self.headers.get("Idempotency-Key") or ""
                status, content, replayed = outer.answer(self.command, url.path, form, key)
                if f"{self.command} {url.path}" in outer.broken:
                    self.close_connection = True
                    return
                self._send(status, content, {"Idempotent-Replayed": "true"} if replayed else {})

            do_GET = do_POST = do_DELETE = do_any

            def _send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
                raw = content.encode() if isinstance(content, str) else json.dumps(content).encode()
                kind = "text/html" if isinstance(content, str) else "application/json"
                self.send_response(status)
                for name, value in {
                    "Content-Type": kind, "Content-Length": str(len(raw)), "Request-Id": "req_fake", **(headers or {})
                }.items():  # fmt: skip
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            def _page(self, session_id: str, form: StripeObject) -> None:
                with outer._lock:
                    session = outer.account.find(session_id, "checkout.session")
                    if self.command == "POST":
                        outer.account.pay_session(session_id, form["number"])
                        self._send(303, "", {"Location": session["success_url"]})
                        return
                amount = f"${session['amount_total'] / 100:.2f}"
                self._send(200, PAGE.format(amount=amount, number=GOOD, back=escape(session["cancel_url"] or "")))

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler
