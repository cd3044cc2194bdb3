"""Whether a connection failed for want of something of this machine's own, which no upstream can help."""

import errno
import os
import socket

_OWN = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRNOTAVAIL))
"""Descriptors, memory and local ports."""
MARKS = tuple(f"(os error {number})" for number in sorted(_OWN))
"""How Rust's libraries write them."""


def is_own_lack(fault: OSError) -> bool:
    """A name that is not resolved may be one, too: a resolver without a descriptor says that it found
    nothing."""
    if isinstance(fault, socket.gaierror):
        return fault.errno == socket.EAI_MEMORY or _is_out_of_descriptors()
    return fault.errno in _OWN


def _is_out_of_descriptors() -> bool:
    try:
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as fault:
        return fault.errno in _OWN
    return False
