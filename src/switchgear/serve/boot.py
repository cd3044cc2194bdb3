"""What a process of the server is started with, as one value in an open file that its children inherit.

The file has no name, so nobody else can read it, and nothing of it stands in an argument list.
"""

import os
import tempfile
from typing import Self

import msgspec

from switchgear.kernel.config import ServerConfig


class Boot(msgspec.Struct, frozen=True):
    """The settings in force; nothing secret, as every role reads them."""

    data: str
    """Path of the data folder."""
    server: ServerConfig

    def write(self) -> int:
        """An open descriptor that holds the value; whoever inherits it can read it, any number of times."""
        return write_unnamed(msgspec.msgpack.encode(self))

    @classmethod
    def read(cls, descriptor: int) -> Self:
        """What ``write`` wrote. Raises msgspec.DecodeError when it was something else."""
        return msgspec.msgpack.decode(read_unnamed(descriptor), type=cls)


def write_unnamed(data: bytes) -> int:
    """A descriptor of a file without a name, which holds the data."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        return os.dup(file.fileno())


def read_unnamed(descriptor: int) -> bytes:
    """All of it, wherever the descriptor stands: processes that inherited it share one position."""
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
