"""Whom an account may call: one gate for calls, transfers and briefings. What always applies is in `billing.destinations`."""
