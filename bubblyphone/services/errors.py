"""Errors that keep the services from starting, with messages for the person at the terminal."""


class ServiceError(Exception):
    """A service cannot start or continue; the text is shown unchanged."""
