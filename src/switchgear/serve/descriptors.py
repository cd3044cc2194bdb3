"""How many files and sockets a process may have open: as many as the system allows, and shared out."""

import resource

from switchgear.kernel.limits import (
    CONNECTIONS_MAX,
    CONNECTIONS_MIN,
    DESCRIPTORS_KEPT,
    UPSTREAM_CONNECTIONS_MAX,
)


def raise_descriptor_limit() -> int:
    """Raises the soft limit to the hard one, for this process and those that it starts; gives it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            return _plain(soft)  # a hard limit above the system's own
        soft = hard
    return _plain(soft)


def client_connections_max(descriptors: int) -> int:
    """Of a worker: half of its descriptors, so that each call finds one for its upstream."""
    return max(CONNECTIONS_MIN, min(CONNECTIONS_MAX, (descriptors - DESCRIPTORS_KEPT) // 2))


def upstream_connections_max(descriptors: int) -> int:
    """Of a worker: what its clients leave, so that the journal and all else find one, too."""
    left = descriptors - DESCRIPTORS_KEPT - client_connections_max(descriptors)
    return max(CONNECTIONS_MIN, min(UPSTREAM_CONNECTIONS_MAX, left))


def _plain(limit: int) -> int:
    return 2 * CONNECTIONS_MAX + DESCRIPTORS_KEPT if limit == resource.RLIM_INFINITY else limit
