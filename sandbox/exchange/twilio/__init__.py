"""Twilio's dialect of the exchange: REST 2010-04-01, TwiML, signed callbacks, Media Streams.

Switch, legs, phones and audio are those of the exchange. Here is only what Twilio says differently.

`values`, `errors`, `forms`   what goes over the wire: ids and dates, refusals, form bodies
`callbacks`                   signed requests to the platform
`account`                     accounts, their numbers, and which calls they have
`calls`                       one call: its state in Twilio's words, and what it reports
`twiml`, `verbs`              reading documents and carrying them out
`streams`                     Media Streams
`conferences`                 rooms in which several calls hear each other
`*_api`                       REST
"""
