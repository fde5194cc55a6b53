"""The built-in exchange: a carrier on loopback that speaks Telnyx's protocol and Twilio's, with telephones at its other end.

    platform ──REST──▶ telnyx / twilio ──▶ switch ──▶ legs ◀── handset (scripted, or a browser's Phone page)
        ▲                                               │
        ├──────────────── webhooks (signed) ◀───────────┤
        └──────────────── media (WebSocket) ◀───────────┘

It runs in a process of its own (`manage.py exchange`) or inside a test (`sandbox.exchange.server.Exchange`), and knows
nothing of the platform but the three addresses above. No Django in here.
"""
