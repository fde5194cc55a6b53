"""Bounds for requests by API clients and models during a call."""

# Half a minute of speech, for which the other party has picked up the telephone.
MAX_BRIEFING_CHARACTERS = 500
# Of a text that should have been a phone number, in an error.
MAX_SHOWN_CHARACTERS = 100
