"""What can keep the services from starting, in words for the person at the terminal."""


class ServiceError(Exception):
    """A service cannot start or go on; the text is complete and is shown as it is."""
