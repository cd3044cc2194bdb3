"""Token counts by the real vocabulary, for text whose upstream reported no usage.

Of the package bpe_openai only the native module is loaded: its Python face decompresses every table once
more at import, which costs 0.8 s and 65 MiB (measured) for what is not used here.
"""

import asyncio
import importlib.util
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from switchgear.kernel.limits import COUNT_TEXT_CHARS_MAX, COUNT_WAITING_MAX
from switchgear.link.protocol import CountTokens, Failed, TokenCount

_CL100K_MODELS = ("gpt-4-", "gpt-3.5", "text-embedding-", "gpt-35")


class TokenCounter:
    """Counts in one thread of its own; a vocabulary is loaded when it is first needed (about 0.2 s)."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "tokens")
        self._encodings: dict[str, Any] = {}
        self._waiting = 0

    async def count(self, call: CountTokens) -> TokenCount | Failed:
        """The number of tokens in ``call.text`` as the vocabulary of ``call.model`` cuts it."""
        if len(call.text) > COUNT_TEXT_CHARS_MAX:
            return Failed(f"the text has more than {COUNT_TEXT_CHARS_MAX} characters")
        if self._waiting >= COUNT_WAITING_MAX:
            return Failed("too many texts are waiting to be counted")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return TokenCount(await loop.run_in_executor(self._thread, self._count, call.text, call.model))
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _count(self, text: str, model: str) -> int:
        name = encoding_name(model)
        encoding = self._encodings.get(name)
        if encoding is None:
            encoding = self._encodings[name] = _bindings().tokenizer_for_encoding(name)
        return int(encoding.count(text))


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


def encoding_name(model: str) -> str:
    """``cl100k_base`` for the models that were trained with it, ``o200k_base`` for all others."""
    return "cl100k_base" if model == "gpt-4" or model.startswith(_CL100K_MODELS) else "o200k_base"
