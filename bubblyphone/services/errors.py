"""Errors that keep the services from starting, with messages for the person at the terminal."""


class ServiceError(Exception):
    """A service cannot start or go on; the text is complete and is shown as it is."""
