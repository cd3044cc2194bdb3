"""What a call is charged by. Without this a lie of an upstream would go unnoticed, or silence be charged to
models that do not reason, or beyond what a call can come to."""

import msgspec
import pytest
from msgspec import Raw

from switchgear.kernel.facts import ModelFacts, ThinkingSwitch
from switchgear.kernel.usage import Usage
from switchgear.link.snapshot import ChannelView, ModelView
from switchgear.relay.measure import Measure, Measured, Target
from switchgear.relay.meter import TokenTally
from switchgear.relay.metrics import Meters
from switchgear.relay.pace import NS, Paces
from switchgear.relay.prepare import Prepared
from switchgear.relay.seals import EnvelopeSeals
from switchgear.wire.call import InPath
from switchgear.wire.dialects import DIALECT_OF_OPERATION
from switchgear.wire.openai_chat.passing.tap import StreamTap

CHAT = DIALECT_OF_OPERATION["openai_chat"]
ROLE = b'data: {"choices":[{"index":0,"delta":{"content":"one two three"}}]}\n\n'


async def count(text: str, model: str) -> int:
    return len(text.split())


def measure_for(
    facts: ModelFacts = ModelFacts(),  # frozen
    *,
    body: bytes = b"{}",
    paces: Paces | None = None,
    meters: Meters | None = None,
    doubt_usage: bool = False,
) -> Measure:
    fields = {"messages": Raw(b'[{"role":"user","content":"hi"}]')}
    fields |= msgspec.json.decode(body, type=dict[str, Raw])
    call = CHAT.read_call("openai_chat", fields, "m", InPath())
    channel = ChannelView(
        "c", "main", "compatible", {}, "", "", (), {"m": "m"}, ("default",), doubt_usage=doubt_usage
    )
    channel = msgspec.structs.replace(channel, facts={"m": facts})
    return Measure(
        count,
        meters or Meters(),
        paces or Paces(),
        CHAT,
        EnvelopeSeals(lambda: b"p" * 32),
        call,
        Prepared("openai_chat", b""),
        Target(channel, "m", ModelView("m", "")),
    )


async def left_after(measure: Measure, silent_s: int) -> Measured:
    """A stream of three words whose client left, its first content having come so late."""
    tap = StreamTap("openai_chat", show_usage=False)
    tap.feed(ROLE)
    return await measure.of_stream(tap, TokenTally(count, "m"), False, silent_s * NS)


@pytest.mark.parametrize(
    ("thinking", "body", "reasons"),
    [
        ("effort", b"{}", True),
        ("budget", b"{}", True),
        ("always", b"{}", True),
        ("manual", b"{}", False),
        ("none", b'{"reasoning_effort":"high"}', False),
        ("", b"{}", False),
        ("", b'{"reasoning_effort":"high"}', True),
        ("effort", b'{"reasoning_effort":"none"}', False),
    ],
)
async def test_only_a_model_that_may_reason_is_charged_for_silence(
    thinking: ThinkingSwitch, body: bytes, reasons: bool
) -> None:
    measured = await left_after(measure_for(ModelFacts(thinking=thinking), body=body), 10)
    assert (measured.hidden_tokens > 0) is reasons
    assert measured.usage.reasoning == measured.hidden_tokens
    assert (measured.source, measured.usage.output_text) == ("estimated", 3)


async def test_silence_costs_what_the_model_writes_in_it_as_measured() -> None:
    paces = Paces()
    paces.saw("c", "m", Usage(output_text=200, reasoning=800), 10 * NS)
    assert (await left_after(measure_for(paces=paces), 30)).hidden_tokens == 3000


async def test_silence_never_costs_more_than_the_call_can_come_to() -> None:
    facts = ModelFacts(thinking="effort", output_tokens_max=1000)
    paces = Paces()
    paces.saw("c", "m", Usage(output_text=1000), NS)
    measured = await left_after(measure_for(facts, paces=paces), 60)
    assert measured.usage.output_total == 1000


async def test_a_report_that_is_trimmed_stays_one_where_nothing_was_seen() -> None:
    """Without content only a report is charged: one that tells too much must not make a call free."""
    measure = measure_for(ModelFacts(context_tokens=1000))
    tap = StreamTap("openai_chat", show_usage=False)
    usage = b'"usage":{"prompt_tokens":5000,"completion_tokens":1,"total_tokens":5001}'
    tap.feed(b'data: {"choices":[],%b}\n\n' % usage)
    measured = await measure.of_stream(tap, TokenTally(count, "m"), complete=False)
    assert (measured.source, measured.doubted) == ("reported", True)
    assert measured.usage == Usage(1000, output_text=1)


async def test_an_excess_is_an_alarm_with_the_channels_name() -> None:
    meters = Meters()
    measure = measure_for(body=b'{"max_tokens":5}', meters=meters)
    body = b'{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":1,"total_tokens":19000001,'
    body += b'"completion_tokens":19000000}}'
    measured = await measure.of_whole(CHAT.read_reply(measure.call, body))
    assert (measured.usage.output_total, measured.doubted) == (5, True)
    counters = meters.stats().counters
    assert counters["switchgear_usage_excess_total|channel=main"] == 1
    assert counters["switchgear_usage_doubt_total|channel=main"] == 1


async def test_a_channel_that_is_doubted_has_an_excess_counted() -> None:
    measure = measure_for(body=b'{"max_tokens":500}', doubt_usage=True)
    body = b'{"choices":[{"message":{"content":"one two"}}],"usage":{"prompt_tokens":1,"total_tokens":9001,'
    body += b'"completion_tokens":9000}}'
    measured = await measure.of_whole(CHAT.read_reply(measure.call, body))
    assert (measured.usage, measured.source) == (Usage(1, output_text=2), "estimated")


async def test_a_report_that_cannot_be_believed_is_no_report() -> None:
    meters = Meters()
    measure = measure_for(meters=meters)
    body = b'{"choices":[{"message":{"content":"one two"}}],"usage":{"prompt_tokens":90000000,'
    body += b'"completion_tokens":2,"total_tokens":90000002}}'
    measured = await measure.of_whole(CHAT.read_reply(measure.call, body))
    assert (measured.source, measured.usage.output_text, measured.doubted) == ("estimated", 2, True)
    assert measured.usage.input_uncached < 20
    assert meters.stats().counters["switchgear_usage_absurd_total|channel=main"] == 1
