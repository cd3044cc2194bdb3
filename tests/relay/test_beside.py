"""Without this one large body would hold a worker's event loop, and with it every other call, for as long as
it takes to read."""

import asyncio
import json
import threading
from collections.abc import Iterable, Mapping

import pytest
from tests.wire.pairs.relay import TERMS, WHO, Target, candidate_of, read_call

from switchgear.kernel.errors import BAD_JSON, ApiError
from switchgear.kernel.limits import CONVERTED_AT_ONCE_BYTES_MAX
from switchgear.relay.beside import beside
from switchgear.relay.prepare import Preparation
from switchgear.wire.neutral.reasoning_memory import Thoughts
from switchgear.wire.neutral.request import Opaque, RemoteFile

CLAUDE = Target("anthropic_messages", "anthropic", "claude-opus-4-5")


def test_small_work_is_done_at_once_and_large_work_in_a_thread() -> None:
    here = threading.get_ident()
    assert asyncio.run(beside(10, 10, threading.get_ident)) == here
    assert asyncio.run(beside(11, 10, threading.get_ident)) != here


def test_a_refusal_comes_out_of_the_thread() -> None:
    def refuse() -> None:
        raise ApiError(BAD_JSON, "no")

    with pytest.raises(ApiError, match="no"):
        asyncio.run(beside(11, 10, refuse))


@pytest.mark.parametrize("size", [10, CONVERTED_AT_ONCE_BYTES_MAX])
def test_a_large_request_is_said_again_beside_the_loop(size: int) -> None:
    """Its sealed reasoning is opened where it is read."""
    threads: list[int] = []

    class Seals:
        def seal(self, opaque: Opaque) -> str:
            return ""

        def open(self, text: str) -> Opaque | None:
            threads.append(threading.get_ident())
            return None

    async def fetch(payer: str, urls: tuple[str, ...]) -> Mapping[str, RemoteFile]:
        raise AssertionError(urls)

    async def find(owner: str, ids: Iterable[str]) -> Mapping[str, Thoughts]:
        return {}

    detail = {"type": "reasoning.text", "format": "switchgear-v1", "signature": "relay1.a.b"}
    messages = [
        {"role": "user", "content": "x" * size},
        {"role": "assistant", "content": "y", "reasoning_details": [detail]},
        {"role": "user", "content": "z"},
    ]
    body = json.dumps({"model": "m1", "messages": messages}).encode()
    dialect, call = read_call("/v1/chat/completions", body)
    preparation = Preparation(call, dialect, WHO, Seals(), fetch, find, TERMS)
    prepared = asyncio.run(preparation.prepare(candidate_of(CLAUDE, call)))
    assert len(prepared.body) > size
    assert (threads[0] != threading.get_ident()) == (size > 10)
