"""The client of a request, and our own requests to other servers."""
