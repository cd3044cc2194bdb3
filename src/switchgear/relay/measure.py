"""What one call is charged by: what its upstream reported, raised or replaced by what was counted here."""

from collections.abc import Callable

import msgspec

from switchgear.kernel.dialects import EMBEDDING_OPERATIONS
from switchgear.kernel.usage import Usage, with_calls
from switchgear.ledger.record import UsageSource
from switchgear.relay.beside import input_of
from switchgear.relay.meter import (
    TOKEN_BYTES_MAX,
    Count,
    TokenTally,
    count_or_guess,
    is_plausible,
    with_seen_output,
)
from switchgear.relay.metrics import Meters
from switchgear.wire.call import Call
from switchgear.wire.dialect import Dialect, Reply, Tap


class Measure(msgspec.Struct, frozen=True):
    """Of one call, as its client asked it."""

    count: Count
    meters: Meters
    dialect: Dialect
    """The client's."""
    call: Call
    copies: int
    """Calls to the upstream that its input is paid for in."""

    async def of_whole(self, reply: Reply) -> tuple[Usage, UsageSource]:
        """Of a whole reply; a report of no output, though there is some, is none of it."""
        usage = reply.usage
        if usage is None or not self._believable(usage):
            return with_calls(await self._estimate(reply.text), reply.calls()), "estimated"
        if usage.output_total or self.call.operation in EMBEDDING_OPERATIONS:
            return usage, "reported"
        raised = with_seen_output(usage, await count_or_guess(self.count, reply.text(), self.call.model))
        return raised, "reported" if raised == usage else "estimated"

    async def of_stream(self, tap: Tap, tally: TokenTally, complete: bool) -> tuple[Usage, UsageSource]:
        """Of a stream as far as it came. The output is counted where no report holds it: none came, or one
        before the end, or one of far less than was written."""
        reported = tap.usage
        if reported is not None and not self._believable(reported):
            reported = None
        if reported and complete and tap.text_bytes <= TOKEN_BYTES_MAX * reported.output_total:
            return reported, "reported"
        tally.add(tap.take_text())
        seen = await tally.total()
        if reported is None:
            return with_calls(await self._estimate_input(seen), tap.calls()), "estimated"
        usage = with_calls(with_seen_output(reported, seen), tap.calls())
        return usage, "reported" if usage == reported else "estimated"

    def _believable(self, usage: Usage) -> bool:
        if is_plausible(usage):
            return True
        self.meters.add("switchgear_usage_absurd_total")
        return False

    async def _estimate(self, text: Callable[[], str]) -> Usage:
        embeds = self.call.operation in EMBEDDING_OPERATIONS
        output = 0 if embeds else await count_or_guess(self.count, text(), self.call.model)
        return await self._estimate_input(output)

    async def _estimate_input(self, output_tokens: int) -> Usage:
        text, overhead = await input_of(self.dialect, self.call)
        tokens = await count_or_guess(self.count, text, self.call.model) + overhead
        return Usage(input_uncached=tokens * self.copies, output_text=output_tokens)
