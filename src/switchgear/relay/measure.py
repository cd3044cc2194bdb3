"""What one call is charged by: what its upstream reported, as far as that can be true, else what was counted
here.

What a complete answer reports is what it costs. An answer that broke off costs the last report, raised to the
output that was seen; where its client left, reasoning that went on out of sight is added by the time that it
took.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from msgspec.structs import replace

from switchgear.kernel.dialects import EMBEDDING_OPERATIONS
from switchgear.kernel.errors import ApiError
from switchgear.kernel.facts import ModelFacts
from switchgear.kernel.limits import CONVERTED_AT_ONCE_BYTES_MAX
from switchgear.kernel.usage import Usage, with_calls
from switchgear.ledger.record import UsageSource
from switchgear.link.snapshot import ChannelView, ModelView
from switchgear.relay.beside import beside
from switchgear.relay.meter import (
    Count,
    TokenTally,
    count_or_guess,
    is_plausible,
    text_size,
    with_seen_output,
)
from switchgear.relay.metrics import Meters
from switchgear.relay.pace import Paces
from switchgear.relay.plausible import Bounds, bounds_of, is_thin, is_within, within
from switchgear.relay.prepare import Prepared
from switchgear.wire.call import Call
from switchgear.wire.dialect import Dialect, Reply, Tap
from switchgear.wire.neutral.conversation import overhead_tokens, spelt
from switchgear.wire.neutral.effort import may_reason
from switchgear.wire.neutral.request import Request, Seals

log = logging.getLogger("switchgear.usage")

Counting = Callable[[], Awaitable[int]]
"""Counts the text that was seen, when asked."""


class Measured(msgspec.Struct, frozen=True, gc=False):
    """What a call is charged by."""

    usage: Usage = Usage()
    source: UsageSource = "none"
    doubted: bool = False
    """The report is implausible beside the answer."""
    hidden_tokens: int = 0
    """Of the usage's reasoning, what was estimated by time alone."""


class Target(msgspec.Struct, frozen=True, gc=False):
    """Who was asked, and what is known of it."""

    channel: ChannelView
    upstream_model: str
    model: ModelView

    @property
    def facts(self) -> ModelFacts:
        return self.channel.facts.get(self.upstream_model, _NO_FACTS)


_NO_FACTS = ModelFacts()
_NOTHING = Measured()


class Measure(msgspec.Struct, frozen=True):
    """Of one call, as its client asked it and one target got it."""

    count: Count
    meters: Meters
    paces: Paces
    dialect: Dialect
    """The client's."""
    seals: Seals
    call: Call
    prepared: Prepared
    target: Target

    async def of_whole(self, reply: Reply) -> Measured:
        """Of a whole reply. Its text is read only where the report is in doubt."""
        if self.call.operation in EMBEDDING_OPERATIONS:
            return await self._of_embeddings(reply.usage)
        usage = reply.usage
        if usage is not None and self._stands(usage, len(reply.body)):
            return Measured(usage, "reported")
        text = reply.text()
        measured = await self._of_complete(
            usage, text_size(text), lambda: count_or_guess(self.count, text, self.call.model)
        )
        return _with_calls(measured, reply.calls)

    async def of_stream(self, tap: Tap, tally: TokenTally, complete: bool, silent_ns: int = 0) -> Measured:
        """Of a stream as far as it came. ``silent_ns``: before its first content, where its client has
        left."""
        usage, text_bytes = tap.usage, tally.text_bytes + tap.text_bytes
        if complete and usage is not None and self._stands(usage, text_bytes):
            return Measured(usage, "reported")

        def count() -> Awaitable[int]:
            tally.add(tap.take_text())
            return tally.total()

        if complete:
            measured = await self._of_complete(usage, text_bytes, count)
        else:
            measured = await self._of_part(usage, text_bytes, await count(), silent_ns)
        return _with_calls(measured, tap.calls)

    def of_failure(self, reported: Usage | None) -> Measured:
        """Of an error in place of an answer: what the upstream counted all the same."""
        usage = None if reported is None else self._bounded(reported, 0)
        return _NOTHING if usage is None else Measured(usage, "reported", usage != reported)

    def _stands(self, usage: Usage, text_bytes: int) -> bool:
        """Whether the report of a complete answer needs no second look."""
        return not is_thin(usage, text_bytes) and is_within(usage, self._bounds())

    async def _of_embeddings(self, reported: Usage | None) -> Measured:
        usage = None if reported is None else self._bounded(reported, 0)
        if usage is None:
            return Measured(await self._estimate(0), "estimated", reported is not None)
        return Measured(usage, "reported", usage != reported)

    async def _of_complete(self, reported: Usage | None, text_bytes: int, count: Counting) -> Measured:
        usage = None if reported is None else self._bounded(reported, text_bytes)
        if usage is None:
            return Measured(await self._estimate(await count()), "estimated", reported is not None)
        thin = is_thin(usage, text_bytes)
        doubted = thin or usage != reported
        if doubted:
            self._count("switchgear_usage_doubt_total")
        own_count = doubted and self.target.channel.doubt_usage
        if not own_count and (usage.output_total or not text_bytes):
            return Measured(usage, "reported", doubted)
        if own_count and not thin:
            usage = replace(usage, output_text=0, reasoning=0, audio_out=0, image_out=0)
        raised = with_seen_output(usage, await count())
        return Measured(raised, "reported" if raised == reported else "estimated", doubted)

    async def _of_part(
        self, reported: Usage | None, text_bytes: int, seen_tokens: int, silent_ns: int
    ) -> Measured:
        usage = None if reported is None else self._bounded(reported, text_bytes)
        doubted = usage != reported
        if usage is None:
            known = await self._estimate(seen_tokens)
        else:
            known = with_seen_output(usage, seen_tokens)
        counts_as_it_goes = known is usage and known.output_total > 0
        hidden = self._hidden(silent_ns, known) if silent_ns and not counts_as_it_goes else 0
        if hidden:
            known = replace(known, reasoning=known.reasoning + hidden)
        # A report that was trimmed is one all the same: who left before any content pays for what it leaves.
        return Measured(known, "reported" if known == usage else "estimated", doubted, hidden)

    def _hidden(self, silent_ns: int, usage: Usage) -> int:
        """Tokens of reasoning that nothing told of: what the model writes in the time before its first
        content, within what the call can come to."""
        if not self._may_reason():
            return 0
        channel, model = self.target.channel.id, self.target.upstream_model
        tokens = self.paces.tokens_in(channel, model, silent_ns)
        return max(0, min(tokens, self._bounds().output_in_all - usage.output_total))

    def _may_reason(self) -> bool:
        target, request = self.target, self._request()
        seen = self.paces.reasons(target.channel.id, target.upstream_model)
        return may_reason(target.facts, None if request is None else request.thinking, seen=seen)

    def _bounded(self, usage: Usage, seen_bytes: int) -> Usage | None:
        """A report as far as it can be true; None where it can't be believed at all."""
        if not is_plausible(usage):
            self._alarm("switchgear_usage_absurd_total", usage)
            return None
        bounds = self._bounds()
        if is_within(usage, bounds):
            return usage
        # A predicted text is billed where it was wrong; an upstream's own tools make it write again.
        writes_more = "prediction" in self.call.fields or bool(self.prepared.calls) or self._may_reason()
        bounded = within(usage, bounds, seen_bytes, writes_more=writes_more)
        if bounded != usage:
            self._alarm("switchgear_usage_excess_total", usage)
        return bounded

    def _bounds(self) -> Bounds:
        target = self.target
        model = target.model
        return bounds_of(
            self.call, self.prepared, target.facts, model.output_tokens_max, model.context_tokens
        )

    def _count(self, metric: str) -> None:
        self.meters.add(f"{metric}|channel={self.target.channel.name}")

    def _alarm(self, metric: str, usage: Usage) -> None:
        self._count(metric)
        log.warning(
            "an upstream reports more tokens than the call can have come to",
            extra={
                "channel": self.target.channel.name,
                "model": self.target.upstream_model,
                "input_tokens": usage.input_total,
                "output_tokens": usage.output_total,
            },
        )

    def _request(self) -> Request | None:
        """The neutral form; None where there is none, or the client's dialect can't be read that far."""
        prepared = self.prepared
        found = prepared.request or prepared.gathered
        if found is not None or self.call.operation in EMBEDDING_OPERATIONS:
            return found
        try:
            return self.dialect.read_request(self.call, self.seals)
        except ApiError:
            return None

    def _input(self) -> tuple[str, int]:
        """(text that costs tokens, tokens that stand for no text)."""
        request = self._request()
        if request is None:
            return self.dialect.input_text(self.call), self.dialect.overhead_tokens(self.call)
        return spelt(request), overhead_tokens(request)

    async def _estimate(self, output_tokens: int) -> Usage:
        text, overhead = await beside(self.call.input_bytes, CONVERTED_AT_ONCE_BYTES_MAX, self._input)
        tokens = await count_or_guess(self.count, text, self.call.model) + overhead
        return Usage(input_uncached=tokens * self.prepared.copies, output_text=output_tokens)


def _with_calls(measured: Measured, calls: Callable[[], Mapping[str, int]]) -> Measured:
    """An estimate holds the calls of hosted tools that were seen."""
    if measured.source != "estimated":
        return measured
    return replace(measured, usage=with_calls(measured.usage, calls()))
