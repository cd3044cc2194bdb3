"""The process that counts tokens: ``python -m switchgear.control.vocabulary``.

It reads frames from standard input, each a length and a text with its model, and writes a count for each; it
ends when its input does. Of the package bpe_openai only the native module is loaded: its Python face
decompresses every table once more at import, which costs 0.8 s and 65 MiB for what is not used here.
"""

import importlib.util
import struct
import sys
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from switchgear.kernel.process import refuse_core_dumps

SIZE = struct.Struct("!I")
"""Before a frame, its length in bytes; as an answer, a number of tokens."""
_CL100K_MODELS = ("gpt-4-", "gpt-3.5", "text-embedding-", "gpt-35")


class Wanted(msgspec.Struct, frozen=True):
    """A text to be counted."""

    text: str
    model: str


def encode_wanted(wanted: Wanted) -> bytes:
    """As the process reads it."""
    data = msgspec.msgpack.encode(wanted)
    return SIZE.pack(len(data)) + data


def encoding_name(model: str) -> str:
    """``cl100k_base`` for the models that were trained with it, ``o200k_base`` for all others."""
    return "cl100k_base" if model == "gpt-4" or model.startswith(_CL100K_MODELS) else "o200k_base"


def main() -> None:
    """Counts until nothing more comes."""
    refuse_core_dumps()
    while len(head := sys.stdin.buffer.read(SIZE.size)) == SIZE.size:
        wanted = msgspec.msgpack.decode(sys.stdin.buffer.read(SIZE.unpack(head)[0]), type=Wanted)
        tokens = int(_encoding(encoding_name(wanted.model)).count(wanted.text))
        sys.stdout.buffer.write(SIZE.pack(tokens))
        sys.stdout.buffer.flush()


@cache
def _encoding(name: str) -> Any:
    return _bindings().tokenizer_for_encoding(name)


def _bindings() -> Any:
    """The native module. Raises ImportError when it is not installed."""
    package = importlib.util.find_spec("bpe_openai")
    for folder in (package.submodule_search_locations or ()) if package else ():
        for file in Path(folder).glob("_bindings*.so"):
            spec = importlib.util.spec_from_file_location("bpe_openai._bindings", file)
            if spec is not None and spec.loader is not None:
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
                return module
    raise ImportError("the vocabularies are not installed (package bpe_openai)")


if __name__ == "__main__":
    main()
