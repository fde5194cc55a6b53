"""Twilio's protocol at the exchange: REST 2010-04-01, TwiML, signed callbacks, Media Streams.

Switch, legs, phones and audio are those of the exchange. This package contains only what is different at Twilio.

`values`, `errors`, `forms`   IDs and dates, errors, form bodies
`callbacks`                   signed requests to the platform
`account`                     accounts, their numbers and their calls
`calls`                       one call: its resource and status callbacks
`twiml`, `interpreter`        parsing and running TwiML documents
`connect`, `dial`, `gather`, `speaking`   the verbs
`streams`                     Media Streams
`conferences`                 conferences of several calls
`*_api`                       REST
"""
