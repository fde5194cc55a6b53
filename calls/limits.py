"""Bounds of what callers of the API and models may ask of a call."""

# Half a minute of speech, for which the other party has picked up the telephone.
MAX_BRIEFING_CHARACTERS = 500
