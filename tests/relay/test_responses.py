"""What a call of the Responses dialect stands on. Without this it would be sent to an account that does not
know what it names, or be told of something that can't be."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import ApiError
from switchgear.kernel.limits import BACKGROUND_CALLS_MAX
from switchgear.kernel.stored import StoredResponse
from switchgear.link.protocol import FindResponse, ResponseFound, ResponseUnknown
from switchgear.link.snapshot import ChannelView, ModelView, Snapshot
from switchgear.relay.metrics import Meters
from switchgear.relay.place import place_of, secret_digest
from switchgear.relay.plan import Candidate
from switchgear.relay.responses import Ground, Responses
from switchgear.relay.view import View
from switchgear.wire.call import InPath
from switchgear.wire.dialects import DIALECT_OF_OPERATION

PEPPER = b"p" * 32
DIALECT = DIALECT_OF_OPERATION["openai_responses"]


def channel(
    id: str, *ways: str, state: str = "background", keys: tuple[str, ...] = ("k1", "k2")
) -> ChannelView:
    return ChannelView(
        id,
        id,
        "compatible",
        {way: f"http://127.0.0.1/{way}" for way in ways or ("openai_responses",)},
        "authorization",
        "Bearer ",
        keys,
        {"m": "m"},
        ("default",),
        responses_state=state,  # type: ignore[arg-type]
    )


def candidates(*channels: ChannelView) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(each, secret, "m", tuple(each.endpoints))  # type: ignore[arg-type]
        for each in channels
        for secret in range(len(each.secrets))
    )


def kept(id: str = "resp_1", **fields: Any) -> StoredResponse:
    return StoredResponse(id, "u1", "k", "m", 1, **fields)


class Desk:
    """The controller's side: answers from a table."""

    def __init__(self, *rows: StoredResponse, keeps: bool = True) -> None:
        self.rows = {row.id: row for row in rows}
        self.responses = Responses(self.ask, lambda: PEPPER, Meters(), SystemClock(), "e1")
        self.keeps = keeps

    async def ask(self, body: Any, timeout_s: float) -> Any:
        assert isinstance(body, FindResponse)
        row = self.rows.get(body.id)
        if row is None or row.owner != body.owner:
            return ResponseUnknown(body.id)
        turns = ((row.input_items, row.output_items),) if body.with_turns else ()
        return ResponseFound(row, turns)

    def ground(
        self,
        among: tuple[Candidate, ...],
        *,
        served: tuple[ChannelView, ...] | None = None,
        verb: str = "",
        owner: str = "u1",
        **fields: Any,
    ) -> Ground:
        body = {name: Raw(json.dumps(value).encode()) for name, value in ({"input": "hi"} | fields).items()}
        call = DIALECT.read_call("openai_responses", body, "m", InPath(verb=verb))  # type: ignore[arg-type]
        channels = served if served is not None else tuple({c.channel.id: c.channel for c in among}.values())
        snapshot = Snapshot(1, {}, channels, {"m": ModelView("m", "x")}, {}, keeps_responses=self.keeps)
        return asyncio.run(self.responses.ground(call, among, View(snapshot), owner))

    def refused(self, *among: Any, **more: Any) -> ApiError:
        with pytest.raises(ApiError) as caught:
            self.ground(*among, **more)
        return caught.value


def test_a_native_response_goes_to_the_one_key_that_made_it() -> None:
    one, two = channel("c1"), channel("c2")
    desk = Desk(kept(channel="c2", secret_digest=secret_digest(two, 1, PEPPER)))
    ground = desk.ground(candidates(one, two), previous_response_id="resp_1")
    assert [(chosen.channel.id, chosen.secret) for chosen in ground.candidates] == [("c2", 1)]
    assert ground.call.asked is None, "the upstream knows the rest"


@pytest.mark.parametrize(
    ("served", "model", "row"),
    [
        ((channel("c2"),), "m", "previous_unknown"),
        ((channel("c1", keys=("k9",)), channel("c2")), "m", "previous_unknown"),
        ((channel("c1"), channel("c2")), "m", "channels_cooling"),
    ],
    ids=["no channel", "another key", "resting"],
)
def test_a_native_response_whose_upstream_can_not_be_asked_is_refused(
    served: tuple[ChannelView, ...], model: str, row: str
) -> None:
    desk = Desk(kept(channel="c1", secret_digest=secret_digest(channel("c1"), 0, PEPPER)))
    refused = desk.refused(candidates(channel("c2")), served=served, previous_response_id="resp_1")
    assert refused.row.name == row


def test_a_place_follows_its_key_wherever_that_stands_in_the_list() -> None:
    digest = secret_digest(channel("c1"), 0, PEPPER)
    moved = channel("c1", keys=("new", "k1"))
    snapshot = Snapshot(1, {}, (moved,), {}, {})
    place = place_of(snapshot, kept(channel="c1", secret_digest=digest), PEPPER)
    assert place is not None
    assert place.secret == 1


def test_a_response_of_ours_goes_on_anywhere_with_its_history() -> None:
    desk = Desk(kept(input_items=b'[{"role":"user","content":"one"}]', output_items=b'[{"x":1}]'))
    among = candidates(channel("c1"), channel("c2", "openai_chat"))
    ground = desk.ground(among, previous_response_id="resp_1", input="two")
    assert ground.candidates == among
    assert ground.previous_id == "resp_1"
    assert "previous_response_id" not in ground.call.fields
    assert msgspec.json.decode(ground.call.fields["input"]) == [
        {"role": "user", "content": "one"},
        {"x": 1},
        {"role": "user", "content": "two"},
    ]
    assert ground.call.asked is not None
    assert ground.call.asked["previous_response_id"] == Raw(b'"resp_1"')
    assert ground.call.input_bytes > len('"two"'), "the history costs, too"


def test_nobody_goes_on_from_what_is_not_theirs_or_not_over() -> None:
    desk = Desk(kept(), kept("resp_2", status="in_progress"))
    among = candidates(channel("c1"))
    for owner, id, row in (
        ("u2", "resp_1", "previous_unknown"),
        ("u1", "resp_0", "previous_unknown"),
        ("u1", "x" * 10_000, "previous_unknown"),
        ("u1", "resp_2", "invalid_value"),
    ):
        refused = desk.refused(among, owner=owner, previous_response_id=id)
        assert (refused.row.name, refused.param) == (row, "previous_response_id")
        assert len(refused.message) < 500


def test_references_become_the_items_that_they_name() -> None:
    request_id = "0" * 32
    item = {"type": "message", "id": f"msg_{request_id}00", "role": "assistant", "content": []}
    desk = Desk(kept(f"resp_{request_id}", output_items=json.dumps([item]).encode()))
    reference = {"type": "item_reference", "id": item["id"]}
    foreign = {"type": "item_reference", "id": "msg_elsewhere"}
    among = candidates(channel("c1"))
    ground = desk.ground(among, input=[reference, foreign, {"role": "user", "content": "hi"}])
    assert msgspec.json.decode(ground.call.fields["input"])[:2] == [item, foreign]
    theirs = desk.ground(among, owner="u2", input=[reference])
    assert msgspec.json.decode(theirs.call.fields["input"]) == [reference]


def test_where_a_call_runs_in_the_background() -> None:
    native, chat = channel("c1"), channel("c2", "openai_chat")
    stateless = channel("c3", "openai_responses", "openai_chat", state="none")
    only_kept = channel("c4", state="kept")
    desk = Desk()

    def runs(*among: ChannelView) -> tuple[str, list[str]]:
        ground = desk.ground(candidates(*among), background=True)
        return ground.runs, list(dict.fromkeys(chosen.channel.id for chosen in ground.candidates))

    assert runs(native, chat) == ("upstream", ["c1"])
    assert runs(chat, native) == ("here", ["c2"])
    assert runs(stateless) == ("here", ["c3"])
    assert runs(only_kept, native) == ("upstream", ["c1"])
    ground = desk.ground(candidates(stateless), background=True)
    assert {chosen.operations for chosen in ground.candidates} == {("openai_chat",)}
    assert desk.refused(candidates(only_kept), background=True).row.name == "unsupported_parameter"
    assert desk.refused(candidates(native), background=True, store=False).param == "background"
    desk.responses.in_background = BACKGROUND_CALLS_MAX
    assert desk.refused(candidates(native), background=True).row.name == "overloaded"


def test_what_is_kept() -> None:
    among = candidates(channel("c1"))
    assert Desk().ground(among).keeps
    assert not Desk().ground(among, store=False).keeps
    assert not Desk(keeps=False).ground(among).keeps
    assert not Desk().ground(among, verb="compact").keeps
    assert Desk(keeps=False).ground(among, background=True).keeps, "it has to be charged"
    chat = candidates(channel("c2", "openai_chat"))
    assert Desk(keeps=False).refused(chat, background=True).row.name == "unsupported_parameter"


def test_only_an_upstream_with_a_state_has_conversations_and_compaction() -> None:
    chat, native = channel("c1", "openai_chat"), channel("c2")
    desk = Desk(kept())
    for more in ({"conversation": "conv_1"}, {"verb": "compact"}):
        ground = desk.ground(candidates(chat, native), **more)
        assert {chosen.channel.id for chosen in ground.candidates} == {"c2"}
        assert desk.refused(candidates(chat), **more).row.name == "unsupported_parameter"
    both = desk.refused(candidates(native), conversation="conv_1", previous_response_id="resp_1")
    assert both.row.name == "invalid_value"


def test_a_controller_that_is_away_is_no_unknown_response() -> None:
    desk = Desk()

    async def away(body: Any, timeout_s: float) -> Any:
        raise ConnectionError

    desk.responses.ask = away
    refused = desk.refused(candidates(channel("c1")), previous_response_id="resp_1")
    assert refused.row.name == "store_away"
    assert msgspec.structs.asdict(refused.row)["status"] == 503
