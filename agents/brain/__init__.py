"""Decides what the model `local-offline` says next: a scripted dialogue, or a chat endpoint. Text in, sentences and tool calls out."""
