"""Telnyx's REST API over the exchange: Call Control v2, numbers, requirement groups.

What legs report (`webhooks`, `media_stream`, `errors`) is in Telnyx's words, too, but is beside this package: legs say it themselves, and
Twilio's dialect translates it.

`calls_api`, `numbers_api`, `compliance_api`   one class for each part of the API
`schemas`                                      the bodies of its commands
"""
