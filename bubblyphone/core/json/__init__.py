"""Parsing JSON, and storing it with its keys in order."""
