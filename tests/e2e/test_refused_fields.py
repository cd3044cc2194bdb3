"""Hosts that refuse a field which the relay itself adds, over real servers. Without it every stream of such a
channel would fail, naming a field that the client never sent."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.e2e import client, settings
from tests.e2e.harness import Server
from tests.sim.faults import WORDINGS
from tests.sim.upstream import FakeUpstream

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

TURNS = [{"role": "user", "content": "x"}]
CASES = [("openai_chat", "stream_options", wording) for wording in range(len(WORDINGS))]
CASES += [("openai_responses", field, wording) for field in ("store", "include") for wording in (0, 2, 4)]


class Rig(msgspec.Struct):
    server: Server
    key: str
    upstream: FakeUpstream

    async def ask(self, path: str, body: dict[str, Any]) -> client.Reply:
        return await client.call(self.server.port, self.key, body, path=path)

    def asked(self, since: int) -> list[Any]:
        return [request.json for request in self.upstream.requests[since:]]


def model(field: str, wording: int, client_dialect: str = "chat") -> str:
    return f"{client_dialect}.{field}.{wording}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig() -> AsyncIterator[Rig]:
    key = settings.fresh_key()
    async with FakeUpstream() as upstream:
        host = upstream.base_url.removesuffix("/v1")
        parts = [settings.group(), settings.user(), settings.key(key)]
        for dialect, field, wording in CASES:
            for mine in ("chat", "messages"):
                name = model(field, wording, mine)
                values = {"dialects": [dialect], "model_map": {name: f"fault-refuses-{field}-{wording}"}}
                parts += [settings.channel(host, [name], name, **values), settings.price(name)]
        off = {"off": "fault-refuses-stream_options-0"}
        parts.append(settings.channel(host, ["off"], "off", model_map=off, asks_usage=False))
        parts.append(settings.price("off"))
        with Server("\n".join(parts), workers=1) as server:
            yield Rig(server, key, upstream)


def request(mine: str, name: str) -> tuple[str, dict[str, Any]]:
    body = {"model": name, "messages": TURNS, "max_tokens": 20, "stream": True}
    if mine == "chat":
        return "/v1/chat/completions", body
    return "/v1/messages", body | {"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024}}


@pytest.mark.parametrize("mine", ["chat", "messages"])
@pytest.mark.parametrize(("dialect", "field", "wording"), CASES)
async def test_the_same_upstream_is_asked_once_more_and_the_lesson_kept(
    rig: Rig, dialect: str, field: str, wording: int, mine: str
) -> None:
    path, body = request(mine, model(field, wording, mine))
    counts = []
    for _ in range(3):
        since = len(rig.upstream.requests)
        reply = await rig.ask(path, body)
        assert reply.status == 200, reply.body
        assert b"word0" in reply.body
        asked = rig.asked(since)
        assert field not in asked[-1]
        counts.append(len(asked))
    if dialect == "openai_responses" and field == "include" and mine == "chat" and counts[0] == 1:
        pytest.skip("nothing is to be included for this client")
    assert counts == [2, 1, 1]


async def test_a_clients_own_stream_options_are_left_out_as_well(rig: Rig) -> None:
    """They are the relay's to manage, whoever came first."""
    path, body = request("chat", model("stream_options", 1))
    reply = await rig.ask(path, body | {"stream_options": {"include_usage": True}})
    assert reply.status == 200, reply.body


async def test_a_field_of_the_clients_is_the_clients_fault(rig: Rig) -> None:
    name = model("store", 0)
    body = {"model": name, "input": "x", "store": True, "stream": True}
    since = len(rig.upstream.requests)
    reply = await rig.ask("/v1/responses", body)
    assert reply.status == 400
    assert reply.error["param"] == "store"
    assert len(rig.asked(since)) == 1


async def test_a_channel_can_say_so_beforehand(rig: Rig) -> None:
    since = len(rig.upstream.requests)
    path, body = request("chat", "off")
    reply = await rig.ask(path, body | {"stream_options": {"include_usage": True}})
    assert reply.status == 200, reply.body
    assert len(rig.asked(since)) == 1
