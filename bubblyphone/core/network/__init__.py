"""The client of a request, our own requests to other servers, and how many sockets a process may open."""
