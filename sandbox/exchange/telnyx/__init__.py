"""Telnyx's REST API over the exchange: Call Control v2, numbers, requirement groups.

Legs also report in Telnyx's format (`webhooks`, `media_stream`, `errors`), but these modules are outside this package: legs use them, and
Twilio's protocol translates their reports.

`calls_api`, `numbers_api`, `compliance_api`   one class for each part of the API
`schemas`                                      the bodies of its commands
"""
