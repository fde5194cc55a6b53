"""The built-in exchange: a carrier on loopback that speaks Telnyx's protocol, with telephones at its other end.

    platform ──REST──▶ calls_api / numbers_api ──▶ switch ──▶ legs ◀── handset (scripted, or a browser's Phone page)
        ▲                                                       │
        ├──────────────── webhooks (ed25519) ◀──────────────────┤
        └──────────────── media (WebSocket)  ◀──────────────────┘

It runs in a process of its own (`manage.py exchange`) or inside a test (`sandbox.exchange.server.Exchange`), and knows
nothing of the platform but the three addresses above. No Django in here.
"""
