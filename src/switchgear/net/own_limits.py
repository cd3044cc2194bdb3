"""Whether a connection failed for want of something of this machine's: descriptors, ports, memory."""

import errno
import os

_ERRNOS = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL))


def is_own_limit(fault: OSError) -> bool:
    return fault.errno in _ERRNOS


def has_descriptors() -> bool:
    """Whether this process can open one more file. A resolver that can't says only that the name is
    unknown."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        return False
    return True
