"""Without this a call could be let in for less than it costs, or its links be fetched for nothing."""

import asyncio
from typing import Any

import msgspec
import pytest
from msgspec import Raw
from tests.wire.pairs.relay import PRICE, SEALS, WHO

from switchgear.catalog.estimate import CostBound
from switchgear.kernel.clock import SystemClock
from switchgear.kernel.errors import ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.limits import (
    HOLD_AHEAD_TOKENS,
    HOLD_STEP_TOKENS,
    RESERVE_FILE_TOKENS,
    RESERVE_IMAGE_TOKENS,
    RESERVE_OUTPUT_TOKENS,
    RESERVE_OUTPUT_TOKENS_UNKNOWN,
)
from switchgear.kernel.money import PPM
from switchgear.link.snapshot import ChannelView, ModelView
from switchgear.relay.admit import Terms
from switchgear.relay.funds import Funds, legs_of
from switchgear.relay.hold import Cover, Hold, Stretch, Wanted, reserve
from switchgear.relay.plan import WAYS, Candidate
from switchgear.relay.prepare import Preparation
from switchgear.wire.call import Call, InPath, Operation
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.neutral.request import RemoteFile

URL = "https://example.com/a"
CHAT = {"messages": [{"role": "user", "content": "Hi"}]}
MESSAGES = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}
CAP_FIELD = {
    "openai_chat": ("max_tokens",),
    "openai_completions": ("max_tokens",),
    "openai_responses": ("max_output_tokens",),
    "anthropic_messages": ("max_tokens",),
    "gemini_generate": ("generationConfig", "maxOutputTokens"),
}
SAYS: dict[Any, dict[str, Any]] = {
    "openai_chat": CHAT,
    "openai_responses": {"input": "Hi"},
    "gemini_generate": {"contents": [{"parts": [{"text": "Hi"}]}]},
}


def call_of(operation: Operation, body: dict[str, Any]) -> Call:
    fields = {key: Raw(msgspec.json.encode(value)) for key, value in {"model": "m1", **body}.items()}
    return DIALECT_OF_OPERATION[operation].read_call(operation, fields, "m1", InPath())


class Bench:
    """One call to one upstream, with the fetches that it made."""

    def __init__(
        self,
        client: Operation,
        upstream: Operation,
        body: dict[str, Any],
        facts: ModelFacts = ModelFacts(),
        model_max: int = 0,
    ) -> None:
        self.fetched: list[tuple[str, tuple[str, ...]]] = []
        self.call = call_of(client, body)
        channel = ChannelView(
            "ch", "ch", "compatible", {upstream: "http://u"}, "", "", (), {"m1": "m1"}, ("default",),
            facts={"m1": facts},
        )  # fmt: skip
        ways: tuple[Operation, ...] = tuple(way for way in WAYS[client] if way in channel.endpoints)
        self.candidate = Candidate(channel, 0, "m1", ways)
        self.terms = Terms(ModelView("m1", "v", output_tokens_max=model_max), PRICE, PPM)
        dialect = DIALECT_OF_OPERATION[client]
        self.preparation = Preparation(self.call, dialect, WHO, SEALS, self._fetch, self._find, self.terms)
        self.dialect = dialect

    def wanted(self) -> Wanted:
        fit = self.preparation.fit(self.candidate)
        return Wanted(self.call, self.dialect, self.terms, fit)

    def sent(self, allowed: int = 0) -> tuple[dict[str, Any], int]:
        """The body for the upstream, and the cap that the client is told."""
        self.preparation.allow(allowed)
        _, prepared = asyncio.run(self.preparation.first_prepared((self.candidate,)))
        return msgspec.json.decode(prepared.body), prepared.output_cap

    async def _fetch(self, key_id: str, urls: tuple[str, ...]) -> dict[str, RemoteFile]:
        self.fetched.append((key_id, urls))
        return {url: RemoteFile("image/png", "AAAA") for url in urls}

    async def _find(self, *_: Any) -> dict[str, Any]:
        return {}


def cap_in(body: dict[str, Any], upstream: str) -> Any:
    found: Any = body
    for key in CAP_FIELD[upstream]:
        found = found.get(key, {}) if isinstance(found, dict) else {}
    return found or None


@pytest.mark.parametrize("client", SAYS)
@pytest.mark.parametrize("upstream", [*SAYS, "anthropic_messages"])
def test_the_cap_that_money_sets_stands_in_each_dialects_own_field(client: Any, upstream: Any) -> None:
    body, told = Bench(client, upstream, SAYS[client]).sent(5000)
    assert (cap_in(body, upstream), told) == (5000, 5000)


@pytest.mark.parametrize("client", SAYS)
@pytest.mark.parametrize("upstream", [*SAYS, "anthropic_messages"])
def test_what_covers_the_models_maximum_sets_no_cap(client: Any, upstream: Any) -> None:
    body, told = Bench(client, upstream, SAYS[client], ModelFacts(output_tokens_max=5000)).sent(5000)
    assert told == 0
    assert cap_in(body, upstream) == (5000 if upstream == "anthropic_messages" else None)


@pytest.mark.parametrize(
    ("client", "named"),
    [
        ("openai_chat", {"max_tokens": 70}),
        ("openai_chat", {"max_completion_tokens": 70}),
        ("openai_responses", {"max_output_tokens": 70}),
        ("gemini_generate", {"generationConfig": {"maxOutputTokens": 70}}),
        ("gemini_generate", {"generation_config": {"max_output_tokens": 70}}),
    ],
)
def test_a_clients_own_cap_is_held_and_stays(client: Any, named: dict[str, Any]) -> None:
    bench = Bench(client, client, {**SAYS[client], **named})
    assert (bench.wanted().most, bench.wanted().least) == (70, 70)
    body, told = bench.sent(70)
    assert told == 0
    assert {key: body[key] for key in named} == named


def test_caps_that_name_nothing_are_replaced() -> None:
    for empty in ({"max_tokens": None}, {"max_tokens": 0, "max_completion_tokens": 0}):
        body, told = Bench("openai_chat", "openai_chat", {**CHAT, **empty}).sent(5000)
        assert (body["max_tokens"], told) == (5000, 5000)
        assert "max_completion_tokens" not in body
    config = {"generation_config": {"max_output_tokens": 0, "temperature": 1}}
    body, told = Bench("gemini_generate", "gemini_generate", {**SAYS["gemini_generate"], **config}).sent(5000)
    assert body["generationConfig"] == {"temperature": 1, "maxOutputTokens": 5000}
    assert "generation_config" not in body


def test_newer_models_get_the_newer_field() -> None:
    facts = ModelFacts(no_max_tokens=True)
    body, _ = Bench("openai_chat", "openai_chat", CHAT, facts).sent(5000)
    assert (body["max_completion_tokens"], body.get("max_tokens")) == (5000, None)


def test_the_models_own_maximum_is_wanted_from_whoever_knows_it() -> None:
    assert Bench("openai_chat", "openai_chat", CHAT).wanted().most == RESERVE_OUTPUT_TOKENS_UNKNOWN
    assert Bench("openai_chat", "openai_chat", CHAT, model_max=9000).wanted().most == 9000
    facts = ModelFacts(output_tokens_max=64_000, context_tokens=32_000)
    wanted = Bench("openai_chat", "openai_chat", CHAT, facts, model_max=9000).wanted()
    assert (wanted.most, wanted.least) == (32_000, RESERVE_OUTPUT_TOKENS)
    assert Bench("openai_chat", "openai_chat", CHAT, model_max=100).wanted().least == 100
    embeds = Bench("openai_embeddings", "openai_embeddings", {"input": "Hi"}).wanted()
    assert (embeds.most, embeds.least) == (0, 0)


def test_reasoning_by_a_budget_that_raises_the_cap_is_held() -> None:
    facts = ModelFacts(output_tokens_max=64_000, thinking="manual")
    body = {**CHAT, "max_tokens": 1000, "reasoning_effort": "high"}
    bench = Bench("openai_chat", "anthropic_messages", body, facts)
    wanted = bench.wanted()
    sent, told = bench.sent(wanted.most)
    assert sent["max_tokens"] == wanted.most > 1000
    assert told == 0
    capped, told = Bench("openai_chat", "anthropic_messages", {**body, "max_tokens": None}, facts).sent(5000)
    assert capped["max_tokens"] == told == 5000
    assert capped["thinking"]["budget_tokens"] < 5000


PICTURE = {"type": "image_url", "image_url": {"url": URL}}


def test_nothing_is_fetched_before_the_money_is_held() -> None:
    body = {"messages": [{"role": "user", "content": [PICTURE]}]}
    bench = Bench("openai_chat", "gemini_generate", body)

    async def run() -> None:
        async def nobody(call: Any) -> Any:
            raise ConnectionError

        async def count(text: str, model: str) -> int:
            return 1

        funds = Funds(nobody, lambda notice: None, SystemClock())
        with pytest.raises(ApiError):
            await reserve(funds, "r1", WHO, bench.wanted(), count)

    asyncio.run(run())
    assert bench.fetched == []
    bench.sent()
    assert bench.fetched == [("key", (URL,))]


def test_what_cannot_be_carried_is_refused_before_money_is_held() -> None:
    bench = Bench("openai_responses", "openai_chat", {"input": "Hi", "tools": [{"type": "computer"}]})
    with pytest.raises(ApiError) as refused:
        bench.wanted()
    assert refused.value.row.status == 400
    assert bench.fetched == []


def test_hosted_tools_are_held_as_the_upstreams_dialect_will_offer_them() -> None:
    body = {**CHAT, "web_search_options": {}}
    assert Bench("openai_chat", "openai_chat", body).wanted().fit.calls == {"search_calls": 1}
    assert Bench("openai_chat", "openai_responses", body).wanted().fit.calls == {"search_calls": 3}


def test_answers_asked_for_one_by_one_are_all_held() -> None:
    wanted = Bench("openai_chat", "anthropic_messages", {**CHAT, "n": 3, "max_tokens": 10}).wanted()
    one = Bench("openai_chat", "anthropic_messages", {**CHAT, "max_tokens": 10}).wanted()
    assert wanted.fit.copies == 3
    assert wanted.bound().nanos(10) == pytest.approx(3 * one.bound().nanos(10), abs=3)


def parts(*content: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content)}]}


def gemini(part: dict[str, Any]) -> dict[str, Any]:
    return {"contents": [{"parts": [part]}]}


PDF = {"mimeType": "application/pdf", "fileUri": URL}
IMAGE = {"mimeType": "image/png", "fileUri": URL}


@pytest.mark.parametrize(
    ("operation", "body", "images", "files", "inline"),
    [
        ("openai_chat", parts(PICTURE, PICTURE), 2, 0, False),
        ("openai_chat", parts({"type": "file", "file": {"file_id": "f"}}), 0, 1, True),
        ("openai_chat", parts({"type": "file", "file": {"file_url": URL}}), 0, 1, True),
        ("openai_chat", parts({"type": "file", "file": {"file_data": "data:"}}), 0, 0, True),
        ("openai_chat", parts({"type": "video_url", "video_url": {"url": URL}}), 0, 1, False),
        ("openai_chat", parts({"type": "text", "text": '{"type":"image_url","image_url":'}), 0, 0, False),
        ("openai_responses", {"input": [{"type": "input_file", "file_url": URL}]}, 0, 1, False),
        ("openai_responses", {"input": [{"type": "input_file", "file_data": "d"}]}, 0, 0, True),
        ("openai_responses", {"input": [{"type": "input_image", "image_url": URL}]}, 1, 0, False),
        ("anthropic_messages", parts({"type": "image", "source": {"type": "url", "url": URL}}), 1, 0, False),
        (
            "anthropic_messages",
            parts({"type": "document", "source": {"type": "url", "url": URL}}),
            0,
            1,
            True,
        ),
        ("anthropic_messages", parts({"type": "document", "source": {"type": "base64"}}), 0, 0, True),
        ("gemini_generate", gemini({"fileData": PDF}), 0, 1, False),
        ("gemini_generate", gemini({"file_data": IMAGE}), 1, 0, False),
        (
            "gemini_generate",
            gemini({"inlineData": {"mimeType": "application/pdf", "data": "AA"}}),
            1,
            0,
            True,
        ),
        ("gemini_generate", gemini({"inlineData": {"mimeType": "image/png", "data": "AA"}}), 1, 0, False),
    ],
)
def test_what_stands_behind_links_is_held(
    operation: Any, body: dict[str, Any], images: int, files: int, inline: bool
) -> None:
    more = {"max_tokens": 9} if operation == "anthropic_messages" else {}
    call = call_of(operation, {**body, **more})
    assert (call.images, call.files, call.has_media) == (images, files, inline)
    bench = Bench(operation, operation, {**body, **more})

    async def count(text: str, model: str) -> int:
        return 0

    tokens = images * RESERVE_IMAGE_TOKENS + files * RESERVE_FILE_TOKENS
    rate = PRICE.rates["image_in"] if images else PRICE.rates["input_uncached"]
    refined = asyncio.run(bench.wanted().refined_bound(count)).nanos(0)
    assert refined >= tokens * rate // PPM
    assert bench.wanted().bound().nanos(0) >= tokens * rate // PPM
    if inline:
        assert refined >= (call.input_bytes - 50) * rate // PPM


async def test_a_dearer_candidate_is_covered_before_it_is_asked_or_not_asked() -> None:
    async def away(call: Any) -> Any:
        raise ConnectionError

    async def count(text: str, model: str) -> int:
        return len(text)

    body = {"messages": [{"role": "user", "content": "x" * 9000}], "n": 3, "max_tokens": 100}
    cheap = Bench("openai_chat", "openai_chat", body).wanted()
    dear = Bench("openai_chat", "anthropic_messages", body).preparation
    fit = dear.fit(Bench("openai_chat", "anthropic_messages", body).candidate)
    wanted = msgspec.structs.replace(cheap, fit=fit)
    needed = (await wanted.refined_bound(count)).nanos(100) - cheap.bound().nanos(100)
    assert needed > 0
    for more in (needed, needed - 1):
        funds = Funds(away, lambda notice: None, SystemClock())
        held = cheap.bound().nanos(100)
        funds.book.apply_grant(WHO.wallet, held + more)
        hold = await reserve(funds, "r1", WHO, cheap, count)
        cover = Cover(funds, "r1", cheap, hold, count)
        assert not await cover.reach(cheap.fit)
        if more == needed:
            assert await cover.reach(fit)
            assert funds.book.held(WHO.wallet) == held + needed
            assert not await cover.reach(cheap.fit)
        else:
            with pytest.raises(ApiError):
                await cover.reach(fit)
            assert funds.book.held(WHO.wallet) == held


async def test_a_stream_holds_more_in_steps_and_is_cut_when_nobody_has_more() -> None:
    async def away(call: Any) -> Any:
        raise ConnectionError

    funds = Funds(away, lambda notice: None, SystemClock())
    bound = CostBound(((0, 2 * PPM),), PPM)  # two choices: a nano for each token
    funds.book.apply_grant(WHO.wallet, 1000 + HOLD_STEP_TOKENS + HOLD_AHEAD_TOKENS)
    assert funds.hold("r1", legs_of(WHO, bound.nanos(500)))
    cut: list[bool] = []
    stretch = Stretch(funds, "r1", Hold(bound, 500, choices=2), lambda: cut.append(True))
    before = funds.book.held(WHO.wallet)
    stretch.look(1000 - HOLD_AHEAD_TOKENS)
    await asyncio.sleep(0)
    assert funds.book.held(WHO.wallet) == before
    for seen in (1000, 1000 + HOLD_STEP_TOKENS, 1100 + HOLD_STEP_TOKENS):
        stretch.look(seen)
        await turns()
        assert not cut
    assert funds.book.held(WHO.wallet) > before
    stretch.look(1001 + HOLD_STEP_TOKENS + HOLD_AHEAD_TOKENS)
    await turns()
    assert cut == [True]


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
