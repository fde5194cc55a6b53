"""How this installation's clients verify a server's certificate."""

import os
import ssl
from functools import cache

import httpx2


def client_context() -> ssl.SSLContext:
    """One for all clients of the process: reading the certificate authorities takes 40 ms of CPU.

    SSL_CERT_FILE and SSL_CERT_DIR name the operator's own authorities.
    """
    return _read(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _read(certificate_file: str | None, certificate_folder: str | None) -> ssl.SSLContext:
    """httpx2 finds what both variables name."""
    return httpx2.create_ssl_context(trust_env=True)
