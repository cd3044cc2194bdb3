"""What every process of ours does first: its memory, which holds keys and what customers wrote, goes to no
file, and what it prints goes into none of its own."""

import ctypes
import os
import resource

_PR_SET_DUMPABLE = 4


def refuse_core_dumps() -> None:
    """For this process: no core file, nor any to a program that collects them, and no look at its memory by
    other processes of its user. Starting another program undoes the latter, so each calls this itself."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def fill_standard_streams() -> None:
    """Where a process was started with a closed stdin, stdout or stderr, the next file that it opened would
    take the number, and log lines would be written into it. What is written to what stands there now fails,
    as it did."""
    while (descriptor := os.open(os.devnull, os.O_RDONLY)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
