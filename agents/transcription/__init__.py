"""Recordings to text: Whisper at a provider, or the recogniser of `agents.speech`."""
