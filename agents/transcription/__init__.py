"""Recordings to text: Whisper at a provider, or the recognizer of `agents.speech`."""
