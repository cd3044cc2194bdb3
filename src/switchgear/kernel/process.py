"""What every process of ours does first: its memory, which holds keys and what customers wrote, goes to no
file."""

import ctypes
import resource

_PR_SET_DUMPABLE = 4


def refuse_core_dumps() -> None:
    """For this process: no core file, nor any to a program that collects them, and no look at its memory by
    other processes of its user. Starting another program undoes the latter, so each calls this itself."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
