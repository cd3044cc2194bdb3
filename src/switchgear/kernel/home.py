"""Where things lie in the data folder. Paths only; who needs a file makes it."""

import os
import stat
from pathlib import Path

UNIX_PATH_BYTES_MAX = 100
"""Linux takes 107; some room is left for a temporary name."""


class Home:
    """The data folder: ``switchgear.db``, ``node`` (its id), ``journals/<epoch>/``, ``run/`` (sockets, rate
    table), ``secrets/``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.database = path / "switchgear.db"
        self.node = path / "node"
        self.journals = path / "journals"
        self.run = path / "run"
        self.secrets = path / "secrets"
        self.master_key = self.secrets / "master.key"
        self.metrics_token = self.secrets / "metrics.token"
        self.pepper = self.secrets / "pepper.key"
        self.unshown = self.secrets / "unshown"
        self.link_socket = self.run / "link.sock"
        self.rates = self.run / "rates.bin"
        self.lock = self.run / "lock"

    def create(self) -> None:
        """Makes the folders, readable by their owner only. Raises OSError."""
        for folder in (self.path, self.journals, self.run, self.secrets):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def who_else_writes(self) -> str:
        """Why the folder can't be trusted, in one line: somebody else may change what lies in it. Empty:
        nobody may. Raises OSError."""
        ours = (os.geteuid(), 0)
        folders = (self.path, self.secrets, self.run, self.journals)
        for place in (*folders, self.database, self.node, self.master_key):
            try:
                found = place.stat()
            except FileNotFoundError:
                continue
            if found.st_uid not in ours:
                return f"{place} belongs to another user (id {found.st_uid})"
            if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return (
                    f"others can write to {place} (mode {stat.S_IMODE(found.st_mode):04o}); "
                    f"run: chmod go-w {place}"
                )
        for above in self.path.absolute().parents:
            mode = above.stat().st_mode
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                return f"everybody can replace {self.path}, as {above} is open to all; run: chmod o-w {above}"
        return ""

    def link_address(self) -> str:
        """A name for the link socket that a unix socket address can hold, however deep the folder lies."""
        plain = str(self.link_socket.absolute())
        if len(os.fsencode(plain)) <= UNIX_PATH_BYTES_MAX:
            return plain
        folder = os.open(self.run, os.O_PATH | os.O_DIRECTORY)
        return f"/proc/self/fd/{folder}/{self.link_socket.name}"
