"""Every path of every dialect against a real server, over upstreams of each dialect.

Without it a client could get its lists, counts, errors or embeddings in another dialect than it speaks, or a
history could lose what its upstream wants back, and no test of a single codec would see it.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.e2e import client, settings
from tests.e2e.client import Reply
from tests.e2e.harness import Server
from tests.sim.upstream import FakeUpstream

UPSTREAMS = {
    "m-chat": ("openai_chat", "gpt-4o"),
    "m-responses": ("openai_responses", "gpt-5.2"),
    "m-messages": ("anthropic_messages", "claude-sonnet-4-5"),
    "m-gemini": ("gemini_generate", "gemini-3-flash"),
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


class Rig(msgspec.Struct):
    server: Server
    upstream: FakeUpstream
    key: str

    async def post(self, path: str, body: Any, **headers: str) -> Reply:
        return await self._call("POST", path, body, headers)

    async def get(self, path: str, **headers: str) -> Reply:
        return await self._call("GET", path, None, headers)

    async def _call(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Reply:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.call(self.server.port, self.key, body, path=path, method=method, headers=named)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig() -> AsyncIterator[Rig]:
    key = settings.fresh_key()
    async with FakeUpstream(api_key=settings.UPSTREAM_KEY) as upstream:
        parts = [settings.group(), settings.user(), settings.key(key)]
        for model, (dialect, known_as) in UPSTREAMS.items():
            parts.append(
                settings.channel(
                    upstream.base_url.removesuffix("/v1"),
                    [model],
                    name=dialect,
                    dialects=[dialect],
                    model_map={model: known_as},
                )
            )
            parts.append(settings.price(model, **settings.PRICES, usd_per_1k_search_calls="10"))
        host = upstream.base_url.removesuffix("/v1")
        parts.append(
            settings.channel(host, ["m-unpriced"], name="unpriced", dialects=["openai_responses"])
            + settings.price("m-unpriced")
        )
        filtered = {"m-filtered": "fault-filtered"}
        parts.append(settings.channel(upstream.base_url, ["m-filtered"], name="filtered", model_map=filtered))
        parts.append(settings.price("m-filtered"))
        with Server("\n".join(parts)) as server:
            yield Rig(server, upstream, key)


@pytest.mark.parametrize("model", ["m-chat", "m-gemini"])
@pytest.mark.parametrize("batch", [False, True])
async def test_embeddings_in_googles_form(rig: Rig, model: str, batch: bool) -> None:
    content = {"parts": [{"text": "hello"}]}
    body = {"requests": [{"model": f"models/{model}", "content": content}]} if batch else {"content": content}
    verb = "batchEmbedContents" if batch else "embedContent"
    reply = (await rig.post(f"/v1beta/models/{model}:{verb}", body)).json()
    vector = (reply["embeddings"][0] if batch else reply["embedding"])["values"]
    assert len(vector) > 1
    assert all(isinstance(number, float) for number in vector)


@pytest.mark.parametrize("model", ["m-chat", "m-gemini"])
async def test_embeddings_in_openais_form_are_the_same_as_numbers_and_as_base64(rig: Rig, model: str) -> None:
    call = {"model": model, "input": ["a", "b"]}
    numbers = (await rig.post("/v1/embeddings", {**call, "encoding_format": "float"})).json()
    packed = (await rig.post("/v1/embeddings", {**call, "encoding_format": "base64"})).json()
    assert [item["index"] for item in numbers["data"]] == [0, 1]
    assert all(isinstance(item["embedding"], str) for item in packed["data"])
    assert numbers["usage"] == packed["usage"]
    assert numbers["usage"]["prompt_tokens"] > 0


@pytest.mark.parametrize("model", UPSTREAMS)
async def test_tokens_are_counted_free_of_charge_whatever_the_upstream(rig: Rig, model: str) -> None:
    turns = [{"role": "user", "content": "hello there"}]
    counted = await rig.post("/v1/messages/count_tokens", {"model": model, "messages": turns})
    assert counted.json()["input_tokens"] > 0
    contents = [{"role": "user", "parts": [{"text": "hello there"}]}]
    counted = await rig.post(f"/v1beta/models/{model}:countTokens", {"contents": contents})
    assert counted.json()["totalTokens"] > 0


async def test_one_list_of_models_in_the_form_that_its_reader_knows(rig: Rig) -> None:
    known = sorted([*UPSTREAMS, "m-filtered", "m-unpriced"])
    openai = (await rig.get("/v1/models")).json()
    assert [model["id"] for model in openai["data"]] == known
    claude = (await rig.get("/v1/models?limit=2", anthropic_version="2026-10-21")).json()
    assert ([model["id"] for model in claude["data"]], claude["has_more"]) == (known[:2], True)
    more = (await rig.get(f"/v1/models?after_id={known[1]}", anthropic_version="2026-10-21")).json()
    assert ([model["id"] for model in more["data"]], more["has_more"]) == (known[2:], False)
    for path, headers in (("/v1beta/models", {}), ("/v1/models", {"x_goog_api_key": rig.key})):
        google = (await rig.get(path, **headers)).json()
        assert [model["name"] for model in google["models"]] == [f"models/{name}" for name in known]
    one = (await rig.get("/v1beta/models/m-chat")).json()
    assert one["name"] == "models/m-chat"


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        ("/v1/chat/completions", {"model": "nope", "messages": [{"role": "user", "content": "x"}]}, "code"),
        ("/v1/responses", {"model": "nope", "input": "x"}, "code"),
        ("/v1/messages", {"model": "nope", "max_tokens": 9, "messages": []}, "type"),
        ("/v1beta/models/nope:generateContent", {"contents": []}, "status"),
    ],
)
async def test_an_unknown_model_is_told_in_the_callers_dialect(
    rig: Rig, path: str, body: Any, place: str
) -> None:
    reply = await rig.post(path, body)
    assert reply.status == 404
    expected = {"code": "model_not_found", "type": "not_found_error", "status": "NOT_FOUND"}
    assert reply.error[place] == expected[place]


@pytest.mark.parametrize(
    ("path", "headers", "expected"),
    [
        ("/v1/messages/batches", {}, {"type": "not_found_error"}),
        ("/v1/files", {"anthropic_version": "2023-06-01"}, {"type": "not_found_error"}),
        ("/v1/files", {"x_goog_api_key": "k"}, {"status": "NOT_FOUND"}),
        ("/v1beta/models/m-chat:predict", {}, {"status": "NOT_FOUND"}),
        ("/v1/models/m-chat:predict", {"x_goog_api_key": "k"}, {"status": "NOT_FOUND"}),
        ("/v1/files", {}, {"code": "unknown_url"}),
    ],
)
async def test_an_unknown_path_is_told_in_the_callers_dialect(
    rig: Rig, path: str, headers: dict[str, str], expected: dict[str, str]
) -> None:
    reply = await rig.post(path, {}, **headers)
    assert reply.status == 404
    assert reply.error.items() >= expected.items()


async def test_a_responses_body_on_the_chat_path_is_answered_likewise(rig: Rig) -> None:
    reply = await rig.post("/v1/chat/completions", {"model": "m-messages", "input": "hi"})
    assert reply.json()["object"] == "response"


@pytest.mark.parametrize(
    "verb", ["generateContent", "streamGenerateContent", "streamGenerateContent?alt=sse"]
)
async def test_input_that_a_filter_refused_is_an_answer_to_googles_clients(rig: Rig, verb: str) -> None:
    """Google answers 200 without candidates, and its clients look for the reason there."""
    body = {"contents": [{"role": "user", "parts": [{"text": "x"}]}]}
    reply = await rig.post(f"/v1beta/models/m-filtered:{verb}", body)
    assert reply.status == 200, reply.body
    text = reply.body.decode()
    if verb.endswith("sse"):
        assert text.endswith("\n\n")
        text = text.removeprefix("data: ")
    found = json.loads(text)
    assert isinstance(found, list) == (verb == "streamGenerateContent")
    (response,) = found if isinstance(found, list) else [found]
    assert response["promptFeedback"]["blockReason"] == "SAFETY"
    assert "content management policy" in response["promptFeedback"]["blockReasonMessage"]
    assert "candidates" not in response


async def test_input_that_a_filter_refused_is_an_error_to_others(rig: Rig) -> None:
    turns = [{"role": "user", "content": "x"}]
    reply = await rig.post("/v1/chat/completions", {"model": "m-filtered", "messages": turns})
    assert (reply.status, reply.error["code"]) == (400, "content_filter")


async def test_a_stream_as_one_array_is_valid_json(rig: Rig) -> None:
    contents = [{"parts": [{"text": "hello"}]}]
    for model in ("m-chat", "m-gemini"):
        reply = await rig.post(f"/v1/models/{model}:streamGenerateContent", {"contents": contents})
        assert reply.headers["content-type"].startswith("application/json")
        pieces = [
            part.get("text", "")
            for chunk in reply.json()
            for part in chunk["candidates"][0]["content"]["parts"]
        ]
        assert "".join(pieces).startswith("word0 word1")


@pytest.mark.parametrize("model", ["m-responses", "m-messages", "m-gemini"])
async def test_reasoning_comes_back_for_a_client_that_keeps_only_calls(rig: Rig, model: str) -> None:
    """The upstream refuses a tool's result without the reasoning that led to the call, or its signature."""
    messages: list[Any] = [{"role": "user", "content": "[think][tool] Weather?"}]
    call = {"model": model, "tools": [WEATHER], "reasoning_effort": "high"}
    first = (await rig.post("/v1/chat/completions", {**call, "messages": messages})).json()
    said = first["choices"][0]["message"]
    messages.append({"role": "assistant", "content": said["content"], "tool_calls": said["tool_calls"]})
    messages.append({"role": "tool", "tool_call_id": said["tool_calls"][0]["id"], "content": "18 C"})
    reply = await rig.post("/v1/chat/completions", {**call, "messages": messages})
    assert reply.status == 200, reply.body
    assert "18 C" in reply.json()["choices"][0]["message"]["content"]
    went = json.dumps(rig.upstream.requests[-1].json)
    token = {"m-responses": "encrypted_content", "m-messages": '"signature"', "m-gemini": "thoughtSignature"}
    assert token[model] in went
    assert "skip_thought_signature_validator" not in went


async def test_what_a_model_can_not_carry_is_refused_before_it_is_asked(rig: Rig) -> None:
    asked = len(rig.upstream.requests)
    body = {
        "model": "m-messages",
        "messages": [{"role": "user", "content": "x"}],
        "logit_bias": {"50256": -100},
    }
    reply = await rig.post("/v1/chat/completions", body)
    assert (reply.status, reply.error["code"]) == (400, "unsupported_parameter")
    assert reply.error["param"] == "logit_bias"
    assert len(rig.upstream.requests) == asked


async def test_a_knob_that_a_model_lacks_is_left_out_and_told(rig: Rig) -> None:
    body = {"model": "m-messages", "messages": [{"role": "user", "content": "x"}], "seed": 7}
    reply = await rig.post("/v1/chat/completions", body)
    assert reply.status == 200
    assert reply.headers["x-switchgear-dropped"] == "seed"
    record = rig.server.usage_with({reply.request_id})[reply.request_id]
    assert list(record["dropped"]) == ["seed"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("names", "chars"), [(1_000, 12), (1, 70_000), (300, 1_000)])
async def test_fields_without_end_do_not_make_an_answer_free(
    rig: Rig, names: int, chars: int, stream: bool
) -> None:
    """Those that are left out stand in the record, which must not grow too large to be written."""
    odd = {f"x{number:x<{chars}}": 1 for number in range(names)}
    body = {"model": "m-messages", "messages": [{"role": "user", "content": "x"}], "stream": stream, **odd}
    reply = await rig.post("/v1/chat/completions", body)
    assert (reply.status, reply.has_ended) == (200, True), reply.body[-300:]
    record = rig.server.usage_with({reply.request_id})[reply.request_id]
    assert record["charge_nanos"] > 0
    assert record["dropped"][0].startswith("x0xx")


@pytest.mark.parametrize("stream", [False, True])
async def test_the_same_answer_costs_the_same_in_every_dialect(rig: Rig, stream: bool) -> None:
    """Cached tokens stand inside the input of three dialects and beside that of the fourth."""
    text = "[think][cache] hello"
    calls = {
        "/v1/chat/completions": {"messages": [{"role": "user", "content": text}]},
        "/v1/responses": {"input": text},
        "/v1/messages": {"messages": [{"role": "user", "content": text}], "max_tokens": 4096},
    }
    for model in UPSTREAMS:
        replies = [
            await rig.post(path, {"model": model, "stream": stream, **body}) for path, body in calls.items()
        ]
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        contents = [{"role": "user", "parts": [{"text": text}]}]
        replies.append(await rig.post(f"/v1beta/models/{model}:{verb}", {"contents": contents}))
        assert [reply.status for reply in replies] == [200] * 4
        ids = {reply.request_id for reply in replies}
        records = rig.server.usage_with(ids)
        assert {records[id]["usage_source"] for id in ids} == {"reported"}
        assert len({records[id]["charge"]["nanos"] for id in ids}) == 1, [records[id]["usage"] for id in ids]
        assert all(records[id]["usage"]["cache_read"] for id in ids)


@pytest.mark.parametrize("model", UPSTREAMS)
async def test_what_was_said_before_a_cut_is_paid_for_whatever_the_upstream_counts_first(
    rig: Rig, model: str
) -> None:
    """Claude tells its input at the start and its output at the end, so a stream that breaks off has counted
    next to nothing."""
    text = "[long][cut] hello"
    calls = {
        "/v1/chat/completions": {"messages": [{"role": "user", "content": text}]},
        "/v1/messages": {"messages": [{"role": "user", "content": text}], "max_tokens": 4096},
    }
    for path, body in calls.items():
        reply = await rig.post(path, {"model": model, "stream": True, **body})
        record = rig.server.usage_with({reply.request_id})[reply.request_id]
        assert record["end_state"] == "upstream_cut"
        said = sum(len(_said(chunk)) for chunk in reply.events())
        assert record["usage"]["output_text"] > said / 12 > 5, (path, record["usage"], said)


def _said(chunk: dict[str, Any]) -> str:
    """The text of a chunk, or of an event of messages."""
    delta = chunk["choices"][0]["delta"] if chunk.get("choices") else chunk.get("delta") or {}
    return delta.get("content") or delta.get("text") or ""


@pytest.mark.parametrize("model", UPSTREAMS)
@pytest.mark.parametrize("stream", [False, True])
async def test_several_answers_also_where_the_upstream_gives_one_at_a_time(
    rig: Rig, model: str, stream: bool
) -> None:
    turns = [{"role": "user", "content": "hello"}]
    options = {"stream_options": {"include_usage": True}} if stream else {}
    reply = await rig.post(
        "/v1/chat/completions", {"model": model, "messages": turns, "n": 3, "stream": stream, **options}
    )
    assert reply.status == 200, reply.body
    answers: dict[int, str] = {}
    for chunk in reply.events() if stream else [reply.json()]:
        for choice in chunk["choices"]:
            said = choice["delta" if stream else "message"].get("content") or ""
            answers[choice["index"]] = answers.get(choice["index"], "") + said
    assert sorted(answers) == [0, 1, 2]
    assert len(set(answers.values())) == 1
    record = rig.server.usage_with({reply.request_id})[reply.request_id]
    usage = (reply.events()[-1] if stream else reply.json())["usage"]
    assert usage["completion_tokens"] == record["usage"]["output_text"] == 36


async def test_more_answers_than_are_asked_for_one_by_one_are_refused(rig: Rig) -> None:
    turns = [{"role": "user", "content": "hello"}]
    reply = await rig.post("/v1/chat/completions", {"model": "m-messages", "messages": turns, "n": 9})
    assert (reply.status, reply.error["param"]) == (400, "n")


SEARCH_TOOLS: dict[str, Any] = {
    "/v1/chat/completions": {"web_search_options": {}},
    "/v1/responses": {"tools": [{"type": "web_search"}]},
    "/v1/messages": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", UPSTREAMS)
async def test_a_search_is_paid_for_once_whatever_dialect_asks(rig: Rig, model: str, stream: bool) -> None:
    text = "[search] the capital of France?"
    turns = [{"role": "user", "content": text}]
    calls: dict[str, Any] = {
        "/v1/chat/completions": {"messages": turns},
        "/v1/responses": {"input": text},
        "/v1/messages": {"messages": turns, "max_tokens": 4096},
    }
    replies = [
        await rig.post(path, {"model": model, "stream": stream, **body, **SEARCH_TOOLS[path]})
        for path, body in calls.items()
    ]
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    contents = [{"role": "user", "parts": [{"text": text}]}]
    asked = {"contents": contents, "tools": [{"googleSearch": {}}]}
    replies.append(await rig.post(f"/v1beta/models/{model}:{verb}", asked))
    assert [reply.status for reply in replies] == [200] * 4, [reply.body[:300] for reply in replies]
    ids = {reply.request_id for reply in replies}
    records = rig.server.usage_with(ids)
    assert len({records[id]["charge"]["nanos"] for id in ids}) == 1, [records[id]["usage"] for id in ids]
    for id in ids:
        assert ["search_calls", 1, 10 * 10**12] in records[id]["charge"]["lines"]


async def test_a_search_of_which_no_price_is_known_is_not_free(rig: Rig) -> None:
    body = {"model": "m-unpriced", "input": "[search] the capital?", "tools": [{"type": "web_search"}]}
    reply = await rig.post("/v1/responses", body)
    assert reply.status == 200, reply.body
    record = rig.server.usage_with({reply.request_id})[reply.request_id]
    assert ["search_calls", 1, 10 * 10**12] in record["charge"]["lines"]


@pytest.mark.parametrize(
    ("path", "model", "asked"),
    [
        ("/v1/messages", "m-messages-thinking-2048", ("thinking", "budget_tokens", 2048)),
        ("/v1/messages", "m-messages-nothinking", ("thinking", "type", "disabled")),
        ("/v1/chat/completions", "m-messages-thinking-2048", ("thinking", "budget_tokens", 2048)),
        ("/v1/responses", "m-responses-low", ("reasoning", "effort", "low")),
        ("/v1/chat/completions", "m-responses-high", ("reasoning", "effort", "high")),
        (
            "/v1beta/models/m-gemini-low:generateContent",
            "m-gemini-low",
            ("thinkingConfig", "thinkingLevel", "low"),
        ),
        ("/v1/chat/completions", "m-gemini-high", ("thinkingConfig", "thinkingLevel", "high")),
    ],
)
async def test_a_wish_behind_the_models_name_reaches_the_upstream(
    rig: Rig, path: str, model: str, asked: tuple[str, str, Any]
) -> None:
    turns = [{"role": "user", "content": "hello"}]
    bodies: dict[str, Any] = {
        "/v1/messages": {"messages": turns, "max_tokens": 4096},
        "/v1/chat/completions": {"messages": turns},
        "/v1/responses": {"input": "hello"},
    }
    body = bodies.get(path, {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]})
    reply = await rig.post(path, {"model": model, **body} if path in bodies else body)
    assert reply.status == 200, reply.body
    sent = rig.upstream.requests[-1].json
    holder, key, value = asked
    told = sent.get(holder) or sent.get("generationConfig", {}).get(holder)
    assert told[key] == value
    record = rig.server.usage_with({reply.request_id})[reply.request_id]
    assert model.startswith(record["model"])
    assert record["model"] in UPSTREAMS
