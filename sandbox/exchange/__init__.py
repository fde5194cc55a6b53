"""The built-in exchange: a carrier on loopback that speaks Telnyx's protocol and Twilio's, and has its own phones.

    platform ──REST──▶ telnyx / twilio ──▶ switch ──▶ legs ◀── handset (scripted, or a browser's Phone page)
        ▲                                               │
        ├──────────────── webhooks (signed) ◀───────────┤
        └──────────────── media (WebSocket) ◀───────────┘

It runs in its own process (`manage.py exchange`) or inside a test (`sandbox.exchange.server.Exchange`), and only knows the
platform's three URLs above. It does not use Django.
"""
