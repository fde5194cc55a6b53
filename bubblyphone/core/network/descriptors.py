"""How many files and sockets this process may open."""

import logging
import resource

logger = logging.getLogger(__name__)


def raise_descriptor_limit() -> int:
    """Let this process open as many descriptors as the system allows it at most; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (ValueError, OSError) as error:
            logger.warning("Raising the open file limit above %d failed: %s", soft, error)
    return 1_000_000 if soft == resource.RLIM_INFINITY else soft
