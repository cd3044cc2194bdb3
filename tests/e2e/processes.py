"""What /proc says of a process tree: children, command lines, CPU time, memory."""

import contextlib
import os
from pathlib import Path

TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")


def descendants(root: int) -> list[int]:
    """Living processes below ``root``, parents before their children."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit() and (fields := _stat(int(entry))):
            children.setdefault(int(fields[1]), []).append(int(entry))
    found, queue = [], [root]
    while queue:
        below = sorted(children.get(queue.pop(0), []))
        found += below
        queue += below
    return found


def command_line(pid: int) -> str:
    """The arguments with blanks between them; empty for a process that is gone or a zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def is_alive(pid: int) -> bool:
    """False for a zombie too."""
    fields = _stat(pid)
    return bool(fields) and fields[0] not in "ZX"


def cpu_us(pid: int) -> int:
    """User and system time of a process and all its threads, in microseconds."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) * TICK_US if fields else 0


def rss_bytes(pid: int) -> int:
    """Resident memory; 0 for a process that is gone."""
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def pss_bytes(pid: int) -> int:
    """Resident memory with what is shared divided among those who share it; 0 for a process that is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def pin(pid: int, core: int) -> None:
    """Keeps all threads that a process has now on one core."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread), {core})


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on (state, parent, …); the name before may hold anything."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []
