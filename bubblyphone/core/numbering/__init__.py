"""Numbering plans: valid phone numbers, and the kind of range that a number is in."""
