"""The settings that agents, phone numbers and calls have: declared once (`declarations`), resolved for each call (`resolution`)."""
