"""Maximum lengths of texts from API clients and models."""

# Half a minute of speech, which the recipient hears before they are connected.
MAX_BRIEFING_CHARACTERS = 500
# Of a text that should have been a phone number, when an error shows it.
MAX_SHOWN_CHARACTERS = 100
