"""One report of usage, whole and streamed, as the clients of all dialects are shown it.

Without this a token could be charged twice, or be shown to one client and not to another.
"""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.wire.pairs.asks import ASKERS, Ask
from tests.wire.pairs.relay import Outcome, run
from tests.wire.pairs.scenarios import HEADERS, TARGETS
from tests.wire.pairs.sdk import Json
from tests.wire.pairs.test_odd_hosts import CHAT, GEMINI, MESSAGES, RESPONSES, OneAnswer
from tests.wire.pairs.test_silent_streams import sse

from switchgear.kernel.dialects import DIALECTS, DialectName
from switchgear.kernel.usage import Usage

Answer = tuple[DialectName, bytes, bool]
"""Of which upstream, its bytes, and whether they are a stream."""
counts = st.integers(0, 5000)


def chat(usage: Json, beside: Json | None = None) -> list[Answer]:
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    choice = {"index": 0, "finish_reason": "stop", "logprobs": None}
    message = {"role": "assistant", "content": "Hi", "refusal": None}
    whole = {**head, "choices": [{**choice, "message": message}], "usage": usage, **(beside or {})}
    chunks = [
        {**head, "choices": [{**choice, "delta": message}]},
        {**head, "choices": [], "usage": usage, **(beside or {})},
    ]
    stream = sse(*chunks, end=b"data: [DONE]\n\n")
    return [(CHAT, json.dumps(whole).encode(), False), (CHAT, stream, True)]


def messages(start: Json, *more: Json) -> list[Answer]:
    """Streamed with these reports one after the other; whole with what the last one knows."""
    message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": []}
    end = {"stop_reason": "end_turn", "stop_sequence": None}
    text = {"type": "text", "text": "Hi"}
    last = more[-1] if more else start
    events: list[Json] = [
        {"type": "message_start", "message": {**message, "stop_reason": None, "usage": start}},
        {"type": "content_block_start", "index": 0, "content_block": text},
        {"type": "content_block_stop", "index": 0},
        *({"type": "message_delta", "delta": end, "usage": one} for one in more),
        {"type": "message_stop"},
    ]
    stream = b"".join(b"event: %b\n%b" % (event["type"].encode(), sse(event)) for event in events)
    whole = {**message, "content": [text], **end, "usage": {**start, **last}}
    return [(MESSAGES, json.dumps(whole).encode(), False), (MESSAGES, stream, True)]


def played(client: DialectName, answer: Answer) -> Outcome:
    upstream, body, stream = answer
    asker = ASKERS[client](Ask("Hi", stream=stream))
    asked = json.dumps(asker.body).encode()
    outcome = run(asker.path, asked, TARGETS[upstream], OneAnswer(body), HEADERS.get(client))
    assert outcome.state == "complete"
    return outcome


def shown(client: DialectName, outcome: Outcome) -> tuple[int, int]:
    """Input and output in all, as the client adds them up."""
    key = "usageMetadata" if client == GEMINI else "usage"
    lines = [line[6:] for line in outcome.body.splitlines() if line.startswith(b"data: {")]
    objects = [json.loads(line) for line in lines or [outcome.body]]
    usage = [told for one in objects if (told := one.get(key) or (one.get("response") or {}).get(key))][-1]
    if client == GEMINI:
        return usage["promptTokenCount"], usage["candidatesTokenCount"] + usage.get("thoughtsTokenCount", 0)
    if client == CHAT:
        return usage["prompt_tokens"], usage["completion_tokens"]
    if client == RESPONSES:
        return usage["input_tokens"], usage["output_tokens"]
    parts = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return sum(usage[part] for part in parts), usage["output_tokens"]


def assert_equal_for_all(answers: list[Answer], usage: Usage) -> None:
    for answer in answers:
        for client in DIALECTS:
            outcome = played(client, answer)
            assert outcome.usage == usage, (client, answer)
            if client != answer[0]:
                assert shown(client, outcome) == (usage.input_total, usage.output_total), (client, answer)


@settings(max_examples=30, deadline=None)
@given(counts, counts, st.tuples(counts, counts, counts), st.booleans(), st.integers(1, 5000))
def test_messages(plain: int, read: int, writes: tuple[int, int, int], again: bool, output: int) -> None:
    total, minutes, hour = writes
    plain += 1
    input = {
        "input_tokens": plain,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": total,
        "cache_creation": {"ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": hour},
    }
    last = {"output_tokens": output, **(input if again else {})}
    kept = min(hour, total)
    usage = Usage(
        input_uncached=plain,
        cache_read=read,
        cache_write_5m=total - kept,
        cache_write_1h=kept,
        output_text=output,
    )
    assert_equal_for_all(messages({**input, "output_tokens": 1}, last), usage)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5000), counts, counts, st.integers(1, 5000), st.integers(0, 3))
def test_chat_by_every_name(plain: int, read: int, written: int, output: int, spelling: int) -> None:
    prompt = plain + read + written
    inside = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
    beside = {"cache_read_input_tokens": read, "cache_creation_input_tokens": written}
    report: Json = [
        {**inside, "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written}},
        {**inside, **beside},
        {"input_tokens": plain, "output_tokens": output, **beside},
        {"prompt_tokens": plain, "completion_tokens": output, "total_tokens": prompt + output, **beside},
    ][spelling]
    usage = Usage(input_uncached=plain, cache_read=read, cache_write_5m=written, output_text=output)
    assert_equal_for_all(chat(report), usage)


def test_cache_hits_that_llama_cpp_reports_beside_its_usage() -> None:
    usage = {"prompt_tokens": 240, "completion_tokens": 35, "total_tokens": 275}
    timings = {"timings": {"cache_n": 236, "prompt_n": 4, "predicted_n": 35, "predicted_ms": 661.2}}
    told = Usage(input_uncached=4, cache_read=236, output_text=35)
    assert_equal_for_all(chat(usage, timings), told)
    for odd in (None, [], 5, {"cache_n": "x"}, {"cache_n": -3}):
        assert_equal_for_all(chat(usage, {"timings": odd}), Usage(input_uncached=240, output_text=35))


@pytest.mark.parametrize("client", DIALECTS)
def test_the_cost_of_tokens_written_for_an_hour_that_the_start_took_for_five_minutes(
    client: DialectName,
) -> None:
    def report(minutes: int, hour: int) -> Json:
        parts = {"ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": hour}
        return {"input_tokens": 10, "cache_creation_input_tokens": 1000, "cache_creation": parts}

    stream = messages({**report(1000, 0), "output_tokens": 1}, {**report(0, 1000), "output_tokens": 5})[1]
    outcome = played(client, stream)
    assert outcome.usage == Usage(input_uncached=10, cache_write_1h=1000, output_text=5)
    if client == CHAT:
        assert b'"cache_write_tokens":1000' in outcome.body
